"""Where clean records go: one sink a file."""
