"""Effects: what a user puts into a chain. One module per effect."""
