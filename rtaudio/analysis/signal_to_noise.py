"""The signal-to-noise ratio of a sound without a reference."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rtaudio.runtime.memory import Array

__all__ = ["blind_snr_db"]

MOST_DB = 120.0
WINDOW_S = 0.1
QUIET_SHARE = 0.1
NEIGHBOURS = 24
BETA = 20.0
"""Of the Kaiser window: a tone leaks less than -140 dB into bins farther than 7 away."""


def blind_snr_db(sound: Any, rate_hz: int) -> float:
    """Return the power of a sound over that of its steady noise, in dB, -120 .. 120.

    The noise is estimated from the sound itself: in every frequency bin of frames of 0.1 s the
    tenth part with the least power, brought to the mean that noise has; then the median over the
    48 bins around, so that steady tones do not count. What never pauses in a wide band counts as
    noise: the figure compares versions of one sound, and says little about a sound alone.

    Parameters
    ----------
    sound
        ``[frames]`` or ``[channels, frames]``, of a second or more; the power of the channels is
        added.
    rate_hz
        Its sample rate.

    Notes
    -----
    The power of noise in a bin is distributed exponentially; its quantile q is -ln(1 - q) times
    its mean. After R. Martin, Noise power spectral density estimation based on optimal smoothing
    and minimum statistics, IEEE TSAP 9(5), 2001, with a quantile in place of the minimum.
    """
    planar = np.atleast_2d(np.asarray(sound, np.float64))
    power = _frames(planar, 2 ** round(math.log2(WINDOW_S * rate_hz)))
    mean = -math.log(1.0 - QUIET_SHARE)
    floor = np.quantile(power, QUIET_SHARE, axis=0) / mean
    padded = np.pad(floor, NEIGHBOURS, mode="reflect")
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * NEIGHBOURS + 1)
    noise = float(np.median(around, axis=1).sum())
    return _ratio_db(float(power.mean(axis=0).sum()) - noise, noise)


def _frames(planar: Array, size: int) -> Array:
    """Return the power of windowed frames, ``[frames, bins]``, summed over the channels."""
    window = np.kaiser(size, BETA)
    starts = range(0, max(1, planar.shape[1] - size + 1), size // 2)
    padded = np.pad(planar, ((0, 0), (0, max(0, size - planar.shape[1]))))
    frames = [np.fft.rfft(padded[:, n : n + size] * window, axis=1) for n in starts]
    power: Array = np.sum(np.abs(np.array(frames)) ** 2, axis=1)
    return power


def _ratio_db(signal: float, noise: float) -> float:
    if noise <= 0.0:
        return MOST_DB
    if signal <= 0.0:
        return -MOST_DB
    return min(MOST_DB, max(-MOST_DB, 10.0 * math.log10(signal / noise)))
