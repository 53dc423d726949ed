"""Effects, the parts of a chain. One module per effect."""
