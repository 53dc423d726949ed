"""Resampler: another sample rate, at an exact ratio, piece by piece and without delay.

Band-limited interpolation after J. O. Smith, "Digital Audio Resampling": output n is the input at
the place ``n * from_hz / to_hz``, kept as a fraction of integers, so that no rounding adds up over
hours::

    place = whole + phase / up          up / down = to_hz / from_hz, reduced

The low pass is flat up to 0.9 of the Nyquist frequency of the lower rate, and ends there.
"""

from __future__ import annotations

import math

import numpy as np

from rtaudio.audio.windowed_sinc import windowed_sinc
from rtaudio.errors import ParameterError, out_of_range
from rtaudio.runtime.jit import jit
from rtaudio.runtime.kernels.resampler import dot
from rtaudio.runtime.limits import MAX_RATE_HZ, MIN_RATE_HZ
from rtaudio.runtime.memory import Floats

_TAPS = 144  # of the shortest filter
_PHASES = 1024
_CUTOFF = 0.95
_BETA = 10.6  # 105 dB


@jit
def _interpolate(table, x, whole, phase, up, down, out):
    """Fill ``out`` ``[channels, count]``; the taps of its first place begin at ``x[:, whole]``."""
    rows, taps = table.shape[0] - 1, table.shape[1]
    for i in range(out.shape[1]):
        row = phase * rows // up
        share = (phase * rows - row * up) / up
        weights = table.ctypes.data + 4 * taps * row
        for channel in range(out.shape[0]):
            first = x.ctypes.data + 4 * (channel * x.shape[1] + whole)
            value = dot(weights, first, taps)
            if share > 0.0:
                value += share * (dot(weights + 4 * taps, first, taps) - value)
            out[channel, i] = value
        phase += down
        whole += phase // up
        phase %= up


class Resampler:
    """Changes the sample rate of a stream.

    Parameters
    ----------
    from_hz, to_hz
        Sample rate of the input and of the output, 8000 .. 384000 Hz.

    Raises
    ------
    ParameterError
        A rate is out of range.

    Notes
    -----
    Sines up to 0.9 of the lower Nyquist frequency come through with an error below -90 dB, and
    aliases stay below -80 dB. Output comes half a filter later than its input, but its time is
    that of the input: nothing is shifted. Equal rates give the very samples.

    Examples
    --------
    >>> resampler = Resampler(44_100, 48_000)
    >>> start = resampler.process(np.zeros((2, 400), np.float32))
    >>> end = resampler.process(np.zeros((2, 41), np.float32), last=True)
    >>> start.shape, end.shape
    ((2, 358), (2, 122))
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        for key, rate_hz in (("from_hz", from_hz), ("to_hz", to_hz)):
            if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
                raise ParameterError(out_of_range(key, rate_hz, MIN_RATE_HZ, MAX_RATE_HZ, "Hz"))
        common = math.gcd(from_hz, to_hz)
        self._up, self._down = to_hz // common, from_hz // common
        # For a lower rate the sinc is stretched in time, and so are the steps between its phases.
        stretch = max(1.0, from_hz / to_hz)
        self._half = 2 * math.ceil(_TAPS * stretch / 4)
        phases = min(self._up, math.ceil(_PHASES / stretch))
        table = windowed_sinc(2 * self._half, phases, _CUTOFF / stretch, _BETA)
        self._table = table.astype(np.float32)
        self._past: Floats | None = None
        self._whole = self._phase = 0

    def process(self, x: Floats, last: bool = False) -> Floats:
        """Resample the next piece.

        Parameters
        ----------
        x
            float32 ``[samples]``, or planar ``[channels, samples]``.
        last
            The input ends with it; the next call begins another stream.

        Returns
        -------
        numpy.ndarray
            float32 ``[any]`` or ``[channels, any]``: all of the output that is known by now. At
            the end it has been ``ceil(samples * to_hz / from_hz)`` samples of ``samples``.
        """
        if self._up == self._down:
            return x.copy()
        planar = np.atleast_2d(x)
        zeros = np.zeros((len(planar), self._half), np.float32)
        past = zeros[:, 1:] if self._past is None else self._past
        known = np.concatenate([past, planar, zeros] if last else [past, planar], axis=1)
        places = known.shape[1] - 2 * self._half + 1 - self._whole
        count = max(0, -(-(places * self._up - self._phase) // self._down))
        out = np.empty((len(planar), count), np.float32)
        _interpolate(self._table, known, self._whole, self._phase, self._up, self._down, out)
        moved, self._phase = divmod(self._phase + count * self._down, self._up)
        self._whole += moved
        done = min(self._whole, known.shape[1])
        self._past, self._whole = known[:, done:].copy(), self._whole - done
        if last:
            self._past, self._whole, self._phase = None, 0, 0
        return out if x.ndim > 1 else out[0]
