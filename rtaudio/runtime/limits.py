"""Limits of rates, blocks and channels, in one place."""

from __future__ import annotations

MIN_RATE_HZ, MAX_RATE_HZ = 8000, 384000
"""Sample rates."""

MAX_BLOCK = 65536
"""Frames per call of a program."""

MAX_CHANNELS = 64
"""Of arrays and sound files; more is an array that lies on its side."""

MAX_LIVE_CHANNELS = 8
"""Of a device, in each direction."""

LOUDEST = 1000.0
"""Largest magnitude of a sample, +60 dBFS; more is a fault, and is silenced."""


class RefusedError(ValueError):
    """A rate, a block, a name or a chain that the runtime cannot play.

    The runtime imports nothing else of rtaudio. Effects and hosts raise it as a
    :class:`~rtaudio.errors.ParameterError`.
    """
