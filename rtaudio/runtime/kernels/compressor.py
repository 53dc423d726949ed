"""Compressor: feed-forward, level and gain in decibels, smooth decoupled peak detector.

After D. Giannoulis, M. Massberg, J. Reiss, "Digital Dynamic Range Compressor Design - A Tutorial
and Analysis", JAES 60(6), 2012: static curve (4), detector (17).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from rtaudio.runtime.abi import Node, kernel, state_dtype
from rtaudio.runtime.kernels.ramp import RAMP, advance, aim, ramp_samples, settled
from rtaudio.runtime.words import address_of, f32_at, struct_at

STATE = state_dtype(
    ("rate_hz", "f8"),
    ("ramp_samples", "i8"),
    ("threshold", RAMP),
    ("slope", RAMP),
    ("knee", RAMP),
    ("makeup", RAMP),
    ("held", "f8"),
    ("reduction", "f8"),
)
"""``params``: threshold dB, ratio, attack ms, release ms, knee dB, makeup dB. ``slope``:
1 - 1 / ratio. ``held``, ``reduction``: gain reduction in dB behind release and attack."""

_state_at = struct_at(STATE)

NOTHING_DB = 1e-6
_NEPER_PER_DB = math.log(10.0) / 20.0


def compressor(params: np.ndarray[Any, Any], rate_hz: int) -> Node:
    """Return the node of a compressor."""
    return Node(
        compress,
        params=params,
        rate_hz=rate_hz,
        ramp_samples=ramp_samples(rate_hz),
        threshold=settled(params[0]),
        slope=settled(1.0 - 1.0 / float(params[1])),
        knee=settled(params[4]),
        makeup=settled(params[5]),
    )


@njit(inline="always")
def _excess(level, threshold, slope, knee):  # type: ignore[no-untyped-def]
    """Return by how many dB the static curve turns down a linear level."""
    over = math.log(level) / _NEPER_PER_DB - threshold
    if over >= knee / 2.0:
        return slope * over
    # here the knee is not 0: below the threshold less half a knee the caller does not ask
    return slope * (over + knee / 2.0) ** 2 / (2.0 * knee)


@kernel(STATE)
def compress(state, src, dst, frames):  # type: ignore[no-untyped-def]
    """Turn all channels down by what the loudest of them needs."""
    s = _state_at(address_of(state))
    params = f32_at(s.params)
    aim(s.threshold, params[0], s.ramp_samples)
    aim(s.slope, 1.0 - 1.0 / params[1], s.ramp_samples)
    aim(s.knee, params[4], s.ramp_samples)
    aim(s.makeup, params[5], s.ramp_samples)
    attack = math.exp(-1000.0 / (params[2] * s.rate_hz))
    release = math.exp(-1000.0 / (params[3] * s.rate_hz))
    channels, stride = s.channels, s.stride
    held, reduction = s.held, s.reduction
    moving = True
    for i in range(frames):
        if moving:
            threshold, slope = float(advance(s.threshold)), float(advance(s.slope))
            knee, makeup = float(advance(s.knee)), float(advance(s.makeup))
            quiet = math.exp(_NEPER_PER_DB * (threshold - knee / 2.0))
            idle = math.exp(_NEPER_PER_DB * makeup)
            moving = s.threshold.left + s.slope.left + s.knee.left + s.makeup.left > 0
        level = abs(src[i])
        for channel in range(1, channels):
            level = max(level, abs(src[channel * stride + i]))
        needed = _excess(level, threshold, slope, knee) if level > quiet else 0.0
        held = max(needed, release * held + (1.0 - release) * needed)
        reduction = attack * reduction + (1.0 - attack) * held
        gain = idle
        if reduction > NOTHING_DB:
            gain = math.exp(_NEPER_PER_DB * (makeup - reduction))
        for channel in range(channels):
            dst[channel * stride + i] = gain * src[channel * stride + i]
    s.held, s.reduction = held, reduction
    return 0
