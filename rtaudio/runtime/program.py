"""The program: a plan with addresses, a flat table of native calls over preallocated buffers.

::

    input buffer -> [process, state, src, dst] -> [process, state, src, dst] -> ... -> output buffer

Python makes a program of a :class:`~rtaudio.runtime.plan.Plan` and keeps it alive; the audio
thread runs it with :func:`run_program`, which also guards every instruction: an output with NaN,
Inf or a runaway level (above +60 dBFS) is replaced by silence, its node is reset and the fault is
counted.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from numba import types

from rtaudio.runtime.abi import Bus
from rtaudio.runtime.control import Control
from rtaudio.runtime.jit import c_function, inlined
from rtaudio.runtime.limits import LOUDEST, RefusedError
from rtaudio.runtime.memory import aligned, write_word
from rtaudio.runtime.plan import Plan
from rtaudio.runtime.words import (
    call_process,
    copy_bytes,
    fill_bytes,
    flush_denormals,
    i32_at,
    i64_at,
    restore_denormals,
    struct_at,
)

INSTRUCTION = np.dtype(
    [
        ("process", "i8"),
        ("state", "i8"),
        ("src", "i8"),
        ("dst", "i8"),
        ("dst_channels", "i8"),
        ("regions", "i8"),
        ("region_count", "i8"),
        ("faults", "i8"),
    ]
)

PROGRAM = np.dtype(
    [
        ("instructions", "i8"),
        ("count", "i8"),
        ("input", "i8"),
        ("output", "i8"),
        ("in_channels", "i8"),
        ("out_channels", "i8"),
        ("stride", "i8"),
        ("block", "i8"),
        ("latency_samples", "i8"),
    ]
)

RUNAWAY_BITS = int(np.float32(LOUDEST).view(np.int32))

instruction_at = struct_at(INSTRUCTION)
program_at = struct_at(PROGRAM)
_INSTRUCTION_BYTES = INSTRUCTION.itemsize


@inlined
def largest_bits(address, channels, stride, frames):
    """Return the largest magnitude of a planar buffer as float32 bits; NaN counts as largest.

    For magnitudes, float32 order is integer order of the bits, so one integer maximum finds
    peaks, infinities and NaN at once.
    """
    bits = i32_at(address)
    largest = np.int32(0)
    for channel in range(channels):
        at = channel * stride
        for i in range(frames):
            largest = max(largest, np.int32(bits[at + i] & np.int32(0x7FFFFFFF)))
    return largest


@inlined
def run_program(program, frames):
    """Run every instruction over ``frames`` samples; returns the number of faults in this block.

    ``program`` is the address of a PROGRAM record; input and output are its own buffers.
    """
    p = program_at(program)
    faults = 0
    for k in range(p.count):
        step = instruction_at(p.instructions + k * _INSTRUCTION_BYTES)
        code = call_process(step.process, step.state, step.src, step.dst, frames)
        if code == 0:
            largest = largest_bits(step.dst, step.dst_channels, p.stride, frames)
            if largest <= RUNAWAY_BITS:
                continue
        faults += 1
        step.faults += 1
        fill_bytes(step.dst, 0, 4 * p.stride * step.dst_channels)
        regions = i64_at(step.regions)
        for r in range(step.region_count):
            copy_bytes(regions[3 * r], regions[3 * r + 1], regions[3 * r + 2])
    return faults


@c_function(types.int64(types.int64, types.int64))
def run_alone(program, frames):
    """Run a program where no engine is around it: `run_program`, denormals flushed."""
    former = flush_denormals()
    faults = run_program(program, frames)
    restore_denormals(former)
    return faults


class Program:
    """A plan with addresses: what :func:`run_program` reads, and all that must stay alive for it.

    Attributes
    ----------
    plan
        What it was made of.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._buffers = [aligned(channels * plan.stride) for channels in plan.buffers]
        for node in plan.nodes:
            for pointer in node.pointers:
                if isinstance(pointer.target, Bus):
                    write_word(pointer.memory, pointer.offset, self.address_of(pointer.target))
        self._table = aligned(max(1, len(plan.steps)) * INSTRUCTION.itemsize, np.uint8).view(
            INSTRUCTION
        )
        self._regions = []
        for row, (_, node, src, dst) in zip(self._table, plan.steps, strict=False):
            node.freeze()
            regions = np.array(node.regions(), np.int64)
            self._regions.append(regions)
            row["process"] = node.kernel.address
            row["state"] = node.state_address
            row["src"], row["dst"] = self.address_of(src), self.address_of(dst)
            row["dst_channels"] = dst.channels
            row["regions"], row["region_count"] = regions.ctypes.data, len(regions)
        self._record = aligned(PROGRAM.itemsize, np.uint8).view(PROGRAM)
        record = self._record[0]
        record["instructions"], record["count"] = self._table.ctypes.data, len(plan.steps)
        record["input"] = self.address_of(plan.source)
        record["output"] = self.address_of(plan.output)
        record["in_channels"], record["out_channels"] = self.in_channels, self.out_channels
        record["stride"], record["block"] = plan.stride, plan.block
        record["latency_samples"] = plan.latency_samples

    def address_of(self, bus: Bus) -> int:
        """Return where the samples of a bus begin."""
        buffer = self._buffers[bus.buffer]
        return int(buffer.ctypes.data) + 4 * bus.first * self.plan.stride

    @property
    def rate_hz(self) -> int:
        """Sample rate."""
        return self.plan.rate_hz

    @property
    def block(self) -> int:
        """Largest number of frames per call."""
        return self.plan.block

    @property
    def in_channels(self) -> int:
        """Channels of the input."""
        return self.plan.source.channels

    @property
    def out_channels(self) -> int:
        """Channels of the output."""
        return self.plan.output.channels

    @property
    def latency_samples(self) -> int:
        """By how many samples the output lags the input."""
        return self.plan.latency_samples

    @property
    def address(self) -> int:
        """The address of the PROGRAM record."""
        return int(self._record.ctypes.data)

    @property
    def faults(self) -> dict[str, int]:
        """How often each effect produced NaN, Inf or a runaway level, by name; only the guilty.

        Chunks that a worker did not finish in time are counted as ``<effect>: late``; a worker that
        plays no more counts once, as ``<effect>: crashed`` or ``<effect>: hangs``.
        """
        counts: Counter[str] = Counter()
        for step, row in zip(self.plan.steps, self._table, strict=False):
            counts[step.effect] += int(row["faults"])
        for name, worker in self.plan.workers:
            counts[name] += worker.faults
            counts[f"{name}: late"] += worker.late_chunks
            counts[f"{name}: {worker.ailment}"] += bool(worker.ailment)
        return {name: count for name, count in counts.items() if count}

    def get(self, target: str) -> float:
        """Return the value of a parameter, in natural units.

        Raises
        ------
        RefusedError
            No such effect or parameter.
        """
        return self._control(target).value

    def set(self, target: str, value: float | bool) -> None:
        """Store a parameter; the audio thread ramps to it.

        Parameters
        ----------
        target
            ``"effect.parameter"``.
        value
            In natural units.

        Raises
        ------
        RefusedError
            No such effect or parameter.
        ValueError
            The value is out of range.
        """
        self._control(target).set(value)

    def follow(self) -> None:
        """Store the values that the effects have now, which the audio thread ramps to."""
        owners = {control.effect: control.owner for control in self.plan.controls.values()}
        values = {effect: owner.live_values() for effect, owner in owners.items()}
        for control in self.plan.controls.values():
            control.slot.store(values[control.effect][control.parameter])

    def _control(self, target: str) -> Control:
        control = self.plan.controls.get(target)
        if control is None:
            raise RefusedError(f"{target!r}: {self._unknown(target)}")
        return control

    def _unknown(self, target: str) -> str:
        """Say why nothing can be turned under a name."""
        name, _, parameter = target.rpartition(".")
        if name not in self.plan.effects:
            return f"no effect is named {name!r}; there are: {', '.join(self.plan.effects)}"
        own = [c.parameter for c in self.plan.controls.values() if c.effect == name]
        return f"{name} has no parameter {parameter!r}; it has: {', '.join(own)}"

    def start_workers(self) -> None:
        """Start the worker threads, before the program is published."""
        for _, worker in self.plan.workers:
            worker.start()

    def stop_workers(self) -> None:
        """Stop the worker threads, once no callback uses the program any more."""
        for _, worker in self.plan.workers:
            worker.stop()
