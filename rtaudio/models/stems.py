"""The stems that a song is separated into."""

from __future__ import annotations

__all__ = ["RESIDUAL", "STEMS"]

STEMS = ("vocals", "drums", "bass", "other")
"""Names of the stems, as in MUSDB18; ``other`` is everything else, guitars and keyboards too."""

RESIDUAL = "residual"
"""Name of what is left of a song beside some stems."""
