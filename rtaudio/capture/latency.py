"""Round-trip latency: noise goes out, through a cable, and in again; measured every second."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from rtaudio.capture.align import LONGEST_S, UNSURE, arrival
from rtaudio.capture.player import Played, Progress, play_through
from rtaudio.effects.base import Effect
from rtaudio.errors import CaptureError
from rtaudio.runtime.memory import Floats

WINDOW_S = 1.0
"""Length of the sound that gives one delay."""

SILENT = 1e-4
"""Magnitude of an input that nothing is connected to, at most."""

JUMP_SAMPLES = 0.5
"""A larger change from one second to the next is a jump, as of a lost block."""


class Jump(NamedTuple):
    """A sudden change of the delay.

    Attributes
    ----------
    at_s
        Time from the start.
    samples
        By how much longer the delay is afterwards.
    """

    at_s: float
    samples: float


@dataclass(frozen=True)
class RoundTrip:
    """The delay from the played to the recorded sample, and how it changes.

    Attributes
    ----------
    device
        Name of the device.
    rate_hz, block
        Sample rate, and frames per block.
    delays_samples
        float64 ``[windows]``: the delay of each second, to a fraction of a sample.
    confidence
        0 .. 1: the worst of all windows, see `rtaudio.capture.align.Arrival`.
    jumps
        Sudden changes.
    drift_ppm
        Difference of the clocks of output and input in parts per million, without the jumps.
    jitter_samples
        Standard deviation around drift and jumps.
    device_samples
        The delay that the device reports for input and output together.
    chain_samples
        The delay that the chain reports.
    lost_blocks
        Blocks that were lost or late.
    """

    device: str
    rate_hz: int
    block: int
    delays_samples: Any
    confidence: float
    jumps: tuple[Jump, ...]
    drift_ppm: float
    jitter_samples: float
    device_samples: float
    chain_samples: int
    lost_blocks: int

    @property
    def samples(self) -> float:
        """The delay: the median of all windows."""
        return float(np.median(self.delays_samples))

    @property
    def reported_samples(self) -> float:
        """The delay that device and chain report together."""
        return self.device_samples + self.chain_samples

    def as_json(self) -> dict[str, Any]:
        """Return all figures as JSON; `rtaudio capture --latency` reads them."""
        delays = [round(float(delay), 4) for delay in self.delays_samples]
        return {
            "device": self.device,
            "sample_rate": self.rate_hz,
            "block": self.block,
            "latency_samples": round(self.samples, 4),
            "latency_ms": 1000.0 * self.samples / self.rate_hz,
            "reported_samples": self.reported_samples,
            "device_samples": self.device_samples,
            "chain_samples": self.chain_samples,
            "jitter_samples": self.jitter_samples,
            "drift_ppm": self.drift_ppm,
            "jumps": self.jumps,
            "confidence": self.confidence,
            "lost_blocks": self.lost_blocks,
            "window_seconds": WINDOW_S,
            "delays_samples": delays,
        }


def probe_signal(seconds: float, rate_hz: int) -> Floats:
    """Return noise that never repeats, float32 ``[frames]``, within -1 .. 1.

    Parameters
    ----------
    seconds
        Duration; at least one second is played.
    rate_hz
        Sample rate.

    Examples
    --------
    >>> probe_signal(2.0, 8000).shape
    (16000,)
    """
    frames = round(max(1, round(seconds / WINDOW_S)) * WINDOW_S * rate_hz)
    noise: Floats = np.random.default_rng(0).uniform(-1.0, 1.0, frames).astype(np.float32)
    return noise


def measure_round_trip(
    effect: Effect | None = None,
    device: str | int = "default",
    rate_hz: int = 48_000,
    block: int = 256,
    *,
    seconds: float = 10.0,
    level: float = 0.1,
    in_channel: int = 1,
    out_channel: int = 1,
    out_device: str | int | None = None,
    watch: Callable[[Progress], None] = lambda progress: None,
) -> RoundTrip:
    """Play noise and measure when it comes back. An output must be connected to an input.

    Parameters
    ----------
    effect
        A chain that the input goes through before it is measured; None: none.
    device, rate_hz, block, out_device
        As for :class:`~rtaudio.Host`.
    seconds
        Duration; drift needs minutes.
    level
        Peak of the noise, 0 .. 1.
    in_channel, out_channel
        Channels of the device, counted from 1.
    watch
        Called about ten times per second; an exception from it ends the measurement.

    Raises
    ------
    CaptureError
        What comes back is not what was played.
    DeviceError
        The device is absent, busy, refuses the settings, or was lost.

    Examples
    --------
    >>> trip = measure_round_trip(device="USB", seconds=120.0)                  # doctest: +SKIP
    >>> f"{trip.samples:.2f} samples, {trip.drift_ppm:.2f} ppm"                 # doctest: +SKIP
    '412.37 samples, 0.00 ppm'
    """
    signal = probe_signal(seconds, rate_hz)
    played = play_through(
        np.float32(level) * signal, device, rate_hz, block, in_channel=in_channel,
        out_channel=out_channel, out_device=out_device, effect=effect, watch=watch,
    )  # fmt: skip
    return round_trip_of(signal, played, rate_hz)


def round_trip_of(signal: Floats, played: Played, rate_hz: int) -> RoundTrip:
    """Find the delays of a recording.

    Parameters
    ----------
    signal
        From `probe_signal`.
    played
        Its recording.
    rate_hz
        Sample rate.

    Raises
    ------
    CaptureError
        What was recorded is not what was played.

    Notes
    -----
    Seconds before the first sound are left out: a cable may be connected late. The delay of a
    window is that of `rtaudio.capture.align.arrival`. Jumps are taken out; the drift
    is then the slope of a straight line by least squares, and the jitter what is left around it.
    """
    size = round(WINDOW_S * rate_hz)
    longest = round(LONGEST_S * rate_hz)
    heard = np.flatnonzero(np.abs(played.wet) > SILENT)
    first = size * math.ceil(heard[0] / size) if heard.size else signal.size
    if first >= signal.size:
        raise CaptureError(f"{played.device}: nothing comes back; connect the output to the input")
    found = [
        arrival(signal[at : at + size], played.wet[at : at + size + longest], rate_hz)
        for at in range(first, signal.size, size)
    ]
    confidence = min(window.confidence for window in found)
    if confidence < UNSURE:
        raise CaptureError(
            f"{played.device}: what comes back is not what was played (confidence "
            f"{confidence:.2f}); connect the output to the input, and take gates, denoisers and "
            "microphones out of the way"
        )
    delays = np.array([window.delay_samples for window in found])
    steps = np.diff(delays, prepend=delays[0])
    jumped = np.abs(steps - np.median(steps)) > JUMP_SAMPLES
    jumps = tuple(
        Jump(first / rate_hz + float(at * WINDOW_S), float(steps[at]))
        for at in np.flatnonzero(jumped)
    )
    smooth = delays - np.cumsum(np.where(jumped, steps, 0.0))
    places = np.arange(delays.size) * float(size)
    slope, start = np.polyfit(places, smooth, 1) if delays.size > 1 else (0.0, smooth[0])
    return RoundTrip(
        played.device, rate_hz, played.block, delays, confidence, jumps, 1e6 * float(slope),
        float(np.std(smooth - start - slope * places)),
        sum(played.device_latency_ms) * rate_hz / 1000.0, played.chain_samples, played.lost_blocks,
    )  # fmt: skip


def capture_latency(measured: Any, device: str, rate_hz: int, block: int) -> int:
    """Return the whole samples to remove from a capture, from the JSON of a round trip.

    Parameters
    ----------
    measured
        From `RoundTrip.as_json`.
    device, rate_hz, block
        Of the capture; it must be the same as the measurement.

    Raises
    ------
    CaptureError
        It is no such measurement, was made with other settings or a chain, or is not steady.

    Examples
    --------
    >>> about = {"device": "USB", "sample_rate": 48000, "block": 64, "latency_samples": 412.37,
    ...          "chain_samples": 0, "jumps": []}
    >>> capture_latency(about, "USB", 48000, 64)
    412
    """
    try:
        latency = float(measured["latency_samples"])
        wanted = str(measured["device"]), int(measured["sample_rate"]), int(measured["block"])
        chain, jumps = int(measured["chain_samples"]), len(measured["jumps"])
    except (KeyError, TypeError, ValueError):
        raise CaptureError("holds no measurement; make one: rtaudio latency --json") from None
    if not abs(latency) <= LONGEST_S * rate_hz:
        raise CaptureError(f"latency_samples = {latency:g} is out of range; measure it again")
    if chain or jumps:
        raise CaptureError(
            f"was measured {'through a chain' if chain else 'while blocks were lost'}; measure "
            "the cable alone: rtaudio latency --json"
        )
    if wanted != (device, rate_hz, block):
        raise CaptureError(
            f"was measured with {_settings(*wanted)}, the capture is with "
            f"{_settings(device, rate_hz, block)}; measure it anew"
        )
    return math.floor(latency + 0.05)


def _settings(device: str, rate_hz: int, block: int) -> str:
    return f"{device} at {rate_hz} Hz, blocks of {block}"
