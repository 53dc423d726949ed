"""WaveNet: residual layers of dilated convolutions with a summed head, for one channel.

Frames lie across the lanes of a vector, and weights are broadcast. A chunk of up to four vectors
passes through all layers before the next chunk starts, so that what one layer hands to the next is
in the first-level cache, and a tile of sums (some channels, all vectors) stays in registers while
it goes through all taps and channels of a convolution::

    sums[channel][vector] += weight[tap][input][channel] * history[input][vector, tap frames ago]

Each layer keeps the past of its own input in a ring per channel. A window of a whole chunk may be
read and written at any place of it without regard to its end, because the ring continues there::

    | 0 ...................... size - 1 | size .. size + chunk - 1 | rest of the last write |
      ^ position: next frame              the same as 0 .. chunk - 1

    size >= past + 2 chunks: the lanes behind the last frame of a block hold values of no meaning;
    they are overwritten before they are read, and never reach back to where the past lies.
    It is a multiple of the chunk, so that whole chunks meet its end exactly.

One row of a table describes one ring. Rows stand in the order in which they are filled::

    array 0:  head | layer 0 | layer 1 | ... | signal handed on
    array 1:  head | ...
    output

All rows of a net share one memory, which starts with the input of the chunk, the output, and the
activations of one layer. Weights lie in the order in which they are used, [tap][input][channel]
with the newest tap first; behind tanh they are doubled, as the function is tanh(z / 2).

A frame takes the same operations in the same order wherever it stands in a block. The output
does not depend on how the signal is split into blocks, to the last bit.
"""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import intrinsic

from rtaudio.runtime.abi import Kernel, Node, state_dtype
from rtaudio.runtime.kernels.simd import LANES, REGISTERS, Vectors
from rtaudio.runtime.native import address_of, f32_at, i64_at, struct_at

STATE = state_dtype(("rows", "i8"), ("memory", "i8"), ("weights", "i8"), ("row_count", "i8"))
"""``rows`` int64 [row_count][8], see ``Row``; ``memory`` and ``weights`` float32."""

VECTORS = 4
"""Vectors of the largest chunk."""

_state_at = struct_at(STATE)


class Row(NamedTuple):
    """One row of the table; places and sizes in float32 values, eight words long."""

    place: int  # of channel 0
    stride: int  # from channel to channel
    size: int = 0  # of the ring; 0: no ring, the position stays 0
    position: int = 0
    taps: int = 0
    dilation: int = 0
    weights: int = 0
    unused: int = 0


_PLACE, _STRIDE, _SIZE, _POSITION, _TAPS, _DILATION, _WEIGHTS = range(7)
_WORDS = len(Row._fields)


class ArrayPlan(NamedTuple):
    """What the code of one array depends on."""

    inputs: int
    channels: int
    layers: int
    taps: int  # of all layers; 0: they differ
    heads: int
    head_taps: int
    activation: str
    slope: float


def _leaky_relu(v: Vectors, z: Any, slope: float) -> Any:
    b = v.builder
    return b.select(b.fcmp_ordered("<", z, v.constant(0.0)), b.fmul(z, v.constant(slope)), z)


def _clamp(v: Vectors, z: Any, low: float, high: float) -> Any:
    b = v.builder
    z = b.select(b.fcmp_ordered(">", z, v.constant(high)), v.constant(high), z)
    return b.select(b.fcmp_ordered("<", z, v.constant(low)), v.constant(low), z)


def _logistic(v: Vectors, z: Any) -> Any:
    half = v.constant(0.5)
    return v.fma(v.tanh_half(z), half, half)


def _softsign(v: Vectors, z: Any) -> Any:
    b = v.builder
    size = b.select(b.fcmp_ordered("<", z, v.constant(0.0)), b.fneg(z), z)
    return b.fdiv(z, b.fadd(size, v.constant(1.0)))


def _hard_swish(v: Vectors, z: Any) -> Any:
    sixth = v.fma(z, v.constant(1.0 / 6.0), v.constant(0.5))
    return v.builder.fmul(z, _clamp(v, sixth, 0.0, 1.0))


ACTIVATIONS: dict[str, Callable[[Vectors, Any, float], Any]] = {
    "linear": lambda v, z, _: z,
    "tanh": lambda v, z, _: v.tanh_half(z),
    "hard_tanh": lambda v, z, _: _clamp(v, z, -1.0, 1.0),
    "relu": lambda v, z, _: _leaky_relu(v, z, 0.0),
    "leaky_relu": _leaky_relu,
    "sigmoid": lambda v, z, _: _logistic(v, z),
    "silu": lambda v, z, _: v.builder.fmul(z, _logistic(v, z)),
    "softsign": lambda v, z, _: _softsign(v, z),
    "hard_swish": lambda v, z, _: _hard_swish(v, z),
}
"""Functions of a vector and the slope of leaky_relu. NaN stays NaN."""


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
        weights = v.element(self.weights, self.field(v.index(row), _WEIGHTS))
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
        taps = v.index(array.taps) if array.taps else self.field(row, _TAPS)
        dilation = self.field(row, _DILATION)
        weights = v.element(self.weights, self.field(row, _WEIGHTS))
        self.close(ring, channels)
        in_registers = self.tile_sizes(channels) == [(0, channels, 1)]
        wide = v.index(self.limit)
        z_rows = _Ring(v.element(self.memory, 2 * self.limit), wide, wide, v.index(0))
        z: list[Any] = []

        def activate(first: Any, count: int) -> None:
            matrix = v.element(weights, b.add(first, v.index((3 + channels) * channels)))
            sums = [v.constant(0.0)] * (count * self.vectors)
            sums = self.convolve(sums, matrix, channels, ring, channels, taps, dilation)
            # What is often large is added last: so the sum is rounded finely for longer.
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
        at = b.add(b.mul(row, self.v.index(_WORDS)), self.v.index(column))
        return b.load(b.gep(self.rows, [at]))

    def ring(self, row: Any) -> _Ring:
        """Load a row of the table."""
        place, stride, size, position = (
            self.field(row, column) for column in (_PLACE, _STRIDE, _SIZE, _POSITION)
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
def _chunk(
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


@cache
def wavenet_kernel(plan: str, lanes: int) -> Kernel:
    """Return the kernel of one shape; it is compiled once per machine, and then kept on disk.

    ``plan`` is a tuple of `ArrayPlan` as text, the only form of it that numba knows as a constant.
    """
    limit = VECTORS * lanes

    def wavenet(state, src, dst, frames):  # type: ignore[no-untyped-def]
        s = _state_at(address_of(state))
        rows, memory, weights = s.rows, s.memory, s.weights
        x, y = f32_at(memory), f32_at(memory + 4 * limit)
        table = i64_at(rows)
        done = 0
        while done < frames:
            count = min(frames - done, limit)
            for i in range(count):
                x[i] = src[done + i]
            if count > 2 * lanes:
                _chunk(plan, lanes, 4, rows, memory, weights)
            elif count > lanes:
                _chunk(plan, lanes, 2, rows, memory, weights)
            else:
                _chunk(plan, lanes, 1, rows, memory, weights)
            for i in range(count):
                dst[done + i] = y[i]
            for row in range(0, _WORDS * s.row_count, _WORDS):
                size = table[row + _SIZE]
                if size:
                    position = table[row + _POSITION] + count
                    table[row + _POSITION] = position - size if position >= size else position
            done += count
        return 0

    return Kernel(wavenet, STATE)


def _matrix(conv: Any, scale: float = 1.0) -> np.ndarray[Any, Any]:
    """Return the weights of a convolution as [tap, the newest first][input][channel]."""
    return scale * np.asarray(conv.weight, np.float32)[:, :, ::-1].transpose(2, 1, 0)


def _bias(conv: Any, scale: float = 1.0) -> np.ndarray[Any, Any]:
    channels = np.shape(conv.weight)[0]
    bias = np.zeros(channels) if conv.bias is None else np.reshape(conv.bias, channels)
    return np.asarray(scale * bias, np.float32)


def _check(condition: bool, reason: str) -> None:
    if not condition:
        raise ValueError(f"this WaveNet has no native kernel: {reason}")


def _plan(net: Any) -> list[ArrayPlan]:
    """Return the shape of a net; raises ValueError if it is not a plain one."""
    _check(len(net.arrays) > 0, "it has no layers")
    _check(not net.post, "layers behind the head")
    _check(net.condition is None, "a condition net")
    arrays = []
    inputs, heads = 1, None
    for array in net.arrays:
        channels = np.shape(array.rechannel.weight)[0]
        _check(np.shape(array.rechannel.weight) == (channels, inputs, 1), "its rechannel layer")
        _check(heads in (None, channels), "heads of another width than the next array")
        heads, _, head_taps = np.shape(array.head.weight)
        _check(np.shape(array.head.weight)[1] == channels, "the width of its head")
        _check(array.head.dilation == 1, "a dilated head")
        _check(len(array.layers) > 0, "an array without layers")
        for layer in array.layers:
            taps = np.shape(layer.conv.weight)[2]
            plain = layer.gating == "none" and not layer.films and layer.head_1x1 is None
            _check(plain, "gates, FiLM or a head of a layer")
            _check(layer.activation == array.layers[0].activation, "mixed activations")
            _check(np.shape(layer.conv.weight) == (channels, channels, taps), "a bottleneck")
            _check(np.shape(layer.mixer.weight) == (channels, 1, 1), "a wide condition")
            convs = [layer.conv, layer.mixer, *([layer.out] if layer.out else [])]
            _check(all(conv.groups == 1 for conv in convs), "groups")
            if layer.out:
                _check(np.shape(layer.out.weight) == (channels, channels, 1), "a wide layer")
        _check(array.rechannel.groups == array.head.groups == 1, "groups")
        activation = array.layers[0].activation
        _check(activation.name in ACTIVATIONS, f"the activation {activation.name}")
        slope = float(activation.values[0]) if activation.name == "leaky_relu" else 0.0
        taps = {np.shape(layer.conv.weight)[2] for layer in array.layers}
        arrays.append(
            ArrayPlan(
                inputs,
                channels,
                len(array.layers),
                taps.pop() if len(taps) == 1 else 0,
                heads,
                head_taps,
                activation.name,
                slope,
            )
        )
        inputs = channels
    _check(heads == 1, "more than one output")
    return arrays


def wavenet_node(net: Any, *, lanes: int = LANES) -> Node:
    """Make the node of a plain WaveNet, for one channel; all convolutions start from zeros.

    Its output does not depend on how the signal is split into blocks, to the last bit. It agrees
    with exact arithmetic to about 1e-6 of full scale.

    Parameters
    ----------
    net
        Anything with the attributes of `rtaudio.models.net.WaveNet`: arrays of layers without
        gates, FiLM, groups, bottleneck and head of their own, one activation in each array (one of
        ``ACTIVATIONS``), no layers behind the head and no condition net.
    lanes
        Values per vector: 4, 8 or 16; the default fits this machine.

    Raises
    ------
    ValueError
        The net is not a plain one; the text says why.

    Examples
    --------
    >>> capture = read_nam("amp.nam")                       # of rtaudio.models.nam
    >>> node = wavenet_node(capture.net)
    """
    plan = _plan(net)
    limit = VECTORS * lanes
    rows: list[Row] = []
    weights: list[np.ndarray[Any, Any]] = []
    used = limit * (2 + max(array.channels for array in plan))

    def packed(*parts: np.ndarray[Any, Any]) -> int:
        place = sum(part.size for part in weights)
        weights.extend(parts)
        return place

    def row(channels: int, past: int | None = None, **fields: int) -> None:
        nonlocal used
        size = 0 if past is None else (-(-past // limit) + 2) * limit
        stride = size + 2 * limit
        stride += 16 * (stride // 16 % 2 == 0)  # channels do not crowd the same cache lines
        rows.append(Row(used, stride, size, **fields))
        used += channels * stride

    for shape, array in zip(plan, net.arrays, strict=True):
        final = array is net.arrays[-1]
        scale = net.head_scale if final else 1.0
        row(
            shape.channels,
            shape.head_taps - 1 if shape.head_taps > 1 else None,
            taps=shape.head_taps,
            dilation=1,
            weights=packed(
                _bias(array.rechannel),
                _matrix(array.rechannel),
                _bias(array.head, scale),
                _matrix(array.head, scale),
            ),
        )
        for layer in array.layers:
            gain = 2.0 if shape.activation == "tanh" else 1.0
            taps = layer.conv.weight.shape[2]
            square = np.zeros((shape.channels, shape.channels), np.float32)
            out = (
                [square[0], square] if layer.out is None else [_bias(layer.out), _matrix(layer.out)]
            )
            row(
                shape.channels,
                (taps - 1) * layer.conv.dilation,
                taps=taps,
                dilation=layer.conv.dilation,
                weights=packed(
                    _bias(layer.conv, gain) + _bias(layer.mixer, gain),
                    _matrix(layer.mixer, gain),
                    *out,
                    _matrix(layer.conv, gain),
                ),
            )
        row(shape.channels)
    rows.append(Row(limit, limit))
    return Node(
        wavenet_kernel(str(tuple(tuple(array) for array in plan)), lanes),
        work={
            "rows": np.array(rows, np.int64),
            "memory": np.zeros(used, np.float32),
        },
        constants={"weights": np.concatenate([np.ravel(part) for part in weights])},
        row_count=len(rows),
    )
