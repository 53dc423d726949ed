"""Measurements of sound in plain numpy: pitch, loudness, speech quality, aliasing, percentiles."""
