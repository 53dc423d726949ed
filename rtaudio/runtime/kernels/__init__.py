"""Numba kernels: what the nodes of a program do to a block of audio."""
