"""The average spectrum of a sound in thirds of octaves."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rtaudio.runtime.memory import Array

__all__ = ["CENTRES_HZ", "SILENT_DB", "ThirdOctaves", "third_octaves_db"]

CENTRES_HZ = 1000.0 * 10.0 ** (np.arange(-17, 14) / 10.0)
"""The 31 centres from 20 Hz to 20 kHz (IEC 61260, base ten)."""

SILENT_DB = -200.0
"""What a band without power reads."""

_WINDOW_S = 0.34


class ThirdOctaves:
    """The mean power of a sound in thirds of octaves, collected piece by piece.

    Parameters
    ----------
    rate_hz
        Sample rate.

    Notes
    -----
    Welch's method with Hann windows of a third of a second, half overlapping. A sound that is
    shorter than a window is followed by silence; otherwise a last part of a window is left out.

    Examples
    --------
    >>> meter, noise = ThirdOctaves(48000), np.random.default_rng(0).standard_normal((2, 48000))
    >>> meter.add(noise[:, :30000])
    >>> meter.add(noise[:, 30000:])
    >>> bool(np.allclose(meter.levels_db(), third_octaves_db(noise, 48000)))
    True
    """

    def __init__(self, rate_hz: int) -> None:
        self._size = 2 ** math.ceil(math.log2(_WINDOW_S * rate_hz))
        self._window = np.hanning(self._size + 1)[:-1]
        self._hertz = np.fft.rfftfreq(self._size, 1.0 / rate_hz)
        self._power = np.zeros(self._size // 2 + 1)
        self._windows = 0
        self._rest: Array | None = None

    def add(self, x: Any) -> None:
        """Add the next piece, ``[channels, frames]``; the power of the channels is averaged."""
        if self._rest is not None:
            x = np.concatenate([self._rest, x], axis=1)
        size, hop = self._size, self._size // 2
        starts = range(0, x.shape[1] - size + 1, hop)
        for start in starts:
            self._power += self._power_of(x[:, start : start + size])
        self._windows += len(starts)
        self._rest = np.array(x[:, hop * len(starts) :])

    def _power_of(self, piece: Any) -> Array:
        bins = np.fft.rfft(np.asarray(piece, np.float64) * self._window, axis=1)
        return np.asarray(np.mean(np.abs(bins) ** 2, axis=0))

    def levels_db(self) -> Array:
        """Return the mean power so far in dB, float64 ``[31]``.

        Bands above half the sample rate, and silence, read -200 dB.
        """
        power, windows = self._power, self._windows
        if windows == 0 and self._rest is not None:
            missing = self._size - self._rest.shape[1]
            power, windows = self._power_of(np.pad(self._rest, ((0, 0), (0, missing)))), 1
        power = power * 2.0 / (max(1, windows) * self._size * np.sum(self._window**2))
        edge = 10.0**0.05
        sums = [
            power[(self._hertz >= centre / edge) & (self._hertz < centre * edge)].sum()
            for centre in CENTRES_HZ
        ]
        return np.asarray(10.0 * np.log10(np.maximum(sums, 10.0 ** (SILENT_DB / 10.0))))


def third_octaves_db(x: Any, rate_hz: int) -> Array:
    """Return the mean power in thirds of octaves, in dB, float64 ``[31]``.

    Parameters
    ----------
    x
        ``[frames]`` or ``[channels, frames]``; the power of the channels is averaged.
    rate_hz
        Its sample rate.

    See Also
    --------
    ThirdOctaves : the same, piece by piece

    Examples
    --------
    >>> sine = np.sin(2 * np.pi * 1000 / 48000 * np.arange(48000))
    >>> levels_db = third_octaves_db(sine, 48000)
    >>> float(CENTRES_HZ[levels_db.argmax()]), round(float(levels_db.max()), 1)
    (1000.0, -3.0)
    """
    meter = ThirdOctaves(rate_hz)
    meter.add(np.atleast_2d(np.asarray(x, np.float64)))
    return meter.levels_db()
