"""The use cases: they join the terminal, Claude and the store."""
