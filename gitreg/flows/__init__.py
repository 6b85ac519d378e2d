"""One file per operation, read top to bottom; what touches the world comes in as arguments."""
