"""The builder: from effects to the steps of a plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np

from rtaudio.runtime.abi import Bus, Node
from rtaudio.runtime.control import Control, Owner
from rtaudio.runtime.decibels import from_db
from rtaudio.runtime.kernels import routing
from rtaudio.runtime.kernels.ramp import RAMP, ramp_samples, settled
from rtaudio.runtime.limits import MAX_BLOCK, MAX_RATE_HZ, MIN_RATE_HZ, RefusedError
from rtaudio.runtime.plan import Plan, Step, WorkerThread
from rtaudio.runtime.slots import Slots


class Builder:
    """Builds a plan: numbers buffers, appends nodes, and keeps account of latency.

    Parameters
    ----------
    rate_hz, block
        Sample rate, and the largest number of frames per call of the program.
    offline
        True when nobody waits for the result: workers then run inside the call, and a late block
        cannot happen.
    varying
        Whether calls may have fewer frames than ``block``, one by one. A model with a hop is then
        as late as the worst of them needs, and no worker is used.

    Raises
    ------
    RefusedError
        Rate or block is out of range.

    Notes
    -----
    An effect's ``build`` receives the builder and a :class:`~rtaudio.runtime.abi.Bus`, and returns
    the bus of its result. ``inline_us`` sums up the measured cost of the models that run in the
    callback.
    """

    def __init__(
        self, rate_hz: int, block: int, *, offline: bool = False, varying: bool = False
    ) -> None:
        if rate_hz != int(rate_hz) or not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
            raise RefusedError(
                f"rate_hz = {rate_hz} is out of range {MIN_RATE_HZ} .. {MAX_RATE_HZ} Hz"
            )
        if block != int(block) or not 1 <= block <= MAX_BLOCK:
            raise RefusedError(f"block = {block} is out of range 1 .. {MAX_BLOCK} frames")
        self.rate_hz = rate_hz = int(rate_hz)
        self.block = block = int(block)
        self.offline = offline
        self.varying = varying
        self.inline_us = 0.0
        self.stride = -(-block // 16) * 16
        self.latency_parts: dict[str, int] = {}
        self.workers: list[tuple[str, WorkerThread]] = []
        self._effect = "chain"
        self._buffers: list[int] = []
        self._steps: list[Step] = []
        self._controls: dict[str, Control] = {}
        self._slots: dict[str, tuple[Owner, Slots]] = {}

    @property
    def effect(self) -> str:
        """Name of the effect that the next nodes belong to."""
        return self._effect

    @contextmanager
    def within(self, effect: str) -> Iterator[None]:
        """Let the nodes that are appended meanwhile belong to an effect."""
        outer, self._effect = self._effect, effect
        try:
            yield
        finally:
            self._effect = outer

    @contextmanager
    def named(self, name: str, kind: str) -> Iterator[str]:
        """As `within`, for an effect that is new here; yields its name.

        Parameters
        ----------
        name
            Its own name; empty: ``kind``, ``kind-2`` ...
        kind
            Its kind.

        Raises
        ------
        RefusedError
            Another effect has the name.
        """
        if name in self._slots:
            raise RefusedError(f"two effects are named {name!r}; give each its own name")
        candidate, count = name or kind, 1
        while candidate in self._slots:
            count += 1
            candidate = f"{kind}-{count}"
        with self.within(candidate):
            yield candidate

    def publish(self, owner: Owner, values: Mapping[str, float]) -> Slots:
        """Make the slots of the present effect, each with a control.

        Parameters
        ----------
        owner
            The effect.
        values
            Name and start value of every slot.
        """
        if any(known is owner for known, _ in self._slots.values()):
            raise RefusedError(
                f"{self.effect}: the same effect stands twice in the chain; make two"
            )
        slots = Slots(values)
        self._slots[self.effect] = owner, slots
        for parameter in values:
            self._controls[f"{self.effect}.{parameter}"] = Control(
                self.effect, parameter, owner, slots.slot(parameter)
            )
        return slots

    def slots_of(self, owner: Owner) -> Slots:
        """Return the slots last published for an effect."""
        return next(slots for known, slots in reversed(self._slots.values()) if known is owner)

    def bus(self, channels: int, latency_samples: int = 0) -> Bus:
        """Take a new buffer.

        Parameters
        ----------
        channels
            Number of channels.
        latency_samples
            How late its signal is.
        """
        self._buffers.append(channels)
        return Bus(len(self._buffers) - 1, channels, latency_samples)

    def run(self, node: Node, src: Bus) -> Bus:
        """Append a node, and return the bus that it writes.

        Parameters
        ----------
        node
            The node; it is placed once.
        src
            The bus that it reads.
        """
        dst = self.bus(
            node.out_channels or src.channels, src.latency_samples + node.latency_samples
        )
        self._append(node, src, dst)
        return dst

    def run_each(self, nodes: list[Node], src: Bus) -> Bus:
        """Append one single-channel node for each channel.

        Parameters
        ----------
        nodes
            As many nodes of equal latency as ``src`` has channels.
        src
            The bus that they read.
        """
        latency = nodes[0].latency_samples
        dst = self.bus(src.channels, src.latency_samples + latency)
        for channel, node in enumerate(nodes):
            own = {"channels": 1, "first": channel}
            self._append(node, src._replace(**own), dst._replace(**own))
        return dst

    def _append(self, node: Node, src: Bus, dst: Bus) -> None:
        node.record["channels"] = src.channels
        node.record["stride"] = self.stride
        self._steps.append(Step(self.effect, node, src, dst))

    def adapt(self, src: Bus, channels: int) -> Bus:
        """Bring a bus to a number of channels: mono is copied, many are averaged to mono.

        Parameters
        ----------
        src
            Any bus.
        channels
            Channels of the result.
        """
        if src.channels == channels:
            return src
        return self.run(Node(routing.adapt, out_channels=channels, outputs=channels), src)

    def delay_to(self, src: Bus, latency_samples: int) -> Bus:
        """Delay a bus.

        Parameters
        ----------
        src
            The bus.
        latency_samples
            Latency of the result, at least that of ``src``.
        """
        samples = latency_samples - src.latency_samples
        if samples == 0:
            return src
        if samples < 0:
            raise ValueError(f"a bus of latency {src.latency_samples} cannot be made earlier")
        line = np.zeros(samples * src.channels, np.float32)
        return self.run(
            Node(routing.delay, latency_samples=samples, work={"line": line}, samples=samples), src
        )

    def blend(self, dry: Bus, wet: Bus, slots: Slots) -> Bus:
        """Cross-fade from the dry to the wet signal of an effect.

        Parameters
        ----------
        dry
            Input of the effect; it is delayed to the latency of ``wet``.
        wet
            Output of the effect.
        slots
            Slots of the effect: ``mix`` and ``bypass`` decide.
        """
        dry = self.delay_to(self.adapt(dry, wet.channels), wet.latency_samples)
        return self.run(
            Node(
                routing.blend,
                dry=dry,
                mix_slot=slots.slot("mix"),
                bypass_slot=slots.slot("bypass"),
                mix=settled(0.0 if slots["bypass"] else slots["mix"]),
                ramp_samples=ramp_samples(self.rate_hz),
            ),
            wet,
        )

    def mix(self, buses: Sequence[Bus], slots: Sequence[Slots]) -> Bus:
        """Sum buses of equal channels after bringing them to one latency.

        Parameters
        ----------
        buses
            One or more.
        slots
            Of each bus: ``gain_db`` and ``pan``, -1 left .. 1 right.
        """
        latest = max(bus.latency_samples for bus in buses)
        timed = [self.delay_to(bus, latest) for bus in buses]
        channels = timed[0].channels
        ramps = np.zeros((len(buses), channels), RAMP)
        for row, each in zip(ramps, slots, strict=True):
            gain, pan = from_db(each["gain_db"]), each["pan"]
            sides = [gain * min(1.0, 1.0 - pan), gain * min(1.0, 1.0 + pan)]
            row["value"] = row["target"] = sides if channels == 2 else gain
        node = Node(
            routing.mix,
            work={"ramps": ramps},
            constants={
                "sources": timed,
                "gains_db": [each.slot("gain_db") for each in slots],
                "pans": [each.slot("pan") for each in slots],
            },
            count=len(buses),
            ramp_samples=ramp_samples(self.rate_hz),
        )
        return self.run(node, timed[0])

    def finish(self, source: Bus, output: Bus) -> Plan:
        """Return the plan.

        Parameters
        ----------
        source, output
            The buses of the input and of the result.
        """
        return Plan(
            rate_hz=self.rate_hz,
            block=self.block,
            stride=self.stride,
            buffers=tuple(self._buffers),
            steps=tuple(self._steps),
            source=source,
            output=output,
            controls=dict(self._controls),
            effects=tuple(self._slots),
            latency_parts=dict(self.latency_parts),
            workers=tuple(self.workers),
            varying=self.varying,
        )
