"""Stage `read` -> 3-readings/: collect every planned reading, by page, by program, or from a table."""
