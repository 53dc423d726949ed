"""Training of the convolutional codec with discriminators."""
