"""The builder: from effects to the nodes, buses and steps of a program."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np

from rtaudio.runtime.abi import Node, aligned
from rtaudio.runtime.kernels import routing
from rtaudio.runtime.kernels.ramp import RAMP, ramp_samples, settled
from rtaudio.runtime.program import Program

MIN_RATE_HZ, MAX_RATE_HZ = 8000, 384000
MAX_BLOCK = 65536


class WorkerThread(Protocol):
    """The thread behind a worker node; see :mod:`rtaudio.runtime.worker`."""

    @property
    def late_chunks(self) -> int:
        """Chunks that were not ready in time."""

    @property
    def faults(self) -> int:
        """Chunks in which the node was reset."""

    def start(self) -> None:
        """Start before the audio."""

    def stop(self) -> None:
        """Stop after the audio."""


class Bus(NamedTuple):
    """A planar signal while a program is built: where it lies and how late it is."""

    address: int
    channels: int
    latency_samples: int


class Builder:
    """Builds a program: allocates buffers, appends nodes, and keeps account of latency.

    Parameters
    ----------
    rate_hz, block
        Sample rate, and the largest number of frames the program will be asked for at once.
    offline
        True when nobody waits for the result: workers then run inside the call, and a late block
        cannot happen.

    Raises
    ------
    ValueError
        Rate or block is out of range.

    Notes
    -----
    An effect's ``build`` receives the builder and a :class:`Bus`, and returns the bus of its
    result. ``builder.effect`` names the effect that the next nodes belong to; ``inline_us`` sums up
    the measured cost of the models that run in the callback.
    """

    def __init__(self, rate_hz: int, block: int, *, offline: bool = False) -> None:
        if rate_hz != int(rate_hz) or not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
            raise ValueError(f"rate {rate_hz} Hz is out of range {MIN_RATE_HZ} .. {MAX_RATE_HZ}")
        if block != int(block) or not 1 <= block <= MAX_BLOCK:
            raise ValueError(f"block {block} is out of range 1 .. {MAX_BLOCK} frames")
        self.rate_hz = rate_hz = int(rate_hz)
        self.block = block = int(block)
        self.offline = offline
        self.inline_us = 0.0
        self.stride = -(-block // 16) * 16
        self.effect = "chain"
        self.buffers: list[np.ndarray[Any, Any]] = []
        self.nodes: list[Node] = []
        self.steps: list[tuple[Node, Bus, Bus]] = []
        self.names: list[str] = []
        self.slots: dict[str, tuple[Any, dict[str, int], np.ndarray[Any, Any]]] = {}
        self.latency_parts: dict[str, int] = {}
        self.workers: list[tuple[str, WorkerThread]] = []

    def name_for(self, name: str, kind: str) -> str:
        """Return the name of an effect in this program: its own, or ``kind``, ``kind-2`` ...

        Raises
        ------
        ValueError
            Another effect has the name that this one was given.
        """
        if name:
            if name in self.slots:
                raise ValueError(f"two effects are named {name!r}; give each its own name")
            return name
        candidate, count = kind, 1
        while candidate in self.slots:
            count += 1
            candidate = f"{kind}-{count}"
        return candidate

    def publish(self, effect: Any, index: dict[str, int], slots: np.ndarray[Any, Any]) -> None:
        """Make the slots of the present effect settable: parameter name -> place in ``slots``."""
        if any(owner is effect for owner, _, _ in self.slots.values()):
            raise ValueError(f"{self.effect}: the same effect stands twice in the chain; make two")
        self.slots[self.effect] = (effect, index, slots)

    def slots_of(self, effect: Any) -> np.ndarray[Any, Any]:
        """Return the slots last published for an effect."""
        return next(slots for owner, _, slots in reversed(self.slots.values()) if owner is effect)

    def bus(self, channels: int, latency_samples: int = 0) -> Bus:
        """Allocate a planar buffer."""
        buffer = aligned(channels * self.stride)
        self.buffers.append(buffer)
        return Bus(int(buffer.ctypes.data), channels, latency_samples)

    def run(self, node: Node, src: Bus) -> Bus:
        """Append a node that reads ``src``, and return the bus it writes."""
        node.record["channels"] = src.channels
        node.record["stride"] = self.stride
        dst = self.bus(
            node.out_channels or src.channels, src.latency_samples + node.latency_samples
        )
        self.nodes.append(node)
        self.steps.append((node, src, dst))
        self.names.append(self.effect)
        return dst

    def run_each(self, nodes: list[Node], src: Bus) -> Bus:
        """Append one single-channel node for each channel of ``src``."""
        latency = nodes[0].latency_samples
        dst = self.bus(src.channels, src.latency_samples + latency)
        for channel, node in enumerate(nodes):
            node.record["channels"] = 1
            node.record["stride"] = self.stride
            at = 4 * channel * self.stride
            self.nodes.append(node)
            self.steps.append((node, Bus(src.address + at, 1, 0), Bus(dst.address + at, 1, 0)))
            self.names.append(self.effect)
        return dst

    def adapt(self, src: Bus, channels: int) -> Bus:
        """Bring a bus to a number of channels: mono is copied, many are averaged to mono."""
        if src.channels == channels:
            return src
        return self.run(Node(routing.adapt, out_channels=channels, outputs=channels), src)

    def delay_to(self, src: Bus, latency_samples: int) -> Bus:
        """Delay a bus until its latency is ``latency_samples``."""
        samples = latency_samples - src.latency_samples
        if samples == 0:
            return src
        if samples < 0:
            raise ValueError(f"a bus of latency {src.latency_samples} cannot be made earlier")
        line = np.zeros(samples * src.channels, np.float32)
        return self.run(
            Node(routing.delay, latency_samples=samples, work={"line": line}, samples=samples), src
        )

    def blend(self, dry: Bus, wet: Bus, params: np.ndarray[Any, Any], mix: int, bypass: int) -> Bus:
        """Cross-fade from a bus to the effect made of it, by the slots ``mix`` and ``bypass``."""
        dry = self.delay_to(self.adapt(dry, wet.channels), wet.latency_samples)
        start = 0.0 if params[bypass] else float(params[mix])
        return self.run(
            Node(
                routing.blend,
                params=params,
                dry=dry.address,
                mix_slot=mix,
                bypass_slot=bypass,
                mix=settled(start),
                ramp_samples=ramp_samples(self.rate_hz),
            ),
            wet,
        )

    def mix(self, buses: list[Bus], params: list[np.ndarray[Any, Any]]) -> Bus:
        """Sum buses of equal channels after bringing them to one latency.

        ``params`` holds for each bus its slots [gain in dB, pan -1 .. 1].
        """
        latest = max(bus.latency_samples for bus in buses)
        timed = [self.delay_to(bus, latest) for bus in buses]
        channels = timed[0].channels
        ramps = np.zeros((len(buses), channels), RAMP)
        for row, (gain_db, pan) in zip(ramps, params, strict=True):
            gain = 10.0 ** (float(gain_db) / 20.0)
            sides = [gain * min(1.0, 1.0 - pan), gain * min(1.0, 1.0 + pan)]
            row["value"] = row["target"] = sides if channels == 2 else gain
        node = Node(
            routing.mix,
            work={"ramps": ramps},
            constants={
                "sources": np.array([bus.address for bus in timed], np.int64),
                "path_params": np.array([p.ctypes.data for p in params], np.int64),
            },
            count=len(buses),
            ramp_samples=ramp_samples(self.rate_hz),
        )
        node.keep.append(params)
        return self.run(node, timed[0])

    def finish(self, source: Bus, output: Bus) -> Program:
        """Freeze everything into a program."""
        return Program(self, source, output)
