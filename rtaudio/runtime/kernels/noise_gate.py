"""Noise gate: a key that turns a signal into a gain curve, and the product with that curve."""

from __future__ import annotations

import math

from rtaudio.runtime.abi import kernel, state_dtype
from rtaudio.runtime.words import address_of, f32_at, struct_at

KEY = state_dtype(("rate_hz", "f8"), ("gain", "f8"), ("hold", "i8"))
"""``params``: threshold dB, attack ms, hold ms, release ms, hysteresis dB, range dB.
``hold`` counts the samples for which the gate stays open; 0 is a closed gate."""

APPLY = state_dtype(("curve", "i8"))
"""``curve``: address of the one-channel gain curve."""

_key_at = struct_at(KEY)
_apply_at = struct_at(APPLY)


@kernel(KEY)
def key(state, src, dst, frames):  # type: ignore[no-untyped-def]
    """Write the gain of the gate to the one channel of dst, from the loudest channel of src."""
    s = _key_at(address_of(state))
    params = f32_at(s.params)
    opens = 10.0 ** (params[0] / 20.0)
    stays = 10.0 ** ((params[0] - params[4]) / 20.0)
    floor = 10.0 ** (params[5] / 20.0)
    attack = 1.0 - math.exp(-1000.0 / (params[1] * s.rate_hz))
    release = 1.0 - math.exp(-1000.0 / (params[3] * s.rate_hz))
    longest = max(1, int(params[2] * s.rate_hz / 1000.0))
    channels, stride = s.channels, s.stride
    gain, hold = s.gain, s.hold
    for i in range(frames):
        level = abs(src[i])
        for channel in range(1, channels):
            level = max(level, abs(src[channel * stride + i]))
        if level >= (stays if hold > 0 else opens):
            hold = longest
        elif hold > 0:
            hold -= 1
        if hold > 0:
            gain += attack * (1.0 - gain)
        else:
            gain += release * (floor - gain)
        dst[i] = gain
    s.gain, s.hold = gain, hold
    return 0


@kernel(APPLY)
def apply(state, src, dst, frames):  # type: ignore[no-untyped-def]
    """Multiply every channel by the curve."""
    s = _apply_at(address_of(state))
    curve = f32_at(s.curve)
    for channel in range(s.channels):
        at = channel * s.stride
        for i in range(frames):
            dst[at + i] = curve[i] * src[at + i]
    return 0
