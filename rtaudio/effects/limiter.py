"""Limiter: a ceiling that no sample passes."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from rtaudio.effects.base import Effect, Slots, parameter
from rtaudio.runtime.abi import Node
from rtaudio.runtime.builder import Builder, Bus
from rtaudio.runtime.kernels import limiter as kernels
from rtaudio.runtime.kernels.ramp import ramp_samples, settled


class Limiter(Effect):
    """Turn peaks down before they arrive, so that no sample is above the ceiling.

    The signal is delayed by the look-ahead, in which the gain falls in a straight line to what the
    peak needs. Below the ceiling the output is the delayed input, bit by bit. All channels share
    one gain. The ceiling holds for samples, not for the curve between them ("true peak").

    Parameters
    ----------
    ceiling_db
        Largest magnitude of the output, -40 .. 0 dBFS. A change takes 20 ms and the look-ahead.
    lookahead_ms
        0.1 .. 20 ms, rounded to whole samples: the latency of the effect. Fixed while it plays.
    release_ms
        Time constant of the recovery, 1 .. 2000 ms.

    Examples
    --------
    >>> loud = 4.0 * np.sin(np.arange(4800, dtype=np.float32))
    >>> bool(abs(Limiter(ceiling_db=-6.0)(loud, 48000)).max() <= 10 ** (-6 / 20))
    True
    """

    ceiling_db: float = parameter(-1.0, -40.0, 0.0, "dB", "largest magnitude of the output")
    lookahead_ms: float = Field(1.5, ge=0.1, le=20.0, description="look-ahead, the latency (ms)")
    release_ms: float = parameter(80.0, 1.0, 2000.0, "ms", "time constant of the recovery")

    def build(self, builder: Builder, x: Bus, params: Slots) -> Bus:
        """Append the limiter."""
        latency = max(1, round(self.lookahead_ms * builder.rate_hz / 1000.0))
        window = latency + 1
        node = Node(
            kernels.limiter,
            latency_samples=latency,
            params=params,
            work={
                "line": np.zeros((x.channels, window), np.float32),
                "needed": np.ones(window + 1, np.float32),
                "means": np.full(window, kernels.ONE, np.int64),
            },
            rate_hz=builder.rate_hz,
            ceiling=settled(10.0 ** (float(params[0]) / 20.0)),
            ramp_samples=ramp_samples(builder.rate_hz),
            window=window,
            lowest=1.0,
            held=1.0,
            total=window * kernels.ONE,
        )
        return builder.run(node, x)
