"""Train a codec: speech, its losses, and its books that follow the data."""
