"""The program: a chain compiled to a flat table of native calls over preallocated buffers.

::

    input buffer -> [process, state, src, dst] -> [process, state, src, dst] -> ... -> output buffer

Python builds a program with :class:`Builder` and keeps it alive; the audio thread runs it with
:func:`run_program`, which also guards every instruction: an output with NaN, Inf or a runaway
level (above +60 dBFS) is replaced by silence, its node is reset and the fault is counted.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

from rtaudio.runtime.abi import aligned
from rtaudio.runtime.words import call_process, copy_bytes, fill_bytes, i32_at, i64_at, struct_at

if TYPE_CHECKING:
    from rtaudio.runtime.builder import Builder, Bus

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

RUNAWAY = 1000.0
RUNAWAY_BITS = int(np.float32(RUNAWAY).view(np.int32))

instruction_at = struct_at(INSTRUCTION)
program_at = struct_at(PROGRAM)
_INSTRUCTION_BYTES = INSTRUCTION.itemsize


@njit(nogil=True, forceinline=True, error_model="numpy")
def largest_bits(address, channels, stride, frames):  # type: ignore[no-untyped-def]
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


@njit(nogil=True, forceinline=True, error_model="numpy")
def run_program(program, frames):  # type: ignore[no-untyped-def]
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


class Program:
    """A built chain: what :func:`run_program` reads, and everything that must stay alive for it."""

    def __init__(self, builder: Builder, source: Bus, output: Bus) -> None:
        for node in builder.nodes:
            node.freeze()
        self.rate_hz = builder.rate_hz
        self.block = builder.block
        self.stride = builder.stride
        self.in_channels = source.channels
        self.out_channels = output.channels
        self.latency_samples = output.latency_samples
        self.latency_parts = dict(builder.latency_parts)
        self.slots = builder.slots
        self.names = builder.names
        self.workers = builder.workers
        self._keep: list[Any] = [builder.buffers, builder.nodes]
        self._table = aligned(max(1, len(builder.steps)) * INSTRUCTION.itemsize, np.uint8).view(
            INSTRUCTION
        )
        for row, (node, src, dst) in zip(self._table, builder.steps, strict=False):
            regions = np.array(node.regions(), np.int64)
            self._keep.append(regions)
            row["process"] = node.kernel.address
            row["state"] = node.state_address
            row["src"], row["dst"] = src.address, dst.address
            row["dst_channels"] = dst.channels
            row["regions"], row["region_count"] = regions.ctypes.data, len(regions)
        self._record = aligned(PROGRAM.itemsize, np.uint8).view(PROGRAM)
        record = self._record[0]
        record["instructions"], record["count"] = self._table.ctypes.data, len(builder.steps)
        record["input"], record["output"] = source.address, output.address
        record["in_channels"], record["out_channels"] = source.channels, output.channels
        record["stride"], record["block"] = builder.stride, builder.block
        record["latency_samples"] = output.latency_samples
        self.source, self.output = source, output

    @property
    def address(self) -> int:
        """The address of the PROGRAM record."""
        return int(self._record.ctypes.data)

    @property
    def faults(self) -> dict[str, int]:
        """How often each effect produced NaN, Inf or a runaway level, by name; only the guilty.

        Chunks that a worker did not finish in time are counted as ``<effect>: late``.
        """
        counts: Counter[str] = Counter()
        for name, row in zip(self.names, self._table, strict=False):
            counts[name] += int(row["faults"])
        for name, worker in self.workers:
            counts[name] += worker.faults
            counts[f"{name}: late"] += worker.late_chunks
        return {name: count for name, count in counts.items() if count}

    def set(self, target: str, value: float | bool) -> None:
        """Store a parameter by ``"effect.parameter"``; the audio thread ramps to it.

        Raises
        ------
        ValueError
            No such effect or parameter, or the value is out of range.
        """
        name, _, parameter = target.rpartition(".")
        if name not in self.slots:
            known = ", ".join(self.slots)
            raise ValueError(f"{target!r}: no effect is named {name!r}; there are: {known}")
        effect, index, slots = self.slots[name]
        if parameter not in index:
            raise ValueError(
                f"{target!r}: {name} has no parameter {parameter!r}; it has: {', '.join(index)}"
            )
        slots[index[parameter]] = effect.set_live(parameter, value)

    def start_workers(self) -> None:
        """Start the worker threads, before the program is published."""
        for _, worker in self.workers:
            worker.start()

    def stop_workers(self) -> None:
        """Stop the worker threads, once no callback uses the program any more."""
        for _, worker in self.workers:
            worker.stop()
