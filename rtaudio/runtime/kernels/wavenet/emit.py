"""The machine code of a WaveNet, chunk by chunk."""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Callable
from typing import Any, NamedTuple

from numba import types
from numba.extending import intrinsic

from rtaudio.runtime.kernels.simd import REGISTERS, Vectors
from rtaudio.runtime.kernels.wavenet.activations import ACTIVATIONS
from rtaudio.runtime.kernels.wavenet.plan import (
    DILATION,
    PLACE,
    POSITION,
    SIZE,
    STRIDE,
    TAPS,
    WEIGHTS,
    WORDS,
    ArrayPlan,
)

VECTORS = 4
"""Vectors of the largest chunk."""


class _Ring(NamedTuple):
    """A row of the table in compiled values."""

    start: Any  # channel 0
    stride: Any
    size: Any
    position: Any

    def here(self, v: Vectors) -> Any:
        """Return the pointer to the present frames of channel 0."""
        return v.element(self.start, self.position)


class _Chunk:
    """Writes the code that takes one chunk of ``vectors`` vectors through a net."""

    def __init__(self, v: Vectors, vectors: int, rows: Any, memory: Any, weights: Any) -> None:
        self.v, self.b, self.vectors = v, v.builder, vectors
        self.rows, self.memory, self.weights = rows, memory, weights
        self.limit = VECTORS * v.lanes  # frames of the largest chunk

    def net(self, arrays: list[ArrayPlan]) -> None:
        """Write everything between the input and the output of the chunk."""
        v, b = self.v, self.b
        first = arrays[0]
        head = self.ring(v.index(0))
        for channel in range(first.channels):
            place = b.mul(head.stride, v.index(channel))
            for k in range(self.vectors):
                at = b.add(place, v.index(k * v.lanes))
                v.store(v.constant(0.0), head.here(v), at, aligned=False)
        row, source, stride = 0, self.memory, v.index(self.limit)
        for number, array in enumerate(arrays):
            self.array(array, row, source, stride, last=number == len(arrays) - 1)
            row += array.layers + 2
            signal = self.ring(v.index(row - 1))
            source, stride = signal.start, signal.stride

    def array(self, array: ArrayPlan, row: int, source: Any, stride: Any, last: bool) -> None:
        """Write one array, whose head has the number ``row``."""
        v, b = self.v, self.b
        channels, layers = array.channels, array.layers
        weights = v.element(self.weights, self.field(v.index(row), WEIGHTS))
        signal = self.ring(v.index(row + 1))

        def rechannel(first: Any, count: int) -> None:
            sums = self.biases(v.element(weights, first), count)
            matrix = v.element(weights, b.add(first, v.index(channels)))
            sums = self.products(sums, matrix, channels, source, stride, array.inputs)
            self.put(sums, signal, first)

        self.tiles(channels, rechannel)
        head = self.ring(v.index(row))

        def layer(turn: Any, _: list[Any]) -> list[Any]:
            this = b.add(turn, v.index(row + 1))
            if last:
                more = b.icmp_signed("<", turn, v.index(layers - 1))
                self.layer(array, this, head, more)
            else:
                self.layer(array, this, head, None)
            return []

        v.repeat(layers, [], layer)
        if array.head_taps > 1:
            self.close(head, channels)
        weights = v.element(weights, (1 + array.inputs) * channels)
        out = self.ring(v.index(row + layers + 2))

        def rehead(first: Any, count: int) -> None:
            sums = self.biases(v.element(weights, first), count)
            matrix = v.element(weights, b.add(first, v.index(array.heads)))
            taps, one = v.index(array.head_taps), v.index(1)
            sums = self.convolve(sums, matrix, array.heads, head, channels, taps, one)
            self.put(sums, out, first)

        self.tiles(array.heads, rehead)

    def layer(self, array: ArrayPlan, row: Any, head: _Ring, more: Any) -> None:
        """Write one layer; its signal is handed on if ``more``, a condition or None for always."""
        v, b = self.v, self.b
        channels = array.channels
        ring, following = self.ring(row), self.ring(b.add(row, v.index(1)))
        taps = v.index(array.taps) if array.taps else self.field(row, TAPS)
        dilation = self.field(row, DILATION)
        weights = v.element(self.weights, self.field(row, WEIGHTS))
        self.close(ring, channels)
        in_registers = self.tile_sizes(channels) == [(0, channels, 1)]
        wide = v.index(self.limit)
        z_rows = _Ring(v.element(self.memory, 2 * self.limit), wide, wide, v.index(0))
        z: list[Any] = []

        def activate(first: Any, count: int) -> None:
            matrix = v.element(weights, b.add(first, v.index((3 + channels) * channels)))
            sums = [v.constant(0.0)] * (count * self.vectors)
            sums = self.convolve(sums, matrix, channels, ring, channels, taps, dilation)
            # Add the term that is often large last: until then the sum is small and finely rounded.
            mixer = v.element(weights, b.add(first, v.index(channels)))
            mixed = self.biases(v.element(weights, first), count)
            mixed = self.products(mixed, mixer, channels, self.memory, v.index(0), 1)
            sums = [b.fadd(s, m) for s, m in zip(sums, mixed, strict=True)]
            sums = [ACTIVATIONS[array.activation](v, s, array.slope) for s in sums]
            self.put(sums, head, first, add=True)
            if in_registers:
                z.extend(sums)
            else:
                self.put(sums, z_rows, first)

        def hand_on(first: Any, count: int) -> None:
            bias = v.element(weights, b.add(first, v.index(2 * channels)))
            matrix = v.element(weights, b.add(first, v.index(3 * channels)))
            sums = self.biases(bias, count)
            if in_registers:
                for i in range(channels):
                    data = z[i * self.vectors : (i + 1) * self.vectors]
                    sums = self.product(sums, v.element(matrix, i * channels), data)
            else:
                sums = self.products(sums, matrix, channels, z_rows.start, wide, channels)
            here = v.element(ring.here(v), b.mul(first, ring.stride))
            added = []
            for channel in range(count):
                place = b.mul(ring.stride, v.index(channel))
                for k in range(self.vectors):
                    at = b.add(place, v.index(k * v.lanes))
                    y = v.load(here, at, aligned=False)
                    added.append(b.fadd(sums[channel * self.vectors + k], y))
            self.put(added, following, first)

        self.tiles(channels, activate)
        if more is None:
            self.tiles(channels, hand_on)
        else:
            with b.if_then(more):
                self.tiles(channels, hand_on)

    def field(self, row: Any, column: int) -> Any:
        """Load a word of the table."""
        b = self.b
        at = b.add(b.mul(row, self.v.index(WORDS)), self.v.index(column))
        return b.load(b.gep(self.rows, [at]))

    def ring(self, row: Any) -> _Ring:
        """Load a row of the table."""
        place, stride, size, position = (
            self.field(row, column) for column in (PLACE, STRIDE, SIZE, POSITION)
        )
        return _Ring(self.v.element(self.memory, place), stride, size, position)

    def tile_sizes(self, channels: int) -> list[tuple[int, int, int]]:
        """Return first channel, channels per tile and number of tiles of at most two kinds."""
        # Half of the registers hold sums; inputs, weights and activations need the others.
        most = REGISTERS // 2 // self.vectors
        count = -(-channels // most)
        size, larger = divmod(channels, count)
        kinds = [(0, size + 1, larger), (larger * (size + 1), size, count - larger)]
        return [kind for kind in kinds if kind[2]]

    def tiles(self, channels: int, write: Callable[[Any, int], None]) -> None:
        """Call ``write`` with the first channel (compiled) and the channels of each tile."""
        for first, size, count in self.tile_sizes(channels):

            def tile(turn: Any, _: list[Any], first: int = first, size: int = size) -> list[Any]:
                b, v = self.b, self.v
                write(b.add(b.mul(turn, v.index(size)), v.index(first)), size)
                return []

            self.v.repeat(count, [], tile)

    def biases(self, weights: Any, count: int) -> list[Any]:
        """Return the sums of a tile before the first product."""
        v = self.v
        values = [v.splat(self.b.load(v.element(weights, channel))) for channel in range(count)]
        return [value for value in values for _ in range(self.vectors)]

    def product(self, sums: list[Any], weights: Any, data: list[Any]) -> list[Any]:
        """Add one input times its weights to all channels of a tile."""
        v, vectors = self.v, self.vectors
        added = []
        for channel in range(len(sums) // vectors):
            weight = v.splat(self.b.load(v.element(weights, channel)))
            for k in range(vectors):
                added.append(v.fma(weight, data[k], sums[channel * vectors + k]))
        return added

    def products(
        self, sums: list[Any], weights: Any, columns: int, source: Any, stride: Any, inputs: int
    ) -> list[Any]:
        """Add a matrix of ``columns`` channels, of which a tile is taken, times all inputs."""
        v, b = self.v, self.b
        # A turn of the loop does up to 64 products: enough for speed, and quick to compile.
        most = max(1, 64 // len(sums))
        step = max(k for k in range(1, most + 1) if inputs % k == 0)

        def some(turn: Any, sums: list[Any]) -> list[Any]:
            at = b.mul(b.mul(turn, v.index(step)), stride)
            matrix = v.element(weights, b.mul(turn, v.index(step * columns)))
            for i in range(step):
                data = [
                    v.load(source, b.add(at, v.index(k * v.lanes)), aligned=False)
                    for k in range(self.vectors)
                ]
                sums = self.product(sums, v.element(matrix, i * columns), data)
                at = b.add(at, stride)
            return sums

        return v.repeat(inputs // step, sums, some)

    def convolve(
        self,
        sums: list[Any],
        weights: Any,
        columns: int,
        ring: _Ring,
        inputs: int,
        taps: Any,
        dilation: Any,
    ) -> list[Any]:
        """Add all taps of a convolution over a ring, the newest first."""
        v, b = self.v, self.b

        def tap(turn: Any, values: list[Any]) -> list[Any]:
            *sums, position = values
            matrix = v.element(weights, b.mul(turn, v.index(inputs * columns)))
            source = v.element(ring.start, position)
            sums = self.products(sums, matrix, columns, source, ring.stride, inputs)
            older = b.sub(position, dilation)
            outside = b.icmp_signed("<", older, v.index(0))
            return [*sums, b.select(outside, b.add(older, ring.size), older)]

        return v.repeat(taps, [*sums, ring.position], tap)[:-1]

    def put(self, values: list[Any], ring: _Ring, first: Any, *, add: bool = False) -> None:
        """Store, or ``add``, the vectors of a tile as the present frames of its channels."""
        v, b = self.v, self.b
        here = v.element(ring.here(v), b.mul(first, ring.stride))
        for channel in range(len(values) // self.vectors):
            place = b.mul(ring.stride, v.index(channel))
            for k in range(self.vectors):
                at = b.add(place, v.index(k * v.lanes))
                value = values[channel * self.vectors + k]
                if add:
                    value = b.fadd(value, v.load(here, at, aligned=False))
                v.store(value, here, at, aligned=False)

    def close(self, ring: _Ring, channels: int) -> None:
        """Make the start of a ring and its continuation equal after a write to either."""
        v, b = self.v, self.b
        end = b.add(ring.position, v.index(self.vectors * v.lanes))
        starts = b.icmp_signed("<", ring.position, v.index(self.limit))
        with b.if_then(b.or_(starts, b.icmp_signed(">", end, ring.size)), likely=False):
            source = b.select(starts, ring.position, ring.size)
            target = b.select(starts, b.add(ring.position, ring.size), v.index(0))

            def copy(turn: Any, _: list[Any]) -> list[Any]:
                channel = v.element(ring.start, b.mul(turn, ring.stride))
                for k in range(self.vectors):
                    at = v.index(k * v.lanes)
                    value = v.load(channel, b.add(source, at), aligned=False)
                    v.store(value, channel, b.add(target, at), aligned=False)
                return []

            v.repeat(channels, [], copy)


@intrinsic(prefer_literal=True)
def run_chunk(
    typingctx: Any, plan: Any, lanes: Any, vectors: Any, rows: Any, memory: Any, weights: Any
) -> Any:
    """Take ``vectors`` vectors from the start of ``memory`` through the net.

    ``plan``, ``lanes`` and ``vectors`` are known when the caller is compiled.
    """
    arrays = [ArrayPlan(*array) for array in literal_eval(plan.literal_value)]

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        v = Vectors(builder, lanes.literal_value)
        table = builder.inttoptr(args[3], v.index(0).type.as_pointer())
        chunk = _Chunk(v, vectors.literal_value, table, v.pointer(args[4]), v.pointer(args[5]))
        chunk.net(arrays)
        return context.get_dummy_value()

    return types.void(plan, lanes, vectors, types.int64, types.int64, types.int64), codegen
