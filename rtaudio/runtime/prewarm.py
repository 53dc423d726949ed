"""Pre-warming: silence through a node before its image is taken, so that it starts settled."""

from __future__ import annotations

import numpy as np

from rtaudio.runtime.abi import Node
from rtaudio.runtime.jit import jit
from rtaudio.runtime.memory import aligned
from rtaudio.runtime.words import call_process, flush_denormals, restore_denormals

__all__ = ["prewarm"]


@jit
def _feed(process, state, src, dst, block, samples):
    """Call a node until it has had ``samples``; return its first fault code, or 0."""
    former = flush_denormals()
    code = np.int32(0)
    done = 0
    while done < samples and code == 0:
        count = min(block, samples - done)
        code = call_process(process, state, src, dst, count)
        done += count
    restore_denormals(former)
    return code


def prewarm(node: Node, samples: int, *, block: int, channels: tuple[int, int] = (1, 1)) -> None:
    """Run zeros through a node that no builder has placed yet; a reset comes back to this state.

    Parameters
    ----------
    samples
        How many, at the node's rate.
    block
        Frames per call, the last call excepted; a node with a fixed block wants a multiple.
    channels
        Inputs and outputs.

    Raises
    ------
    RuntimeError
        The node reports a fault.
    """
    record = node.record
    placed = int(record["channels"]), int(record["stride"])
    if placed[0] == 0:
        record["channels"], record["stride"] = channels[0], block
    stride = max(block, int(record["stride"]))
    source, result = aligned(channels[0] * stride), aligned(channels[1] * stride)
    code = _feed(
        node.kernel.address, node.state_address, source.ctypes.data, result.ctypes.data,
        block, samples,
    )  # fmt: skip
    record["channels"], record["stride"] = placed
    if code:
        raise RuntimeError(f"the node reports fault {code} when it runs on silence")
