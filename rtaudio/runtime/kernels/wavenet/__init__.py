"""The kernel of WaveNets."""
