"""Everything that touches the world: stores, doorbells, HTTP, the command line."""
