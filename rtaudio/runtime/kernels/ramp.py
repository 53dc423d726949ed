"""Parameter ramps: a stored parameter value becomes a straight line of 20 ms, never a step."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

RAMP_MS = 20.0

RAMP = np.dtype([("value", "f4"), ("target", "f4"), ("step", "f4"), ("left", "i4")], align=True)
"""State of one ramped parameter; make it a field: ``("gain", RAMP)``."""


def ramp_samples(rate_hz: int) -> int:
    """Return the length of a ramp in samples."""
    return max(1, round(rate_hz * RAMP_MS / 1000.0))


def settled(value: float) -> Any:
    """Return the start value of a ramp field that rests at ``value``."""
    return np.array((value, value, 0.0, 0), RAMP)


@njit(inline="always")
def aim(ramp, target, samples):
    """Start a ramp of ``samples`` to ``target``, if it is not there or on its way already."""
    target = np.float32(target)
    if ramp.target != target:
        ramp.target = target
        ramp.left = samples
        ramp.step = (target - ramp.value) / np.float32(samples)


@njit(inline="always")
def advance(ramp):
    """Move a ramp by one sample and return its value."""
    if ramp.left > 0:
        ramp.left -= 1
        ramp.value = ramp.target if ramp.left == 0 else ramp.value + ramp.step
    return ramp.value
