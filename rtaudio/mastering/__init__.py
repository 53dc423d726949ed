"""Mastering: what a song is, what it is to become, and the effects that lead there."""
