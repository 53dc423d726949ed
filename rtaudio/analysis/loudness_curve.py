"""The loudness of a sound of any length over time, collected piece by piece."""

from __future__ import annotations

import numpy as np

from rtaudio.runtime.loudness import Loudness, LoudnessMeter
from rtaudio.runtime.memory import Array, Floats

POINTS_PER_S = 10


class LoudnessCurve:
    """Momentary and short-term loudness ten times a second, and the loudness of the whole.

    Parameters
    ----------
    rate_hz
        Sample rate.
    channels
        Number of channels, at most 8.

    Raises
    ------
    RefusedError
        There are more channels.

    Examples
    --------
    >>> curve = LoudnessCurve(48000, 1)
    >>> curve.add(np.sin(2 * np.pi * 997 / 48000 * np.arange(48000), dtype=np.float32)[None])
    >>> round(curve.finish().integrated_lufs, 2)
    -3.01
    >>> seconds, momentary_lufs, short_term_lufs = curve.points()
    >>> len(seconds), float(seconds[-1]), round(float(momentary_lufs[-1]), 2)
    (10, 1.0, -3.01)
    """

    def __init__(self, rate_hz: int, channels: int) -> None:
        self._meter = LoudnessMeter(rate_hz, channels)
        self._rate_hz, self._point = rate_hz, rate_hz // POINTS_PER_S
        self._position = 0
        self._readings: list[tuple[float, float, float]] = []

    def add(self, x: Floats) -> None:
        """Add the next piece, planar ``[channels, frames]``, finite."""
        done = 0
        while done < x.shape[1]:
            count = min(self._point - self._position % self._point, x.shape[1] - done)
            self._meter.measure(x[:, done : done + count])
            done += count
            self._position += count
            if self._position % self._point == 0:
                self._read()

    def _read(self) -> None:
        self._readings.append((self._position / self._rate_hz, *self._meter.windows_lufs()))

    def finish(self) -> Loudness:
        """End the sound, and return the loudness of the whole."""
        if self._position % self._point:
            self._read()
        self._meter.finish()
        return self._meter.read()

    def points(self) -> tuple[Array, Array, Array]:
        """Return seconds, momentary and short-term loudness, each float64 ``[points]``."""
        seconds, momentary_lufs, short_term_lufs = np.array(self._readings).reshape(-1, 3).T
        return seconds, momentary_lufs, short_term_lufs
