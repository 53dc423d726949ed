"""Statistics of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from rtaudio.analysis.percentiles import Percentiles
from rtaudio.runtime.loudness import Loudness


@dataclass(frozen=True)
class Stats:
    """Statistics of a run so far.

    Attributes
    ----------
    blocks, missed
        Callbacks so far; those that overran their block or that the device flagged.
    xruns
        Device flags by kind: ``input_underflow``, ``input_overflow``, ``output_underflow``,
        ``output_overflow``.
    callback_us, gap_us
        Duration of the callback, and time from one callback to the next.
    latency_samples, latency_parts
        Latency of the chain, and how much each effect adds. The device's own comes on top.
    device_latency_ms
        What the device reports for (input, output).
    faults
        Blocks with NaN, Inf or a runaway level by effect, and those that came in so as ``input``;
        chunks a worker was late with appear as ``<effect>: late``.
    realtime
        Whether the audio thread runs with real-time priority.
    load
        Share of the time spent in the callback, 0 to 1.
    in_peak, out_peak
        Largest magnitude per channel since the last call of :meth:`Host.stats`.
    loudness
        Of the output: momentary, short-term and integrated, range, true peak; since the start or
        :meth:`Host.reset_loudness`.
    clipped
        Input samples at full scale so far, per channel: the microphone is too loud.
    source_missing
        Frames of silence because an iterator or function as source was too late.
    source_waiting
        Frames that such a source has given, and that wait to be played.
    seconds
        Audio time played.
    """

    blocks: int = 0
    missed: int = 0
    xruns: dict[str, int] = field(default_factory=dict)
    callback_us: Percentiles = field(default_factory=Percentiles)
    gap_us: Percentiles = field(default_factory=Percentiles)
    latency_samples: int = 0
    latency_parts: dict[str, int] = field(default_factory=dict)
    device_latency_ms: tuple[float, float] = (0.0, 0.0)
    faults: dict[str, int] = field(default_factory=dict)
    realtime: bool = False
    load: float = 0.0
    in_peak: tuple[float, ...] = ()
    out_peak: tuple[float, ...] = ()
    loudness: Loudness = field(default_factory=Loudness)
    clipped: tuple[int, ...] = ()
    source_missing: int = 0
    source_waiting: int = 0
    seconds: float = 0.0


class LiveParameter(NamedTuple):
    """A parameter of a playing effect: value, range and unit, and the value of a new effect.

    The default of a switch is true or false, that of anything else a number.
    """

    value: float
    low: float
    high: float
    unit: str
    default: float | bool
