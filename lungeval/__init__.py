"""lungeval: visual Turing tests for synthetic lung images."""
