"""An example of a backend for lungeval that comes as a package of its own."""
