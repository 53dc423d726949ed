"""The player: plays a signal through gear on a sound device, and records the result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from pydantic import PrivateAttr

from rtaudio.devices.clock import ClockDevice
from rtaudio.devices.portaudio import PortAudioDevice
from rtaudio.effects.base import Effect
from rtaudio.effects.chain import Chain
from rtaudio.errors import DeviceError
from rtaudio.live.host import Host
from rtaudio.runtime.abi import Bus, Node, kernel, state_dtype
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.memory import Floats, aligned
from rtaudio.runtime.words import address_of, atomic_load, atomic_store, f32_at, struct_at

TAIL_S = 1.0
"""Silence after the signal, in which the gear rings on."""

_LEAD_S = 0.5
"""Silence before the signal, in which the stream settles."""


class Progress(NamedTuple):
    """Progress of a recording.

    Attributes
    ----------
    share
        Share that has been played, 0 .. 1.
    peak, highest
        Peak magnitude of the input since the last report, and since the start.
    """

    share: float
    peak: float
    highest: float


class Played(NamedTuple):
    """The recording of a played signal.

    Attributes
    ----------
    wet
        float32 ``[frames]``: the input, from the first played sample to a second after the last.
    device
        Name of the device.
    lost_blocks
        Blocks that were lost or late during the signal. If there are any, ``wet`` has gaps.
    block
        Frames per block, as the device called.
    device_latency_ms
        Latency that the device reports for (input, output).
    chain_samples
        Latency that the effect before the recording reports.
    """

    wet: Floats
    device: str
    lost_blocks: int
    block: int = 0
    device_latency_ms: tuple[float, float] = (0.0, 0.0)
    chain_samples: int = 0


_STATE = state_dtype(("played", "i8"), ("kept", "i8"), ("buffer_frames", "i8"), ("position", "i8"))
_state_at = struct_at(_STATE)


@kernel(_STATE)
def exchange(state, src, dst, frames):
    """Copy ``played`` to the output, and the input to ``kept``, at the same position.

    ``position`` is the address of an int64 that counts the samples; Python reads it.
    """
    s = _state_at(address_of(state))
    played, kept = f32_at(s.played), f32_at(s.kept)
    at = atomic_load(s.position)
    count = max(0, min(frames, s.buffer_frames - at))
    for i in range(count):
        dst[i] = played[at + i]
        kept[at + i] = src[i]
    for i in range(count, frames):
        dst[i] = 0.0
    atomic_store(s.position, at + count)
    return 0


class _Exchange(Effect):
    """Plays a signal, and keeps its input."""

    _played: Floats = PrivateAttr()
    _kept: Floats = PrivateAttr()
    _position: Any = PrivateAttr()

    def __init__(self, signal: Floats) -> None:
        super().__init__()
        self._played = aligned(signal.size)
        self._played[:] = signal
        self._kept = aligned(signal.size)
        self._position = aligned(1, np.int64)

    def add_to(self, builder: Builder, x: Bus) -> Bus:
        """Append one node, without the blend of mix and bypass: the signal must stay exact."""
        node = Node(
            exchange,
            out_channels=1,
            played=self._played.ctypes.data,
            kept=self._kept.ctypes.data,
            buffer_frames=self._kept.size,
            position=self._position.ctypes.data,
            relocatable=False,
        )
        node.keep.append(self)
        return builder.run(node, builder.adapt(x, 1))

    @property
    def position(self) -> int:
        return int(self._position[0])

    @property
    def kept(self) -> Floats:
        return self._kept


def own_rate_hz(device: str | int) -> int:
    """Return the sample rate of a device in hertz.

    Raises
    ------
    DeviceError
        There is no such device.
    """
    if device == "clock":
        return ClockDevice().own_rate_hz()
    return PortAudioDevice(device, None, None).own_rate_hz()


def device_settings(device: str | int, block: int) -> tuple[str, int]:
    """Return the full name of a device, and the frames per block that it calls with.

    Parameters
    ----------
    device, block
        As for :class:`~rtaudio.Host`.

    Raises
    ------
    DeviceError
        There is no such device.
    """
    found = ClockDevice() if device == "clock" else PortAudioDevice(device, None, None)
    return found.name, found.suited_block(block)


def play_through(
    signal: Floats,
    device: str | int = "default",
    rate_hz: int = 48_000,
    block: int = 256,
    *,
    in_channel: int = 1,
    out_channel: int = 1,
    out_device: str | int | None = None,
    effect: Effect | None = None,
    watch: Callable[[Progress], None] = lambda progress: None,
) -> Played:
    """Play a signal and record the input at the same time, in step to the sample.

    Parameters
    ----------
    signal
        float32 ``[frames]``. Half a second of silence is played before it.
    device, rate_hz, block, out_device
        As for :class:`~rtaudio.Host`.
    effect
        An effect or chain that the input goes through before it is recorded; None: none.
    in_channel, out_channel
        Channels of the device, counted from 1.
    watch
        Called about ten times per second; an exception from it ends the recording.

    Raises
    ------
    DeviceError
        The device is absent, busy, refuses the settings, or was lost.

    Examples
    --------
    >>> played = play_through(capture_signal().audio, "USB", in_channel=2)      # doctest: +SKIP
    >>> played.lost_blocks                                                      # doctest: +SKIP
    0
    """
    lead = round(_LEAD_S * rate_hz)
    work = _Exchange(np.pad(signal, (lead, round(TAIL_S * rate_hz))))
    lost_before = 0
    highest = 0.0
    host = Host(
        work if effect is None else Chain([effect, work]), device, rate_hz, block,
        out_device=out_device, in_channels=[in_channel], out_channels=[out_channel],
    )  # fmt: skip
    with host:
        while work.position < work.kept.size:
            host.wait(0.1)
            stats = host.stats()
            if host.error:
                raise DeviceError(host.error)
            if work.position < lead:
                lost_before = stats.missed
            highest = max(highest, *stats.in_peak)
            watch(Progress(work.position / work.kept.size, max(stats.in_peak), highest))
        stats = host.stats()
    return Played(
        work.kept[lead:].copy(), host.device_name, stats.missed - lost_before, host.block,
        stats.device_latency_ms, stats.latency_samples,
    )  # fmt: skip
