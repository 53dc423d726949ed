"""Rendering: an effect over an array or a file, through the same compiled program as live."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from rtaudio.effects.base import Effect
from rtaudio.runtime.jit import jit
from rtaudio.runtime.native import (
    copy_bytes,
    fill_bytes,
    flush_denormals,
    restore_denormals,
)
from rtaudio.runtime.program import Program, program_at, run_program

MOST_CHANNELS = 64
"""Of an array that is rendered; more is an array that lies on its side."""


@jit
def _run(program, source, result, channel_frames, frames):  # type: ignore[no-untyped-def]
    """Run planar audio [channels, channel_frames] through a program in blocks, natively."""
    former = flush_denormals()
    p = program_at(program)
    faults = 0
    done = 0
    while done < frames:
        count = min(p.block, frames - done)
        for channel in range(p.in_channels):
            to = p.input + 4 * channel * p.stride
            copy_bytes(to, source + 4 * (channel * channel_frames + done), 4 * count)
            if count < p.block:
                fill_bytes(to + 4 * count, 0, 4 * (p.block - count))
        faults += run_program(program, p.block)
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
    """Feed planar audio ``[in_channels, frames]`` to a program, continuing from its state.

    The result ``[out_channels, frames]`` lags the input by ``program.latency_samples``. The last
    block is filled up with zeros, so only a whole number of blocks can be continued exactly.
    """
    source = np.ascontiguousarray(x, np.float32)
    result = np.empty((program.out_channels, source.shape[1]), np.float32)
    _run(program.address, source.ctypes.data, result.ctypes.data, source.shape[1], source.shape[1])
    return result


def render(
    effect: Effect,
    x: Any,
    rate_hz: int,
    *,
    block: int = 512,
    out_channels: int | None = None,
) -> np.ndarray[Any, Any]:
    """Render an array through an effect or chain, from its initial state.

    Parameters
    ----------
    x
        Audio, mono ``[frames]`` or ``[channels, frames]``.
    rate_hz
        Its sample rate.
    block
        Frames per call of the program; the result does not depend on it.
    out_channels
        Channels of the result; None: what the chain makes of the input.

    Returns
    -------
    numpy.ndarray
        float32, as long as ``x`` and aligned with it (the latency is compensated); one-dimensional
        if ``x`` was and the chain stays mono.

    Raises
    ------
    ValueError
        ``x`` has no frames, a wrong shape, or samples that are not finite.

    Warns
    -----
    RuntimeWarning
        An effect made NaN, Inf or a runaway level; it was silenced for a block and reset.
    """
    planar = np.atleast_2d(np.asarray(x, np.float32))
    if planar.ndim != 2 or planar.shape[1] == 0 or planar.shape[0] == 0:
        raise ValueError(f"audio must be [frames] or [channels, frames], not {np.shape(x)}")
    if planar.shape[0] > MOST_CHANNELS:
        raise ValueError(
            f"audio must be [channels, frames], not {np.shape(x)}: at most {MOST_CHANNELS} "
            "channels; turn what soundfile read with .T"
        )
    if not np.isfinite(planar).all():
        raise ValueError("the audio holds NaN or infinite samples; repair it first")
    program = effect.compile(
        rate_hz, block, in_channels=planar.shape[0], out_channels=out_channels, offline=True
    )
    tail = np.zeros((planar.shape[0], program.latency_samples), np.float32)
    wet = run(program, np.concatenate([planar, tail], axis=1))[:, program.latency_samples :]
    if program.faults:
        warnings.warn(f"silenced and reset: {program.faults}", RuntimeWarning, stacklevel=2)
    return wet[0] if np.ndim(x) == 1 and wet.shape[0] == 1 else wet
