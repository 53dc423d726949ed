"""The image of a program: what one instance's memory holds, and which words are addresses.

::

    memory     | nodes | tables of addresses, slots, program | copy of the nodes | buffers |
                 ^ in the image, as far as it is not zero      ^ made by the plugin

    constants  weights, spectra, filters: read by all instances, shared by all images
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from rtaudio.runtime.abi import HEADER, Bus, Foreign, Kernel, Node
from rtaudio.runtime.jit import CFunction
from rtaudio.runtime.memory import ALIGNMENT, offset_of
from rtaudio.runtime.onnx_runtime import ApiFunction, ModelSession, Tensor
from rtaudio.runtime.plan import Image, Plan
from rtaudio.runtime.program import INSTRUCTION, PROGRAM

__all__ = ["Layout", "Pool", "lay_out"]

_OWN, _CONSTANT, _FUNCTION, _SESSION, _TENSOR, _API = range(6)
"""The targets of addresses: the instance's memory, the blob, a function of the table; a session by
the number of its model, a tensor by the place of its description, a function of ONNX Runtime."""

_API_FUNCTIONS = ("Run", "ReleaseStatus")

_PARAMS_AT = offset_of(np.dtype(HEADER), "params")

_GAP_BYTES = 256
"""Shorter runs of zeros are kept: another segment costs as much."""


class Pool:
    """The bytes that all images of a plugin share, and its table of functions.

    Attributes
    ----------
    functions
        The functions, each once.
    models
        Place and size of the ONNX models, each once.

    Examples
    --------
    >>> pool = Pool([])
    >>> pool.add(b"weights"), pool.add(b"more"), pool.add(b"weights"), len(pool.blob)
    (0, 64, 0, 68)
    """

    def __init__(self, functions: list[CFunction]) -> None:
        self.functions = list(functions)
        self.models: list[tuple[int, int]] = []
        self._places: dict[bytes, int] = {}
        self._blob = bytearray()

    def add(self, content: bytes) -> int:
        """Return the place of some bytes; equal ones are kept once."""
        if content not in self._places:
            self._blob += bytes(-len(self._blob) % ALIGNMENT)
            self._places[content] = len(self._blob)
            self._blob += content
        return self._places[content]

    def number(self, function: CFunction) -> int:
        """Return the place of a function in the table."""
        if function not in self.functions:
            self.functions.append(function)
        return self.functions.index(function)

    def model(self, content: bytes) -> int:
        """Return the number of a model."""
        entry = self.add(content), len(content)
        if entry not in self.models:
            self.models.append(entry)
        return self.models.index(entry)

    @property
    def blob(self) -> bytes:
        """All bytes."""
        return bytes(self._blob)


class Layout(NamedTuple):
    """One image, as `Layout` in ``shim/core.h``: all but the first four are places in bytes."""

    rate_hz: int
    inputs: int
    outputs: int
    latency_samples: int
    bytes: int
    node_bytes: int
    pristine: int
    buffers: int
    program: int
    segments: int
    segment_count: int
    relocations: int
    relocation_count: int
    slots: int


class _Memory:
    """The part of an instance's memory that is in the image, while it is laid out."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.relocations: list[tuple[int, int, int]] = []

    def add(self, content: Any) -> int:
        """Append a block; returns its place."""
        self.content += bytes(-len(self.content) % ALIGNMENT)
        place = len(self.content)
        self.content += content if isinstance(content, bytes) else content.tobytes()
        return place

    def point(self, place: int, kind: int, target: int) -> None:
        """Let a word be an address."""
        self.relocations.append((place, kind, target))

    def segments(self) -> Iterator[tuple[int, int]]:
        """Yield first and last place of every part that is not zero."""
        used = np.flatnonzero(np.frombuffer(self.content, np.uint8))
        if not used.size:
            return
        ends = np.flatnonzero(np.diff(used) > _GAP_BYTES)
        firsts = used[np.concatenate([[0], ends + 1])]
        lasts = used[np.concatenate([ends, [used.size - 1]])]
        yield from zip(firsts.tolist(), lasts.tolist(), strict=True)


def _written(image: Image) -> set[int]:
    """Return the blocks that belong to one instance: all in which something is ever stored."""
    states = set(image.states)
    parameters = {
        relocation.target
        for relocation in image.relocations
        if relocation.block in states and relocation.offset == _PARAMS_AT
    }
    addresses = {relocation.block for relocation in image.relocations}
    slots = {place.block for place in image.slots.values()}
    return states | addresses | slots | {block for block in parameters if isinstance(block, int)}


def lay_out(plan: Plan, keys: list[str], pool: Pool) -> Layout:
    """Return the image of a plan; its bytes go into the pool.

    Parameters
    ----------
    plan
        The plan.
    keys
        The controls whose slots the plugin stores to, ``"effect.parameter"``, in its order.
    pool
        Takes constants, segments, relocations and functions.

    Raises
    ------
    ValueError
        A node holds addresses that only mean something in this process.
    """
    image = plan.image()
    memory = _Memory()
    places = {block: memory.add(image.blocks[block]) for block in image.states}
    node_bytes = len(memory.content) + -len(memory.content) % ALIGNMENT
    for block in sorted(_written(image) - places.keys()):
        places[block] = memory.add(image.blocks[block])
    tables = _add_program(memory, plan)
    pristine = memory.add(b"")
    end = buffers = pristine + node_bytes
    for number, size in enumerate(image.buffers, len(image.blocks)):
        places[number] = end
        end += size + -size % ALIGNMENT
    _point_blocks(memory, image, places, pool)
    _point_program(memory, plan, image, places, pristine, tables, pool)
    rows = [
        (first, pool.add(bytes(memory.content[first : last + 1])), last + 1 - first)
        for first, last in memory.segments()
    ]
    return Layout(
        plan.rate_hz,
        plan.source.channels,
        plan.output.channels,
        plan.latency_samples,
        end,
        node_bytes,
        pristine,
        buffers,
        tables.program,
        pool.add(np.array(rows, np.int64).tobytes()),
        len(rows),
        pool.add(np.array(memory.relocations, np.int64).tobytes()),
        len(memory.relocations),
        pool.add(
            np.array(
                [places[image.slots[key].block] + image.slots[key].offset for key in keys], np.int64
            ).tobytes()
        ),
    )


class _Tables(NamedTuple):
    """Places of the program's own tables: the rows, the regions of each step, the record."""

    instructions: int
    regions: list[int]
    program: int


def _with_inner(node: Node) -> Iterator[Node]:
    """Yield a node and those inside it: a fault resets them all."""
    yield node
    for inner in node.inner:
        yield from _with_inner(inner)


def _add_program(memory: _Memory, plan: Plan) -> _Tables:
    """Append the tables of the program without addresses, as `Program` makes them."""
    regions = []
    for step in plan.steps:
        rows = np.zeros((len(list(_with_inner(step.node))), 3), np.int64)
        rows[:, 2] = [node.memory.nbytes for node in _with_inner(step.node)]
        regions.append(memory.add(rows))
    table = np.zeros(max(1, len(plan.steps)), INSTRUCTION)
    for row, step in zip(table, plan.steps, strict=False):
        row["dst_channels"] = step.dst.channels
        row["region_count"] = len(list(_with_inner(step.node)))
    record = np.zeros(1, PROGRAM)
    record["count"] = len(plan.steps)
    record["in_channels"], record["out_channels"] = plan.source.channels, plan.output.channels
    record["stride"], record["block"] = plan.stride, plan.block
    record["latency_samples"] = plan.latency_samples
    return _Tables(memory.add(table), regions, memory.add(record))


def _point_blocks(memory: _Memory, image: Image, places: dict[int, int], pool: Pool) -> None:
    """Note the addresses in nodes and tables; constants that hold none go into the pool."""
    for block, offset, target, shift in image.relocations:
        place = places[block] + offset
        if isinstance(target, Kernel):
            memory.point(place, _FUNCTION, pool.number(target))
        elif isinstance(target, Foreign):
            memory.point(place, *_foreign(target, places[block] + shift, pool))
        elif target in places:
            memory.point(place, _OWN, places[target] + shift)
        else:
            memory.point(place, _CONSTANT, pool.add(image.blocks[target]) + shift)


def _foreign(target: Foreign, place: int, pool: Pool) -> tuple[int, int]:
    """Return kind and target of an address of ONNX Runtime."""
    match target:
        case ApiFunction():
            return _API, _API_FUNCTIONS.index(target.name)
        case ModelSession():
            return _SESSION, pool.model(target.model)
        case Tensor():
            rank = len(target.shape)
            words = [place, target.bytes, target.element_type, rank, *target.shape]
            return _TENSOR, pool.add(np.array(words, np.int64).tobytes())
    raise TypeError(f"{type(target).__name__} is not known here")


def _point_program(
    memory: _Memory,
    plan: Plan,
    image: Image,
    places: dict[int, int],
    pristine: int,
    tables: _Tables,
    pool: Pool,
) -> None:
    """Note the addresses in the tables of the program."""
    blocks = dict(zip(map(id, plan.nodes), image.states, strict=True))

    def bus(bus: Bus) -> int:
        return places[len(image.blocks) + bus.buffer] + 4 * plan.stride * bus.first

    for number, (step, rows) in enumerate(zip(plan.steps, tables.regions, strict=True)):
        row = tables.instructions + number * INSTRUCTION.itemsize
        memory.point(
            row + offset_of(INSTRUCTION, "process"), _FUNCTION, pool.number(step.node.kernel)
        )
        for field, target in (
            ("state", places[blocks[id(step.node)]]),
            ("src", bus(step.src)),
            ("dst", bus(step.dst)),
            ("regions", rows),
        ):
            memory.point(row + offset_of(INSTRUCTION, field), _OWN, target)
        for place, node in enumerate(_with_inner(step.node)):
            state = places[blocks[id(node)]]
            memory.point(rows + 24 * place, _OWN, state)
            memory.point(rows + 24 * place + 8, _OWN, pristine + state)
    for field, target in (
        ("instructions", tables.instructions),
        ("input", bus(plan.source)),
        ("output", bus(plan.output)),
    ):
        memory.point(tables.program + offset_of(PROGRAM, field), _OWN, target)
