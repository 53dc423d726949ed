"""The callback body: what one block costs, from the device's call to the return."""

from __future__ import annotations

from typing import Any

import numpy as np

from rtaudio.effects.base import Effect
from rtaudio.runtime.callback import process_block
from rtaudio.runtime.engine import Engine
from rtaudio.runtime.jit import jit
from rtaudio.runtime.memory import aligned
from rtaudio.runtime.system import now_ns


@jit
def _time_blocks(engine, source, result, frames, durations):
    for k in range(durations.size):
        start = now_ns()
        process_block(source, result, frames, 0, engine)
        durations[k] = now_ns() - start


def body_microseconds(
    effect: Effect,
    *,
    rate_hz: int = 48000,
    block: int = 64,
    channels: tuple[int, int] = (2, 2),
    repeats: int = 5000,
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Measure the callback body of an effect or chain, block by block.

    The callback is called in a compiled loop on noise, without a device and without waiting, after
    the fade-in and a warm-up.

    Parameters
    ----------
    rate_hz, block, channels
        Sample rate, frames per block, input and output channels.
    repeats
        Number of blocks measured.

    Returns
    -------
    numpy.ndarray
        Microseconds of each block.
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
        _time_blocks(*addresses, block, np.zeros(2000, np.int64))
        durations = np.zeros(repeats, np.int64)
        _time_blocks(*addresses, block, durations)
    finally:
        engine.close()  # a worker must not outlive the memory it works on
    return durations / 1000.0
