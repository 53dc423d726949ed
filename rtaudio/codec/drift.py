"""Clock drift: two sound cards never run at the same rate, so the receiver follows the sender.

::

    delay - target of the jitter buffer --> smoothed --> step, 1 +- 0.002
                                                           |
    frames of 20 ms ---------------------------> resampler-+--> a little fewer or more samples

Without it the delay would grow by 2 ms a minute for 33 ppm of drift, or the buffer would run dry.
"""

from __future__ import annotations

import numpy as np

from rtaudio.audio.windowed_sinc import windowed_sinc
from rtaudio.codec.jitter import FRAME_S
from rtaudio.runtime.jit import jit
from rtaudio.runtime.memory import Floats

SURPLUS_S = 0.008
"""The delay is kept this much above the target: below it frames come too late, above a whole frame
the jitter buffer leaves frames out."""

CORRECTION_S = 10.0
"""Time in which a deviation of the delay is corrected."""

SMOOTHING_S = 1.0
"""Time constant of the mean of the delay, which steps with every packet."""

MAX_DEVIATION = 0.002
"""Largest change of the rate: 3.5 cents, which nobody hears in speech."""

_TAPS, _PHASES = 32, 512
_CUTOFF = 0.94
_BETA = 9.0


@jit
def _interpolate(table, x, places, out):
    """Fill ``out`` with the values of ``x`` between its samples, at the first of the places."""
    for i in range(out.size):
        whole = int(places[i])
        phase = (places[i] - whole) * _PHASES
        row = int(phase)
        share = phase - row
        total = 0.0
        for tap in range(_TAPS):
            weight = table[row, tap] + share * (table[row + 1, tap] - table[row, tap])
            total += weight * x[whole - (_TAPS // 2 - 1) + tap]
        out[i] = total


class DriftResampler:
    """Resamples frame by frame by a rate that may change with every frame, without a seam.

    Band-limited interpolation after J. O. Smith, "Digital Audio Resampling": a sinc under a Kaiser
    window of 32 taps, 512 phases with linear interpolation between them.

    Attributes
    ----------
    latency_samples
        The output is this much late.

    Examples
    --------
    >>> resampler = DriftResampler()
    >>> sum(resampler.process(np.zeros(960, np.float32), 1.001).size for frame in range(100))
    95905
    """

    latency_samples = _TAPS // 2

    def __init__(self) -> None:
        self._filter = windowed_sinc(_TAPS, _PHASES, _CUTOFF, _BETA)
        self._past = np.zeros(_TAPS, np.float64)
        self._place = float(_TAPS // 2)
        self._step = 1.0
        self.process(np.zeros(0, np.float32), 1.0)  # compiled now: a call must not wait for it

    def process(self, audio: Floats, step: float) -> Floats:
        """Resample the next frame.

        Parameters
        ----------
        audio
            float32 ``[samples]``.
        step
            Input samples per output sample at the end of the frame; it is reached linearly.

        Returns
        -------
        numpy.ndarray
            float32 ``[any]``, about ``samples / step``.
        """
        x = np.concatenate([self._past, audio])
        # Taps reach taps / 2 - 1 samples before the place and taps / 2 after it.
        last = x.size - _TAPS // 2 - 1
        steps = self._step + (step - self._step) * np.minimum(
            1.0, np.arange(1, 2 * audio.size + 2) / max(1, audio.size)
        )
        places = self._place + np.concatenate([[0.0], np.cumsum(steps)])
        count = int(np.searchsorted(places, last + 1.0, "left"))
        out = np.empty(count, np.float32)
        _interpolate(self._filter, x, places, out)
        self._place = float(places[count]) - audio.size
        self._past, self._step = x[-_TAPS:], step
        return out


class DriftControl:
    """Chooses the step from the delay of the jitter buffer.

    Examples
    --------
    >>> control = DriftControl()
    >>> control.step(delay_ms=108.0, target_ms=100.0)
    1.0
    """

    def __init__(self) -> None:
        self._surplus_s = SURPLUS_S

    def step(self, delay_ms: float, target_ms: float) -> float:
        """Return the step for the next frame; call it once per frame.

        Parameters
        ----------
        delay_ms, target_ms
            Of the jitter buffer (`rtaudio.codec.jitter.JitterStats`).
        """
        surplus_s = (delay_ms - target_ms) / 1000.0
        self._surplus_s += (surplus_s - self._surplus_s) * FRAME_S / SMOOTHING_S
        deviation = (self._surplus_s - SURPLUS_S) / CORRECTION_S
        return 1.0 + float(np.clip(deviation, -MAX_DEVIATION, MAX_DEVIATION))
