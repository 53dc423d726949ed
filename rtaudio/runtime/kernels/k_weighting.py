"""K-weighting: the filter of loudness (ITU-R BS.1770-5, annex 1), at any sample rate."""

from __future__ import annotations

import math

import numpy as np

from rtaudio.runtime.jit import helper
from rtaudio.runtime.memory import Array
from rtaudio.runtime.words import f32_at, f64_at

OFFSET_DB = -0.691
"""Loudness of power 1 after the filter: a sine of 997 Hz at 0 dBFS in one channel is -3.01 LUFS."""


def k_weighting(rate_hz: int) -> tuple[Array, Array]:
    """Return the two sections of the K-weighting: b0, b1, b2, a1, a2 of each, float64.

    Notes
    -----
    BS.1770 states coefficients at 48 kHz; these are the analogue filters behind them (a shelf of
    4 dB at 1.68 kHz and a high-pass at 38 Hz) by the bilinear transform at any rate.

    Examples
    --------
    >>> k_weighting(48000)[0].round(8)
    array([ 1.53512486, -2.69169619,  1.19839281, -1.69065929,  0.73248077])
    """
    k = math.tan(math.pi * 1681.974450955533 / rate_hz)
    q, high = 0.7071752369554196, 10.0 ** (3.999843853973347 / 20.0)
    middle = high**0.4996667741545416
    a0 = 1.0 + k / q + k * k
    shelf = [
        (high + middle * k / q + k * k) / a0,
        2.0 * (k * k - high) / a0,
        (high - middle * k / q + k * k) / a0,
        2.0 * (k * k - 1.0) / a0,
        (1.0 - k / q + k * k) / a0,
    ]
    k = math.tan(math.pi * 38.13547087602444 / rate_hz)
    q = 0.5003270373238773
    a0 = 1.0 + k / q + k * k
    high_pass = [1.0, -2.0, 1.0, 2.0 * (k * k - 1.0) / a0, (1.0 - k / q + k * k) / a0]
    return np.array(shelf), np.array(high_pass)


@helper
def weighted_power(x, z, shelf, pass_, frames):
    """Return the sum of squares of one channel after the K-weighting, and move its memory on.

    ``x``: address of float32; ``z``: address of four float64; ``shelf``, ``pass_``: the sections.
    """
    samples, memory = f32_at(x), f64_at(z)
    z0, z1, z2, z3 = memory[0], memory[1], memory[2], memory[3]
    total = 0.0
    for i in range(frames):
        u = float(samples[i])
        v = shelf[0] * u + z0
        z0 = shelf[1] * u - shelf[3] * v + z1
        z1 = shelf[2] * u - shelf[4] * v
        w = pass_[0] * v + z2
        z2 = pass_[1] * v - pass_[3] * w + z3
        z3 = pass_[2] * v - pass_[4] * w
        total += w * w
    memory[0], memory[1], memory[2], memory[3] = z0, z1, z2, z3
    return total
