"""Sound files: read, written, and a few seconds of plucked strings to play with."""
