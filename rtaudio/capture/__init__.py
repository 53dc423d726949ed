"""Capturing gear: test signal, recording, alignment, checks, and the capture folder."""
