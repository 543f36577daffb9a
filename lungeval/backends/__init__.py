"""Backends make or bring images: one file each, all through the contract of `lungeval.backends.base`."""
