"""The cost of one node, block by block, without the chain around it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from rtaudio.runtime.abi import Node
from rtaudio.runtime.jit import jit
from rtaudio.runtime.memory import aligned
from rtaudio.runtime.program import Program, program_at, run_program
from rtaudio.runtime.system import now_ns
from rtaudio.runtime.words import call_process, copy_bytes, flush_denormals, restore_denormals


@jit
def _time_blocks(process, state, src, dst, frames, durations):
    """Time each call of a process function on the same input, denormals flushed as when live."""
    former = flush_denormals()
    for k in range(durations.size):
        start = now_ns()
        call_process(process, state, src, dst, frames)
        durations[k] = now_ns() - start
    restore_denormals(former)


@jit
def _time_signal(process, state, src, dst, frames, durations):
    """Time each call of a process function along a mono signal, denormals flushed as when live."""
    former = flush_denormals()
    for k in range(durations.size):
        start = now_ns()
        call_process(process, state, src + 4 * k * frames, dst, frames)
        durations[k] = now_ns() - start
    restore_denormals(former)


@jit
def _time_program(program, noise, frames, durations):
    """Time each call of a program on the same input, denormals flushed as when live."""
    former = flush_denormals()
    p = program_at(program)
    for k in range(durations.size):
        start = now_ns()
        for channel in range(p.in_channels):
            copy_bytes(p.input + 4 * channel * p.stride, noise, 4 * frames)
        run_program(program, frames)
        durations[k] = now_ns() - start
    restore_denormals(former)


def _nodes(node: Node) -> Iterator[Node]:
    """Yield a node and the nodes inside it."""
    yield node
    for inner in node.inner:
        yield from _nodes(inner)


def block_microseconds(
    node: Node,
    block: int,
    repeats: int,
    *,
    channels: tuple[int, int] | None = None,
    warm_up: int | None = None,
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Measure the cost of a node per block, on noise, in a compiled loop.

    Nothing of Python is measured, but two readings of the clock are (about 0.05 microseconds). The
    state is as before when the function returns.

    Parameters
    ----------
    node
        Any node; for one that no builder has placed yet, ``stride`` becomes ``block``.
    block
        Frames per call.
    repeats
        Number of blocks measured.
    channels
        Inputs and outputs; None: as the node has them, or one of each.
    warm_up
        Number of blocks before the first measured one; None: a tenth of ``repeats``, and 10.

    Returns
    -------
    numpy.ndarray
        Microseconds of each block.
    """
    memories = [(each.memory, each.memory.copy()) for each in _nodes(node)]
    record = node.record
    ins, outs = channels or (max(1, int(record["channels"])), 0)
    if record["channels"] == 0:
        record["channels"], record["stride"] = ins, block
    stride = max(block, int(record["stride"]))
    src = aligned(ins * stride)
    src[:] = np.random.default_rng(0).uniform(-0.3, 0.3, src.size)
    dst = aligned((outs or node.out_channels or ins) * stride)
    addresses = (node.kernel.address, node.state_address, src.ctypes.data, dst.ctypes.data)
    _time_blocks(
        *addresses, block, np.zeros(10 + repeats // 10 if warm_up is None else warm_up, np.int64)
    )
    durations = np.zeros(repeats, np.int64)
    _time_blocks(*addresses, block, durations)
    for memory, former in memories:
        memory[:] = former
    return durations / 1000.0


def signal_microseconds(
    node: Node, block: int, x: np.ndarray[Any, Any]
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Measure the cost of a node for each block of a mono signal; its state persists between calls.

    Parameters
    ----------
    node
        A node of one input.
    block
        Frames per call.
    x
        Mono signal; an incomplete last block is left out.

    Returns
    -------
    numpy.ndarray
        Microseconds of each block, in the order of the signal.
    """
    record = node.record
    if record["channels"] == 0:
        record["channels"], record["stride"] = 1, block
    durations = np.zeros(x.size // block, np.int64)
    src = aligned(max(durations.size * block, int(record["stride"])))
    src[: durations.size * block] = x[: durations.size * block]
    dst = aligned((node.out_channels or 1) * max(block, int(record["stride"])))
    addresses = (node.kernel.address, node.state_address, src.ctypes.data, dst.ctypes.data)
    _time_signal(*addresses, block, durations)
    return durations / 1000.0


def program_microseconds(
    program: Program, block: int, repeats: int
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Measure the cost of a program for each block of noise.

    Parameters
    ----------
    program
        A program for calls of ``block`` frames; its state moves on.
    block
        Frames per call.
    repeats
        Number of blocks measured; a tenth more comes before them.

    Returns
    -------
    numpy.ndarray
        Microseconds of each block. One in which a model has a whole hop to compute costs more.
    """
    noise = aligned(block)
    noise[:] = np.random.default_rng(0).uniform(-0.3, 0.3, block)
    durations = np.zeros(repeats + repeats // 10, np.int64)
    _time_program(program.address, noise.ctypes.data, block, durations)
    return durations[-repeats:] / 1000.0
