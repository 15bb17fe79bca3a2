"""One sampling algorithm a file; each knows a function, not a network."""
