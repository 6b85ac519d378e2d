"""One rule per file. Each has its id, its name, and a function from a context to findings."""
