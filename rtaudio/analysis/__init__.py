"""Measurements of sound in numpy: pitch, loudness, speech quality, aliasing, percentiles."""
