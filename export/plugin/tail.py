"""What is measured of a chain before it becomes a plugin: its tail, and its cost."""

from __future__ import annotations

import numpy as np

from rtaudio.effects.base import Effect
from rtaudio.runtime.offline import run
from rtaudio.runtime.timing import program_microseconds

__all__ = ["block_us", "tail_seconds"]

_BURST_S, _LONGEST_S = 0.1, 10.0
_QUIET = 1e-4
"""-80 dBFS."""


def tail_seconds(chain: Effect, rate_hz: int = 48000) -> float:
    """Measure how long a chain sounds after its input: until its output is that of silence.

    Both are compared, so that hiss or a constant of a net is no tail. Equal is within -80 dBFS.

    Parameters
    ----------
    chain
        The chain, with the values that it has.
    rate_hz
        Sample rate.

    Returns
    -------
    float
        Seconds without the latency; -1 if it sounds for more than 10 s.

    Examples
    --------
    >>> import rtaudio as rt
    >>> tail_seconds(rt.Delay(time_ms=250, feedback=0, mix=1)), tail_seconds(rt.Gain())
    (0.25, 0.0)
    """
    sounding, silent = (chain.compile(rate_hz, 512, varying=True) for _ in range(2))
    noise = np.random.default_rng(0).uniform(-0.25, 0.25, round(_BURST_S * rate_hz))
    start = noise.size + sounding.latency_samples
    x = np.zeros((1, start + rate_hz), np.float32)
    x[0, : noise.size] = noise
    done, last = 0, start
    while done < _LONGEST_S * rate_hz:
        y, quiet = run(sounding, x), run(silent, np.zeros_like(x))
        heard = np.flatnonzero(np.abs(y - quiet).max(axis=0) > _QUIET)
        if not heard.size:
            return (last - start) / rate_hz
        last = max(start, done + int(heard[-1]) + 1)
        if heard[-1] < x.shape[1] - rate_hz // 2:
            return (last - start) / rate_hz
        done += x.shape[1]
        x = np.zeros((1, rate_hz), np.float32)
    return -1.0


def block_us(chain: Effect, rate_hz: int = 48000, block: int = 64) -> tuple[float, float]:
    """Measure what a block costs: median and 99th percentile of a second, in microseconds.

    Parameters
    ----------
    chain
        The chain.
    rate_hz, block
        Sample rate and frames per block.
    """
    program = chain.compile(rate_hz, block, varying=True)
    costs_us = program_microseconds(program, block, rate_hz // block)
    median, high = np.percentile(costs_us, [50, 99])
    return float(median), float(high)
