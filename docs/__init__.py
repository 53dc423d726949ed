"""Build the documentation: parts of the reference, read from the code, and checks."""
