"""Image metrics: two sets of features in, one number with its method and limits out; one file each."""
