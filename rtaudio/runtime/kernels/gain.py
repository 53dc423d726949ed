"""Gain: every sample times one ramped factor."""

from __future__ import annotations

from rtaudio.runtime.abi import kernel, state_dtype
from rtaudio.runtime.kernels.ramp import RAMP, advance, aim
from rtaudio.runtime.native import address_of, f32_at, struct_at

STATE = state_dtype(("gain", RAMP), ("ramp_samples", "i8"))
"""``params[0]`` is the gain in dB; the ramp runs over the linear factor."""

_state_at = struct_at(STATE)


@kernel(STATE)
def gain(state, src, dst, frames):  # type: ignore[no-untyped-def]
    """Multiply by the ramped factor; a loop of its own where it rests, which vectorises."""
    s = _state_at(address_of(state))
    ramp = s.gain
    aim(ramp, 10.0 ** (f32_at(s.params)[0] / 20.0), s.ramp_samples)
    if ramp.left == 0:
        factor = ramp.value
        for channel in range(s.channels):
            at = channel * s.stride
            for i in range(frames):
                dst[at + i] = factor * src[at + i]
        return 0
    for i in range(frames):
        factor = advance(ramp)
        for channel in range(s.channels):
            dst[channel * s.stride + i] = factor * src[channel * s.stride + i]
    return 0
