"""Pull requests on GitHub, and on a GitHub Enterprise Server."""
