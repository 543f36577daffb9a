"""Feature networks of the image metrics, one file each."""
