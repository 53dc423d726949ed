"""The level of sound while there is some: pauses do not count."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rtaudio.runtime.memory import Floats

FRAME_S = 0.02
MARGIN_DB = 15.9
"""Frames that are so far below the active level are pauses."""

SILENCE_DB = -100
"""Frames below this level never count."""

_TOP_DB = 100


class ActiveLevel:
    """Measures the active level of each channel of a stream, in little memory.

    Parameters
    ----------
    rate_hz
        Sample rate.
    channels
        Number of channels.

    Notes
    -----
    As in ITU-T P.56, method B, the threshold of activity is 15.9 dB below the active level that it
    leads to; here activity is that of frames of 20 ms, and the threshold has steps of 1 dB.

    Examples
    --------
    >>> meter = ActiveLevel(8000, 2)
    >>> meter.add(np.repeat(np.float32([[0.1, 0.0], [0.0, 0.0]]), 8000, axis=1))
    >>> [round(level_db, 1) for level_db in meter.levels_db()]
    [-20.0, -inf]
    """

    def __init__(self, rate_hz: int, channels: int) -> None:
        self._size = max(1, round(FRAME_S * rate_hz))
        self._waiting = np.zeros((channels, 0), np.float32)
        self._counts = np.zeros((channels, _TOP_DB - SILENCE_DB), np.int64)
        self._powers = np.zeros((channels, _TOP_DB - SILENCE_DB))

    def add(self, x: Floats) -> None:
        """Measure the next piece, float32 planar ``[channels, samples]``, finite."""
        known = np.concatenate([self._waiting, x], axis=1)
        whole = known.shape[1] // self._size * self._size
        self._count(known[:, :whole].reshape(len(known), -1, self._size))
        self._waiting = known[:, whole:]

    def _count(self, frames: Floats) -> None:
        powers = np.mean(np.square(frames, dtype=np.float64), axis=2)
        levels_db = np.floor(10.0 * np.log10(np.maximum(powers, 1e-30))).astype(int)
        bins = np.minimum(levels_db, _TOP_DB - 1) - SILENCE_DB
        channels, places = np.nonzero(bins >= 0)
        heard = channels, bins[channels, places]
        np.add.at(self._counts, heard, 1)
        np.add.at(self._powers, heard, powers[channels, places])

    def levels_db(self) -> list[float]:
        """Return the active level of each channel so far, in dBFS RMS; minus infinity in silence.

        A last frame that is not complete counts as one.
        """
        if self._waiting.shape[1]:
            self._count(self._waiting[:, None, :])
            self._waiting = self._waiting[:, :0]
        return list(map(_active_db, self._counts, self._powers))


def _active_db(counts: NDArray[np.int64], powers: NDArray[np.float64]) -> float:
    """Return the level of the frames above the threshold that belongs to it."""
    level_db, count, power = -math.inf, 0, 0.0
    for number in np.flatnonzero(counts)[::-1]:
        if level_db - (number + SILENCE_DB) > MARGIN_DB:
            break
        count += int(counts[number])
        power += float(powers[number])
        level_db = 10.0 * math.log10(power / count)
    return level_db
