"""The average spectrum of a sound in thirds of octaves."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rtaudio.runtime.memory import Array

__all__ = ["CENTRES_HZ", "third_octaves_db"]

CENTRES_HZ = 1000.0 * 10.0 ** (np.arange(-17, 14) / 10.0)
"""The 31 centres from 20 Hz to 20 kHz (IEC 61260, base ten)."""

_WINDOW_S = 0.34
_LEAST_DB = -200.0


def third_octaves_db(x: Any, rate_hz: int) -> Array:
    """Return the mean power in thirds of octaves, in dB, float64 ``[31]``.

    Parameters
    ----------
    x
        ``[frames]`` or ``[channels, frames]``; the power of the channels is averaged.
    rate_hz
        Its sample rate.

    Notes
    -----
    Welch's method with Hann windows of a third of a second, half overlapping. Bands above half the
    sample rate, and silence, read -200 dB.

    Examples
    --------
    >>> sine = np.sin(2 * np.pi * 1000 / 48000 * np.arange(48000))
    >>> levels_db = third_octaves_db(sine, 48000)
    >>> float(CENTRES_HZ[levels_db.argmax()]), round(float(levels_db.max()), 1)
    (1000.0, -3.0)
    """
    planar = np.atleast_2d(np.asarray(x, np.float64))
    size = 2 ** math.ceil(math.log2(_WINDOW_S * rate_hz))
    if planar.shape[1] < size:
        planar = np.pad(planar, ((0, 0), (0, size - planar.shape[1])))
    window = np.hanning(size + 1)[:-1]
    power = np.zeros(size // 2 + 1)
    starts = range(0, planar.shape[1] - size + 1, size // 2)
    for start in starts:
        piece = np.fft.rfft(planar[:, start : start + size] * window, axis=1)
        power += np.mean(np.abs(piece) ** 2, axis=0)
    power *= 2.0 / (len(starts) * size * np.sum(window**2))
    hertz = np.fft.rfftfreq(size, 1.0 / rate_hz)
    edge = 10.0**0.05
    sums = [power[(hertz >= c / edge) & (hertz < c * edge)].sum() for c in CENTRES_HZ]
    return np.asarray(10.0 * np.log10(np.maximum(sums, 10.0 ** (_LEAST_DB / 10.0))))
