"""The plan: an effect compiled to data, before anything has an address.

::

    Builder -> Plan: nodes, steps, buffers, latency, controls, pointers
                 |
                 +-> Program: the same with addresses, for the audio thread
                 +-> Image: the same as bytes and relocations, for code that runs elsewhere
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from rtaudio.runtime.abi import Bus, Foreign, Kernel, Node
from rtaudio.runtime.control import Control
from rtaudio.runtime.memory import Array


class WorkerThread(Protocol):
    """The thread of a worker node; see :mod:`rtaudio.runtime.worker`."""

    @property
    def late_chunks(self) -> int:
        """Chunks that were not ready in time."""

    @property
    def faults(self) -> int:
        """Chunks in which the node was reset."""

    @property
    def ailment(self) -> str:
        """Why the node does not play, in one word; empty if it does."""

    def start(self) -> None:
        """Start before the audio."""

    def stop(self) -> None:
        """Stop after the audio."""


class Step(NamedTuple):
    """One call of a node: which effect it belongs to, what it reads and what it writes."""

    effect: str
    node: Node
    src: Bus
    dst: Bus


class Relocation(NamedTuple):
    """A word of an image that must become an address.

    Attributes
    ----------
    block, offset
        The block that the word stands in, by number, and where, in bytes.
    target, shift
        The block (by number), the function or the thing of another library that the address leads
        to, and the offset into it in bytes.
    """

    block: int
    offset: int
    target: int | Kernel | Foreign
    shift: int


class Place(NamedTuple):
    """A place in an image: the block, by number, and the offset in bytes."""

    block: int
    offset: int


class Image(NamedTuple):
    """The memory of a plan, wherever it may lie: blocks of bytes whose addresses are zero.

    Attributes
    ----------
    blocks
        The nodes' memories, constants and slots in the order in which the steps use them.
    buffers
        The buffers, numbered after the blocks, as their number of bytes only.
    relocations
        The words that must become addresses.
    states
        The block of each of the plan's nodes, by number.
    slots
        Where the value of each control lies.
    """

    blocks: list[bytes]
    buffers: list[int]
    relocations: list[Relocation]
    states: list[int]
    slots: dict[str, Place]


@dataclass(frozen=True)
class Plan:
    """A compiled effect, as data. One program is made of a plan: its nodes have one memory.

    Attributes
    ----------
    rate_hz, block
        Sample rate, and the largest number of frames per call.
    stride
        Distance of two channels in a buffer, in samples.
    buffers
        Channels of every buffer.
    steps
        The calls, first to last.
    source, output
        The buses of the input and of the result.
    controls
        What can be turned, by ``"effect.parameter"``.
    effects
        Names of the effects, the root first.
    latency_parts
        How many samples of latency each effect adds.
    workers
        The threads of worker nodes, with the names of their effects.
    varying
        Whether calls may have fewer frames than ``block``.
    """

    rate_hz: int
    block: int
    stride: int
    buffers: tuple[int, ...]
    steps: tuple[Step, ...]
    source: Bus
    output: Bus
    controls: dict[str, Control] = field(default_factory=dict)
    effects: tuple[str, ...] = ()
    latency_parts: dict[str, int] = field(default_factory=dict)
    workers: tuple[tuple[str, WorkerThread], ...] = ()
    varying: bool = False

    @property
    def latency_samples(self) -> int:
        """By how many samples the output lags the input."""
        return self.output.latency_samples

    @property
    def nodes(self) -> Iterator[Node]:
        """Every node, those inside others after them."""
        todo = [step.node for step in reversed(self.steps)]
        while todo:
            node = todo.pop()
            yield node
            todo.extend(reversed(node.inner))

    @property
    def relocatable(self) -> bool:
        """Whether `image` knows every address: no worker, and nothing of this process alone."""
        return all(step.node.relocatable for step in self.steps)

    def image(self) -> Image:
        """Return the memory of the plan without addresses.

        Raises
        ------
        ValueError
            A node holds addresses that only mean something in this process.
        """
        if not self.relocatable:
            names = {step.effect for step in self.steps if not step.node.relocatable}
            raise ValueError(f"{', '.join(sorted(names))}: cannot leave this process")
        blocks: dict[int, tuple[int, Array]] = {}
        slots = [control.slot.array for control in self.controls.values()]
        for node in self.nodes:
            for memory in (node.memory, *(p.memory for p in node.pointers)):
                _enter(blocks, memory)
            for pointer in node.pointers:
                if isinstance(pointer.target, np.ndarray):
                    _enter(blocks, _whole(slots, pointer.target))
        for control in self.controls.values():
            _enter(blocks, control.slot.array)
        contents = [bytearray(memory.view(np.uint8).tobytes()) for _, memory in blocks.values()]
        relocations = []
        for node in self.nodes:
            for pointer in node.pointers:
                block, _ = blocks[pointer.memory.ctypes.data]
                contents[block][pointer.offset : pointer.offset + 8] = bytes(8)
                target, shift = pointer.target, pointer.shift
                if isinstance(target, Bus):
                    number: int | Kernel | Foreign = len(blocks) + target.buffer
                    shift = 4 * self.stride * target.first
                elif isinstance(target, Kernel | Foreign):
                    number = target
                else:
                    whole = _whole(slots, target)
                    number = blocks[whole.ctypes.data][0]
                    shift += target.ctypes.data - whole.ctypes.data
                relocations.append(Relocation(block, pointer.offset, number, shift))
        buffers = [4 * channels * self.stride for channels in self.buffers]
        return Image(
            [bytes(content) for content in contents],
            buffers,
            relocations,
            [blocks[node.memory.ctypes.data][0] for node in self.nodes],
            {
                name: Place(blocks[slot.array.ctypes.data][0], 4 * slot.place)
                for name, (*_, slot) in self.controls.items()
            },
        )


def _whole(slots: list[Array], memory: Array) -> Array:
    """Return the array of slots that some memory is a part of, or else that memory itself."""
    at = memory.ctypes.data
    return next((a for a in slots if a.ctypes.data <= at < a.ctypes.data + a.nbytes), memory)


def _enter(blocks: dict[int, tuple[int, Array]], memory: Array) -> None:
    """Give a block the next number, unless it has one; the same block may be seen as views."""
    at = memory.ctypes.data
    number, known = blocks.get(at, (len(blocks), memory))
    blocks[at] = (number, known if known.nbytes >= memory.nbytes else memory)
