"""The cost of the callback: the time of one block, from the device's call to its return."""

from __future__ import annotations

from typing import Any

import numpy as np

from rtaudio.effects.base import Effect
from rtaudio.runtime.callback import process_block
from rtaudio.runtime.engine import Engine
from rtaudio.runtime.jit import jit
from rtaudio.runtime.memory import aligned
from rtaudio.runtime.system import now_ns

_WARM_UP = 2000
"""Blocks that are not measured."""


@jit
def _time_blocks(engine, source, result, frames, durations):
    for k in range(durations.size):
        start = now_ns()
        process_block(source, result, frames, 0, engine)
        durations[k] = now_ns() - start


def time_callback(
    effect: Effect,
    *,
    rate_hz: int = 48000,
    block: int = 64,
    channels: tuple[int, int] = (2, 2),
    repeats: int = 5000,
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Time the callback with an effect or chain, block by block.

    A compiled loop calls it with noise, without a device and without waiting. The fade-in and a
    warm-up are not measured.

    Parameters
    ----------
    effect
        The effect or chain.
    rate_hz, block
        Sample rate in Hz and frames per block.
    channels
        Numbers of input and output channels.
    repeats
        Number of measured blocks.

    Returns
    -------
    numpy.ndarray
        float64 ``[repeats]``: microseconds of each block.

    Examples
    --------
    >>> time_callback(Gain(gain_db=-6.0), repeats=100).shape
    (100,)
    """
    ins, outs = channels
    engine = Engine(rate_hz, block, ins, outs)
    engine.connect(list(range(ins)), ins, list(range(outs)), outs)
    engine.publish(effect.compile(rate_hz, block, in_channels=ins, out_channels=outs))
    try:
        source = aligned(ins * block)
        source[:] = np.random.default_rng(0).uniform(-0.3, 0.3, source.size)
        result = aligned(outs * block)
        addresses = (engine.address, source.ctypes.data, result.ctypes.data)
        _time_blocks(*addresses, block, np.zeros(_WARM_UP, np.int64))
        durations = np.zeros(repeats, np.int64)
        _time_blocks(*addresses, block, durations)
    finally:
        engine.close()  # a worker must not outlive the memory it works on
    return durations / 1000.0
