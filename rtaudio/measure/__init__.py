"""Measuring: percentiles, the callback body, single nodes."""
