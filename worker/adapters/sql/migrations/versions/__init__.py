"""One module for each step, named for its place and what it brings."""
