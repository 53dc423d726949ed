"""A reading: what moves while a host plays, for panels and pages that show it again and again."""

from __future__ import annotations

from dataclasses import dataclass

from rtaudio.live.meters import Levels
from rtaudio.runtime.loudness import Loudness


@dataclass(frozen=True)
class Reading:
    """A host at one moment; :class:`~rtaudio.live.stats.Stats` has the statistics of a run.

    Attributes
    ----------
    levels
        Peak and RMS level of each channel.
    clipped
        Input samples at full scale so far, per channel.
    loudness
        Of the output.
    load
        Share of the time spent in the callback, 0 to 1.
    blocks, missed
        Callbacks so far; those that overran their block or that the device flagged.
    faults
        Blocks with NaN, Inf or a runaway level by effect, and chunks that were late.
    seconds
        Audio time played.
    latency_samples, latency_parts
        Latency of the chain, and how much each effect adds. The device's own comes on top.
    device_latency_ms
        What the device reports for (input, output).
    """

    levels: Levels
    clipped: tuple[int, ...]
    loudness: Loudness
    load: float
    blocks: int
    missed: int
    faults: dict[str, int]
    seconds: float
    latency_samples: int
    latency_parts: dict[str, int]
    device_latency_ms: tuple[float, float]
