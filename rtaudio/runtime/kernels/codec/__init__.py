"""The native kernels of the neural codec: an encoder, a decoder, and both with a line between."""
