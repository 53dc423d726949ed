"""Capturing gear: the test signal, the take, its alignment and checks, and the capture folder."""
