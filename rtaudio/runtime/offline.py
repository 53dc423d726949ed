"""Offline: an array through a program, block by block, without a device."""

from __future__ import annotations

from typing import Any

import numpy as np

from rtaudio.runtime.jit import jit
from rtaudio.runtime.program import Program, program_at, run_program
from rtaudio.runtime.words import (
    copy_bytes,
    fill_bytes,
    flush_denormals,
    restore_denormals,
)


@jit
def _run(program, source, result, channel_frames, frames, whole):
    """Run planar audio [channels, channel_frames] through a program in blocks, natively.

    ``whole`` fills the last block up with zeros, for a program that takes no shorter one.
    """
    former = flush_denormals()
    p = program_at(program)
    faults = 0
    done = 0
    while done < frames:
        count = min(p.block, frames - done)
        for channel in range(p.in_channels):
            to = p.input + 4 * channel * p.stride
            copy_bytes(to, source + 4 * (channel * channel_frames + done), 4 * count)
            if whole and count < p.block:
                fill_bytes(to + 4 * count, 0, 4 * (p.block - count))
        faults += run_program(program, p.block if whole else count)
        for channel in range(p.out_channels):
            copy_bytes(
                result + 4 * (channel * channel_frames + done),
                p.output + 4 * channel * p.stride,
                4 * count,
            )
        done += count
    restore_denormals(former)
    return faults


def run(program: Program, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Feed audio to a program, continuing from its state.

    A program for calls of varying sizes can be continued exactly after any number of frames. For
    others the last block is filled up with zeros: continue after a whole number of blocks.

    Parameters
    ----------
    program
        The program.
    x
        Planar audio ``[in_channels, frames]``.

    Returns
    -------
    numpy.ndarray
        float32 ``[out_channels, frames]``; it lags the input by ``program.latency_samples``.
    """
    source = np.ascontiguousarray(x, np.float32)
    result = np.empty((program.out_channels, source.shape[1]), np.float32)
    frames, whole = source.shape[1], not program.plan.varying
    _run(program.address, source.ctypes.data, result.ctypes.data, frames, frames, whole)
    return result
