"""A Python function as a node: for workers and offline programs, never for the callback.

::

    worker thread, without the interpreter        takes it for one call
    _compute -> call_process(address, ...) ------> enter(state, src, dst, frames) -> process(x)

The address is that of a C function which takes the interpreter lock, calls Python, and gives the
lock back. Whoever calls it waits for that lock: so it may stand in a worker, whose late chunks are
bridged, and in a program that renders offline.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from rtaudio.runtime.abi import FAULT_MODEL, Kernel, Node, state_dtype
from rtaudio.runtime.memory import Floats

_PROCESS = ctypes.CFUNCTYPE(
    ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64
)

STATE = state_dtype(("running", "i8"))
"""``running``: 0 before the first call, and after a reset, which restores the image."""


class PythonKernel(Kernel):
    """A process function that takes the interpreter.

    Parameters
    ----------
    name
        Its name.
    enter
        ``enter(state, src, dst, frames) -> fault code``; the first three are addresses.
    """

    def __init__(self, name: str, enter: Callable[..., int]) -> None:
        self.name = name
        self.state = STATE
        self._entry = _PROCESS(enter)

    @property
    def address(self) -> int:
        """The address to call."""
        return int(ctypes.cast(self._entry, ctypes.c_void_p).value or 0)


def python_node(
    name: str,
    process: Callable[[Floats], Floats],
    reset: Callable[[], None],
    channels: int,
    latency_samples: int,
) -> Node:
    """Return a node that calls Python.

    Parameters
    ----------
    name
        Its name.
    process
        Takes and returns float32 ``[channels, frames]``. What it raises is a fault of the node.
    reset
        Called before the block after a fault.
    channels
        Channels of input and output.
    latency_samples
        How late the output is.
    """
    views: dict[tuple[int, int], tuple[Floats, Floats]] = {}
    records: list[Any] = []  # of the node itself, which would be a circle
    started = False

    def enter(state: int, src: int, dst: int, frames: int) -> int:
        nonlocal started
        try:
            [record] = records
            if (src, dst) not in views:
                stride = int(record["stride"])
                views[src, dst] = _planar(src, channels, stride), _planar(dst, channels, stride)
            x, y = views[src, dst]
            if not record["running"]:
                if started:
                    reset()
                started = True
                record["running"] = 1
            y[:, :frames] = process(x[:, :frames])
        except Exception:  # whatever a plugin raises; counted, and the node is reset
            return FAULT_MODEL
        return 0

    node = Node(
        PythonKernel(name, enter),
        latency_samples=latency_samples,
        out_channels=channels,
        relocatable=False,
    )
    node.record["channels"] = channels
    records.append(node.record)
    return node


def _planar(address: int, channels: int, stride: int) -> Floats:
    memory: Any = (ctypes.c_float * (channels * stride)).from_address(address)
    return np.frombuffer(memory, np.float32).reshape(channels, stride)
