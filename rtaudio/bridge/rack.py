"""Rack: plugins in a row as one node, so that they share a worker and its latency."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from rtaudio.bridge.instance import Instance
from rtaudio.bridge.python_node import python_node
from rtaudio.bridge.unit import Unit
from rtaudio.bridge.watch import Watch
from rtaudio.errors import PluginError
from rtaudio.runtime.abi import Bus
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.kernels.hop import hop_node
from rtaudio.runtime.memory import Floats
from rtaudio.runtime.slots import Slot
from rtaudio.runtime.worker import worker_node

OFFLINE_CHUNK = 512
"""Frames of a call of a program that renders, whatever its block: so the block does not matter."""
VARYING_CHUNK = 64
"""Frames of a call of a stream, whose pieces have any size: some plugins want equal ones."""
STEREO = 2


class Place(NamedTuple):
    """A plugin of a rack, and the slots that it follows.

    ``mix`` and ``bypass`` are None for one that the program mixes; ``latency_samples`` is None
    unless it is set by hand.
    """

    name: str
    instance: Instance
    parameters: Mapping[str, Slot]
    mix: Slot | None
    bypass: Slot | None
    latency_samples: int | None


class Rack:
    """Plugins in a row.

    Parameters
    ----------
    units
        The plugins, first to last.

    Attributes
    ----------
    entered_s
        When the call that is under way has begun, on the monotonic clock; 0 between calls.
    """

    def __init__(self, units: Sequence[Unit]) -> None:
        self.units = list(units)
        self.entered_s = 0.0

    @property
    def latency_samples(self) -> int:
        """By how much the output lags the input."""
        return sum(unit.latency_samples for unit in self.units)

    @property
    def ailment(self) -> str:
        """``"crashed"`` or ``"hangs"`` if a plugin in a process of its own plays no more."""
        return next((unit.ailment for unit in self.units if unit.ailment), "")

    def process(self, x: Floats) -> Floats:
        """Play ``[channels, frames]``."""
        self.entered_s = time.monotonic()
        try:
            for unit in self.units:
                x = unit.process(x)
        finally:
            self.entered_s = 0.0
        return x

    def reset(self) -> None:
        """Forget all sound."""
        for unit in self.units:
            unit.reset()

    def close(self) -> None:
        """Give back what the plugins hold."""
        for unit in self.units:
            unit.close()


def append_rack(builder: Builder, x: Bus, places: Sequence[Place], bypass: Slot, chunk: int) -> Bus:
    """Append plugins: live in one worker, offline in the program itself.

    Parameters
    ----------
    builder
        Takes the node.
    x
        The input; mono is made stereo for plugins that play nothing else.
    places
        The plugins.
    bypass
        Slot that is set while they hang.
    chunk
        Frames of a call, live.

    Raises
    ------
    PluginError
        A plugin does not play at this rate, or with these channels.
    """
    rate_hz, block = builder.rate_hz, builder.block
    x = builder.adapt(x, _channels(places, x.channels, rate_hz))
    live = not (builder.offline or builder.varying)
    chunk = VARYING_CHUNK if builder.varying else max(block, chunk) if live else OFFLINE_CHUNK
    rack = _rack(places, rate_hz, x.channels, chunk)
    inner = python_node(places[0].name, rack.process, rack.reset, x.channels, rack.latency_samples)
    channels = (x.channels, x.channels)
    if live:
        node, worker = worker_node(inner, chunk, block, rate_hz, channels=channels, offline=False)
        builder.workers.append((builder.effect, Watch(worker, rack, bypass)))
    else:
        node = hop_node(inner, chunk, block, channels=channels, varying=builder.varying)
    node.keep.append(rack)
    return builder.run(node, x)


def _rack(places: Sequence[Place], rate_hz: int, channels: int, chunk: int) -> Rack:
    return Rack(
        [
            Unit(
                place.name, place.instance, rate_hz, channels, chunk, place.parameters,
                mix=place.mix, bypass=place.bypass, latency_samples=place.latency_samples,
            )
            for place in places
        ]
    )  # fmt: skip


def _channels(places: Sequence[Place], channels: int, rate_hz: int) -> int:
    """Return the number of channels that all plugins play: that of the input, or two for one."""
    for wanted in (channels, STEREO) if channels == 1 else (channels,):
        fault = next((f for place in places if (f := _fault(place, wanted, rate_hz))), "")
        if not fault:
            return wanted
    raise PluginError(fault)


def _fault(place: Place, channels: int, rate_hz: int) -> str:
    """Return why a plugin does not play a number of channels; empty if it does."""
    try:
        place.instance.process(np.zeros((channels, 1024), np.float32), rate_hz)
    except (ValueError, RuntimeError, TypeError) as error:
        if place.instance.ailment:
            raise
        reason = " ".join(str(error).split())
        return f"{place.name}: does not play {channels} channels at {rate_hz} Hz: {reason}"
    return ""
