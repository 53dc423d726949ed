"""Stepped: a node that Python calls, frame by frame, in its own thread."""

from __future__ import annotations

from rtaudio.runtime.abi import Node
from rtaudio.runtime.jit import jit
from rtaudio.runtime.memory import Floats, aligned
from rtaudio.runtime.words import call_process, flush_denormals, restore_denormals


@jit
def _step(process, state, source, result, frames):
    """Call a node once; denormal numbers are zero meanwhile."""
    former = flush_denormals()
    code = call_process(process, state, source, result, frames)
    restore_denormals(former)
    return code


class Stepped:
    """A node, and memory for what goes in and comes out.

    Parameters
    ----------
    node
        The node.
    inputs, outputs
        Float32 values that a call takes and gives.

    Attributes
    ----------
    source
        What the next `step` takes.
    result
        What the last one gave.
    """

    def __init__(self, node: Node, inputs: int, outputs: int) -> None:
        self.source: Floats = aligned(inputs)
        self.result: Floats = aligned(outputs)
        self._node, self._frames = node, inputs
        node.freeze()
        self._addresses = (
            node.kernel.address,
            node.state_address,
            self.source.ctypes.data,
            self.result.ctypes.data,
        )

    def step(self) -> None:
        """Call the node, without the interpreter lock."""
        _step(*self._addresses, self._frames)

    def clear(self) -> None:
        """Return to the start state."""
        assert self._node.image is not None
        self._node.memory[:] = self._node.image
