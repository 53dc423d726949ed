"""High-pass of the first order: what is constant is taken away."""

from __future__ import annotations

import math

import numpy as np

from rtaudio.runtime.abi import Node, kernel, state_dtype
from rtaudio.runtime.words import address_of, f64_at, struct_at

STATE = state_dtype(("gain", "f8"), ("pole", "f8"), ("z", "i8"))
"""``z``: [channels][2] float64, the last input and the last output."""

_state_at = struct_at(STATE)


def dc_block_node(cutoff_hz: float, rate_hz: int, channels: int) -> Node:
    """Return the node of a Butterworth high-pass of the first order (bilinear transform)."""
    k = math.tan(math.pi * cutoff_hz / rate_hz)
    return Node(
        dc_block,
        work={"z": np.zeros((channels, 2))},
        gain=1.0 / (1.0 + k),
        pole=(1.0 - k) / (1.0 + k),
    )


@kernel(STATE)
def dc_block(state, src, dst, frames):  # type: ignore[no-untyped-def]
    """Filter every channel."""
    s = _state_at(address_of(state))
    gain, pole = s.gain, s.pole
    for channel in range(s.channels):
        at = channel * s.stride
        z = f64_at(s.z + 16 * channel)
        last, y = z[0], z[1]
        for i in range(frames):
            x = float(src[at + i])
            y = gain * (x - last) + pole * y
            last = x
            dst[at + i] = y
        z[0], z[1] = last, y
    return 0
