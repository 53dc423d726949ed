"""No bursts: after a loss nothing is louder than the programme was before it.

The levels of a codec are often coded as differences. Where a difference is lost, such as that of
the step into a silence, the next ones are added to the wrong level: unguarded, a voice that begins
again may be louder by 40 dB.
"""

from __future__ import annotations

import numpy as np

from rtaudio.runtime.jit import helper
from rtaudio.runtime.memory import Floats

AGREEMENT_FRAMES = 45
"""A codec that predicts its levels disagrees with the sender for so long after a loss: what it
missed dies out as 0.9 per frame, and of a step of 60 dB 0.9 ** 45 leaves half a decibel."""

START_PEAK = 0.25
"""Loudest sample of a programme that is not known yet: speech at -26 dBFS RMS reaches it."""

_RELEASE = 0.995
"""Per trusted frame: after a loud one the limit falls by 2.2 dB per second."""

_RISE = 1.003
"""Per limited frame: a programme that did grow louder is let through, at 1.3 dB per second."""

_ATTACK_SAMPLES = 96

_LIMIT, LEFT, _GAIN = range(3)


def guard_memory() -> Floats:
    """Return what a guard knows at its start: the limit, frames left of disagreement, the gain."""
    return np.array([START_PEAK, 0.0, 1.0], np.float32)


@helper
def hold(memory, y, samples, trusted, most):
    """Turn a frame down, in place, that is louder than the programme or than ``most``.

    ``trusted`` tells whether it was decoded from codes: it is no lost frame, and in no pause.
    """
    left = max(memory[LEFT] - 1, 0) if trusted else AGREEMENT_FRAMES
    limit, former = memory[_LIMIT], memory[_GAIN]
    peak = np.float32(0.0)
    for i in range(samples):
        peak = max(peak, abs(y[i]))
    if left == 0:
        limit = min(max(peak, limit * _RELEASE), most)
    gain = limit / peak if peak > limit else 1.0
    memory[LEFT], memory[_GAIN] = left, gain
    memory[_LIMIT] = min(limit * _RISE, most) if peak > limit else limit
    if former == 1.0 and gain == 1.0:
        return
    falls = gain < former
    length = min(_ATTACK_SAMPLES, samples) if falls else samples
    for i in range(samples):
        now = former + (gain - former) * i / (length - 1) if i < length - 1 else gain
        if falls and i < length:  # it may be too loud before the ramp has ended
            now = min(now, limit / max(abs(y[i]), limit))
        y[i] = np.float32(now * y[i])
