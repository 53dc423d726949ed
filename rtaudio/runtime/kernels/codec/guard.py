"""No bursts: after a loss nothing is louder than the programme was before it.

The levels of a codec are often coded as differences. Where a difference is lost, such as that of
the step into a silence, the next ones are added to the wrong level: unguarded, a voice that begins
again may be louder by 40 dB.
"""

from __future__ import annotations

import numpy as np

from rtaudio.runtime.jit import helper
from rtaudio.runtime.memory import Floats

_STEP_DB, _MEMORY = 60.0, 0.9
"""A level that was missed is at most so wrong, and what is wrong dies out so fast per frame."""

AGREEMENT_FRAMES = 45
"""Then half a decibel is left, and the levels of sender and receiver agree again."""

START_PEAK = 0.25
"""Loudest sample of a programme that is not known yet: speech at -26 dBFS RMS reaches it."""

_RELEASE = 0.995
"""Per trusted frame: after a loud one the limit falls by 2.2 dB per second."""

_RISE, _FALL = 1.003, 1.001
"""Per untrusted frame that is limited, and per other one: where losses never end, the limit comes
to rest where one frame in four is limited, whatever the levels do."""

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
        limit = max(limit * _RELEASE, peak)
    elif trusted:  # the programme is as loud as this if all that may be wrong made it louder
        doubt_db = _STEP_DB * _MEMORY ** (AGREEMENT_FRAMES - left)
        limit = max(limit, peak * 10.0 ** (-doubt_db / 20.0))
    limit = min(limit, most)
    gain = limit / peak if peak > limit else 1.0
    memory[LEFT], memory[_GAIN] = left, gain
    if left == 0 or not trusted:
        memory[_LIMIT] = limit
    else:
        memory[_LIMIT] = min(limit * _RISE, most) if peak > limit else limit / _FALL
    if former == 1.0 and gain == 1.0:
        return
    falls = gain < former
    length = min(_ATTACK_SAMPLES, samples) if falls else samples
    for i in range(samples):
        now = former + (gain - former) * i / (length - 1) if i < length - 1 else gain
        if falls and i < length:  # it may be too loud before the ramp has ended
            now = min(now, limit / max(abs(y[i]), limit))
        y[i] = np.float32(now * y[i])
