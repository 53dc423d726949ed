"""Hop adaptation: a node that takes exactly ``hop`` frames, in calls of any size.

::

    src -> |input: up to hop frames| -full-> inner node -> |ring, prefilled with zeros| -> dst

With a constant block of b frames, ``hop - gcd(hop, b)`` zeros are the fewest that never run dry
(S. Letz, "Callback Adaptation Techniques", 2001); with calls of varying sizes it is ``hop - 1``.
"""

from __future__ import annotations

import math

import numpy as np

from rtaudio.runtime.abi import Node, kernel, state_dtype
from rtaudio.runtime.memory import aligned
from rtaudio.runtime.words import address_of, call_process, copy_bytes, f32_at, struct_at

STATE = state_dtype(
    ("process", "i8"),
    ("callee", "i8"),
    ("hop", "i8"),
    ("filled", "i8"),
    ("outputs", "i8"),
    ("input", "i8"),
    ("result", "i8"),
    ("ring", "i8"),
    ("capacity", "i8"),
    ("read", "i8"),
    ("write", "i8"),
)
_state_at = struct_at(STATE)


@kernel(STATE)
def hop_adapter(state, src, dst, frames):
    """Gather whole hops, run the inner node on each, and play from the ring."""
    s = _state_at(address_of(state))
    hop = s.hop
    capacity = s.capacity
    ring = f32_at(s.ring)
    code = 0
    done = 0
    while done < frames:
        count = min(hop - s.filled, frames - done)
        for channel in range(s.channels):
            copy_bytes(
                s.input + 4 * (channel * hop + s.filled),
                address_of(src) + 4 * (channel * s.stride + done),
                4 * count,
            )
        s.filled += count
        if s.filled == hop:
            s.filled = 0
            answer = call_process(s.process, s.callee, s.input, s.result, hop)
            if answer != 0:
                code = answer
            result = f32_at(s.result)
            for channel in range(s.outputs):
                at = s.write
                for i in range(hop):
                    ring[channel * capacity + at] = result[channel * hop + i]
                    at += 1
                    if at == capacity:
                        at = 0
            s.write = (s.write + hop) % capacity
        done += count
    for channel in range(s.outputs):
        at = s.read
        for i in range(frames):
            dst[channel * s.stride + i] = ring[channel * capacity + at]
            at += 1
            if at == capacity:
                at = 0
    s.read = (s.read + frames) % capacity
    return code


def hop_node(
    inner: Node, hop: int, block: int, *, channels: tuple[int, int], varying: bool = False
) -> Node:
    """Wrap a node that takes exactly ``hop`` frames for calls of other sizes.

    The latency of the result is that of the adaptation plus the inner node's own, in samples.

    Parameters
    ----------
    inner
        The node.
    hop
        Frames per call of ``inner``.
    block
        Frames per call of the result.
    channels
        Inputs and outputs of both.
    varying
        True if calls have any size up to ``block``.
    """
    waiting = hop - 1 if varying else hop - math.gcd(hop, block)
    capacity = waiting + hop + block
    inner.record["stride"] = hop
    return Node(
        hop_adapter,
        latency_samples=waiting + inner.latency_samples,
        out_channels=channels[1],
        work={
            "input": aligned(channels[0] * hop),
            "result": aligned(channels[1] * hop),
            "ring": np.zeros(channels[1] * capacity, np.float32),
        },
        process=inner.kernel,
        callee=inner,
        hop=hop,
        outputs=channels[1],
        capacity=capacity,
        write=waiting % capacity,
        channels=channels[0],
        inner=[inner],
    )
