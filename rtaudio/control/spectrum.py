"""Spectrum: levels over frequency of a playing host, before and after its chain."""

from __future__ import annotations

import math

import numpy as np

from rtaudio.live.host import Host
from rtaudio.runtime.memory import Array, Floats

BANDS = 128
LOWEST_HZ, HIGHEST_HZ = 30.0, 20_000.0
FLOOR_DB = -110.0
WINDOW_S = 0.085


class Spectrum:
    """Reads the latest sound of a host, and returns its spectrum in logarithmic bands.

    The audio thread does nothing for it: it writes its rings anyway, and this reads them.

    Parameters
    ----------
    host
        The playing host.

    Notes
    -----
    A band has the level of its strongest bin, under a Hann window of a power of two samples (4096
    at 48 kHz): a full-scale sine reads 0 dB. Neighbouring bands narrower than a bin share one.

    Examples
    --------
    >>> with Host(Chain(), device="clock") as host:
    ...     before, after = Spectrum(host).read()
    >>> before.shape, after.shape
    ((128,), (128,))
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self._tap = host.tap()
        self._frames = 1 << round(math.log2(WINDOW_S * host.rate_hz))
        self._after: Floats = np.zeros(self._frames, np.float32)
        self._window = np.hanning(self._frames + 1)[:-1]
        self._scale = 2.0 / self._window.sum()
        edges = np.round(_edges_hz(host.rate_hz) * self._frames / host.rate_hz).astype(np.int64)
        self._first, self._end = edges[:-1], int(edges[-1])

    @property
    def edges_hz(self) -> list[float]:
        """Lower edges of the bands, and the upper one of the last."""
        return [float(edge) for edge in _edges_hz(self.host.rate_hz)]

    def read(self) -> tuple[Array, Array]:
        """Return the levels before and after the chain.

        Returns
        -------
        before, after : numpy.ndarray
            float64 ``[BANDS]``, dB of full scale, not below `FLOOR_DB`. Before the chain it is the
            first input channel, after it the mean of the output channels.
        """
        played = self._tap.read().mean(axis=1)[-self._frames :]
        self._after = np.concatenate([self._after[len(played) :], played])
        heard = self.host.heard(self._frames / self.host.rate_hz)[-self._frames :]
        before = np.concatenate([np.zeros(self._frames - len(heard), np.float32), heard])
        return self._levels_db(before), self._levels_db(self._after)

    def _levels_db(self, x: Array) -> Array:
        magnitudes = self._scale * np.abs(np.fft.rfft(x * self._window))
        highest = np.maximum.reduceat(magnitudes[: self._end], self._first)
        return np.maximum(20.0 * np.log10(np.maximum(highest, 1e-12)), FLOOR_DB)


def _edges_hz(rate_hz: int) -> Array:
    return np.geomspace(LOWEST_HZ, min(HIGHEST_HZ, 0.49 * rate_hz), BANDS + 1)
