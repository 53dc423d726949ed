"""Overview: a sound of any length in a fixed number of columns, for a picture of it."""

from __future__ import annotations

import math

import numpy as np

from rtaudio.runtime.memory import Array

_WAVE_COLUMNS = 1800
_SPECTRUM_COLUMNS = 900


class Overview:
    """The extremes and the spectrum of a sound over time, collected piece by piece.

    Parameters
    ----------
    frames
        Length of the sound; later frames are ignored.
    channels
        Number of channels. More than two share one row of extremes.
    rate_hz
        Sample rate.

    Attributes
    ----------
    low, high
        Extremes ``[rows, columns]``, of ``step`` frames each.

    Examples
    --------
    >>> view = Overview(48000, 1, 48000)
    >>> view.add(np.ones((1, 48000), np.float32))
    >>> view.peak, round(view.rms, 3)
    (1.0, 1.0)
    """

    def __init__(self, frames: int, channels: int, rate_hz: int) -> None:
        self.frames, self.rate_hz = frames, rate_hz
        self.step = max(1, math.ceil(frames / _WAVE_COLUMNS))
        rows, columns = (channels if channels <= 2 else 1), math.ceil(frames / self.step)
        self.low = np.full((rows, columns), np.inf, np.float32)
        self.high = np.full((rows, columns), -np.inf, np.float32)
        self._squares, self._samples = 0.0, 0
        self._position = 0
        self._size = 2 ** round(math.log2(0.05 * rate_hz))
        self._hop = self._size // 2
        hops = math.ceil(frames / self._hop)
        self._columns = min(_SPECTRUM_COLUMNS, hops)
        self._hops, self._done = hops, 0
        self._power = np.zeros((self._columns, self._size // 2 + 1))
        self._counts = np.zeros(self._columns)
        self._rest = np.zeros(self._size - self._hop, np.float32)
        self._window = np.hanning(self._size).astype(np.float32)

    @property
    def peak(self) -> float:
        """The largest magnitude."""
        return max(0.0, float(-self.low.min()), float(self.high.max()))

    @property
    def rms(self) -> float:
        """The root mean square of all samples."""
        return math.sqrt(self._squares / max(1, self._samples))

    def add(self, x: Array) -> None:
        """Add the next piece, planar ``[channels, frames]``."""
        x = x[:, : self.frames - self._position]
        if x.shape[1] == 0:
            return
        self._squares += float(np.square(x, dtype=np.float64).sum())
        self._samples += x.size
        self._add_extremes(x)
        self._add_spectrum(x.mean(axis=0))
        self._position += x.shape[1]
        if self._position == self.frames:
            self._add_spectrum(np.zeros(self._size, np.float32))

    def _add_extremes(self, x: Array) -> None:
        first = self._position // self.step
        last = (self._position + x.shape[1] - 1) // self.step
        edges = np.maximum(0, np.arange(first, last + 1) * self.step - self._position)
        lows = np.minimum.reduceat(x, edges, axis=1)
        highs = np.maximum.reduceat(x, edges, axis=1)
        if len(self.low) < len(lows):
            lows, highs = lows.min(axis=0, keepdims=True), highs.max(axis=0, keepdims=True)
        here = np.s_[:, first : last + 1]
        self.low[here] = np.minimum(self.low[here], lows)
        self.high[here] = np.maximum(self.high[here], highs)

    def _add_spectrum(self, mono: Array) -> None:
        """Add the power of every complete window to its column."""
        mono = np.concatenate([self._rest, mono])
        count = min((mono.size - self._size) // self._hop + 1, self._hops - self._done)
        for start in range(0, count, 256):
            number = min(256, count - start)
            at = (start + np.arange(number))[:, None] * self._hop + np.arange(self._size)
            power = np.square(np.abs(np.fft.rfft(mono[at] * self._window, axis=1)))
            columns = (self._done + start + np.arange(number)) * self._columns // self._hops
            np.add.at(self._power, columns, power)
            np.add.at(self._counts, columns, 1.0)
        self._done += max(0, count)
        self._rest = mono[max(0, count) * self._hop :]

    def spectrogram(self, bands: int) -> tuple[Array, Array, Array]:
        """Return times in seconds, frequencies in hertz, and magnitudes ``[bands, times]``.

        The frequencies are evenly spaced on a logarithmic scale, from 60 Hz to 0.46 of the sample
        rate; a sine at full scale has the magnitude 1.
        """
        seconds = (np.arange(self._columns) + 0.5) * self.frames / self._columns / self.rate_hz
        hertz = np.geomspace(60.0, 0.46 * self.rate_hz, bands)
        mean = self._power / np.maximum(self._counts, 1.0)[:, None]
        magnitude = np.sqrt(mean) * 2.0 / float(self._window.sum())
        bins = hertz * self._size / self.rate_hz
        low = bins.astype(int)
        share = bins - low
        return seconds, hertz, (magnitude[:, low] * (1 - share) + magnitude[:, low + 1] * share).T
