"""Stacks of LSTM or GRU layers with a linear head, one sample after the other.

All layers advance in the same step. Layer k of a step works on the sample k before that of the
first layer, so it needs nothing from this step, and the chains of dependent operations of the
layers run side by side. Inside a block nothing is delayed: a block of n samples takes n + layers
- 1 steps, and a layer that has no sample in the first or the last ones keeps its state. To the
code the stack is one layer, with zeros where units are not connected.

The weights are packed when a node is made, in the order in which a step reads them. With L lanes
per vector the units of all layers, one behind the other, are dealt into groups of L, and the groups
into batches whose sums fit the vector registers together. Each square is one vector, L rows of one
gate; the last group, if at most L / 2 units are left for it, has as many gates side by side in a
square as fit (padded with zeros). A square of zeros is left out:

::

    batch 0   bias     | i0 f0 g0 o0 | i1 f1 g1 o1 | ...     one such row of squares for the bias,
              input 0  | i0 f0 g0 o0 | i1 f1 g1 o1 | ...     one for each input: audio and knobs,
              ...
              column 0 | i0 f0 g0 o0 | i1 f1 g1 o1 | ...     and one for the weights of each h
              column 1 | i0 f0 g0 o0 | i1 f1 g1 o1 | ...
              ...        ^ group 0     ^ group 1, or its squares i1|f1 g1|o1 or i1|f1|g1|o1
    batch 1   bias     | ...
    head      weights  | group 0 | group 1 | ...             from the first group of the last layer
              bias     | one vector, the value in its first lane

    memory    | inputs | 2h, all groups | 2c, all groups (LSTM) |

Every non-linearity is one function, t(z) = tanh(z / 2): the logistic function of z is
(1 + t(z)) / 2. What is left over are factors of two, which are exact and therefore moved into the
weights. The state is kept doubled, the sums are z = bias + inputs + columns 2h, and a step is

::

    LSTM   2c = (1 + t(zf)) c + (1 + t(zi)) t(zg)        rows of g are twice the model's
           2h = (1 + t(zo)) t(2c)
    GRU    2n = zx + (1 + t(zr)) zh                      rows of x, the input's part of n, are twice
           2h = (1 - t(zz)) t(2n) + (1 + t(zz)) h        gates: r, z, x, h

Weights that exceed the first-level cache are walked forwards and backwards by turns, so that each
step starts with what the step before has left in the cache. The sums of the two directions differ
in rounding; which one a sample takes is part of the state, so the split into blocks stays exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import intrinsic

from rtaudio.runtime.abi import Kernel, Node, state_dtype
from rtaudio.runtime.kernels.ramp import RAMP, advance, aim, ramp_samples, settled
from rtaudio.runtime.kernels.simd import LANES, REGISTERS, Vectors
from rtaudio.runtime.native import address_of, f32_at, struct_at

Array = np.ndarray[Any, Any]

STATE = state_dtype(
    ("weights", "i8"),
    ("memory", "i8"),
    ("backward", "i8"),
    ("skip", "f4"),
    ("ramps", "i8"),
    ("ramp_samples", "i8"),
)
"""``weights``, ``memory``: see the drawing; ``backward``: 1 if the next step runs backwards;
``skip``: factor of the input in the output; ``ramps``: [knobs] of the knobs."""

CACHE_BYTES = 32768
"""Weights larger than this are walked to and fro; first-level caches hold 32 to 48 KiB."""

GATES = 4

UNROLLED = 160
"""Most multiply-adds in a row that are written out rather than looped over."""

_state_at = struct_at(STATE)
_ramp_at = struct_at(RAMP)
_RAMP_BYTES = RAMP.itemsize


class Run(NamedTuple):
    """Neighbouring columns of the matrix that meet the same squares of a batch."""

    columns: range
    squares: list[tuple[int, int]]
    """(group, first gate) of each."""
    offset: int
    """Of the weights."""


class Batch(NamedTuple):
    """Groups whose sums are in registers at the same time."""

    groups: range
    squares: list[tuple[int, int]]
    """(group, first gate) of each sum."""
    offset: int
    """Of the bias."""
    runs: list[Run]


class Layout(NamedTuple):
    """Where the weights of a stack lie, for ``inputs`` columns in front and vectors of ``lanes``.

    ``hidden`` holds the units of each layer; ``gru`` says which kind of layers they are.
    """

    gru: bool
    inputs: int
    lanes: int
    hidden: tuple[int, ...]

    @property
    def groups(self) -> int:
        """Vectors that hold one value of each unit."""
        return -(-sum(self.hidden) // self.lanes)

    @property
    def units(self) -> int:
        """Units with padding."""
        return self.groups * self.lanes

    def width(self, group: int) -> int:
        """Return the lanes for each gate in the squares of a group."""
        units = sum(self.hidden) - group * self.lanes
        width = self.lanes
        while width > 4 and width // 2 >= units:
            width //= 2
        return width

    def squares(self, group: int) -> list[tuple[int, int]]:
        """Return the squares of a group."""
        return [(group, gate) for gate in range(0, GATES, self.lanes // self.width(group))]

    @property
    def edges(self) -> list[int]:
        """First unit of each layer, and the end."""
        return list(accumulate(self.hidden, initial=0))

    @property
    def state(self) -> int:
        """Offset of 2h in the memory; 2c follows."""
        return -(-self.inputs // self.lanes) * self.lanes

    @property
    def layer_of(self) -> list[int]:
        """Layer of each unit; padding belongs to the last one."""
        layers = [k for k, hidden in enumerate(self.hidden) for _ in range(hidden)]
        return layers + [len(self.hidden) - 1] * (self.units - len(layers))

    def place(self, column: int) -> int:
        """Return the offset of a column's factor in the memory."""
        return column if column < self.inputs else self.state + column - self.inputs

    def batches(self) -> Iterator[Batch]:
        """Yield the batches; their sums take at most 3/4 of the registers."""
        count = -(-self.groups // (REGISTERS * 3 // 4 // GATES))
        offset = 0
        sources = [0, *(self.inputs + edge for edge in self.edges)]
        for first, last in pairwise(self.groups * k // count for k in range(count + 1)):
            groups = range(first, last)
            squares = [square for group in groups for square in self.squares(group)]
            batch = Batch(groups, squares, offset, [])
            offset += len(squares) * self.lanes
            # source 0 are the inputs, source k + 1 the units of layer k
            for source, columns in enumerate(map(range, sources[:-1], sources[1:])):
                squares = [square for square in batch.squares if self._connected(source, *square)]
                batch.runs.append(Run(columns, squares, offset))
                offset += len(columns) * len(squares) * self.lanes
            yield batch

    def _connected(self, source: int, group: int, gate: int) -> bool:
        """Tell whether a source has weights in a square."""
        width = self.width(group)
        layers = self.layer_of[group * self.lanes :][:width]
        before, own = source in layers, source - 1 in layers
        gates = range(gate, gate + self.lanes // width)
        if self.gru and gate >= 2:
            return (before and 2 in gates) or (own and 3 in gates)
        return before or own

    @property
    def head(self) -> int:
        """Offset of the head's weights; its bias follows them."""
        *_, batch = self.batches()
        *_, run = batch.runs
        return run.offset + len(run.columns) * len(run.squares) * self.lanes

    @property
    def head_groups(self) -> range:
        """Groups with units of the last layer."""
        return range(self.edges[-2] // self.lanes, self.groups)

    @property
    def alternates(self) -> bool:
        """Whether steps walk the weights to and fro."""
        return 4 * self.head > CACHE_BYTES


def _lstm_rows(layer: Any) -> tuple[Array, Array, Array]:
    """Return the rows of each gate for the input, for 2h, and for the bias."""
    hidden = layer.weight_hh.shape[1]
    twice = np.array([1.0, 1.0, 2.0, 1.0])[:, None]
    rows_in = np.reshape(layer.weight_ih, (GATES, hidden, -1)) * twice[:, :, None]
    rows_hidden = np.reshape(layer.weight_hh, (GATES, hidden, hidden)) * (0.5 * twice[:, :, None])
    return rows_in, rows_hidden, np.reshape(layer.bias, (GATES, hidden)) * twice


def _gru_rows(layer: Any) -> tuple[Array, Array, Array]:
    """Return the rows of each gate for the input, for 2h, and for the bias."""
    hidden = layer.weight_hh.shape[1]
    r, z, n = np.reshape(layer.weight_ih, (3, hidden, -1))
    rows_in = np.stack([r, z, 2.0 * n, np.zeros_like(n)])
    r, z, n = np.reshape(layer.weight_hh, (3, hidden, hidden))
    rows_hidden = 0.5 * np.stack([r, z, np.zeros_like(n), n])
    r, z, n = np.reshape(layer.bias_ih, (3, hidden))
    hr, hz, hn = np.reshape(layer.bias_hh, (3, hidden))
    return rows_in, rows_hidden, np.stack([r + hr, z + hz, 2.0 * n, hn])


def pack(
    layout: Layout, layers: Sequence[Any], head_weight: Array, head_bias: float, in_gain: float
) -> Array:
    """Arrange weights in torch layout as the module's drawing shows."""
    rows = np.zeros((layout.inputs + sum(layout.hidden), GATES, layout.units), np.float32)
    bias = np.zeros((GATES, layout.units), np.float32)
    source, scale = slice(0, layout.inputs), 1.0
    for layer, (first, last) in zip(layers, pairwise(layout.edges), strict=True):
        rows_in, rows_hidden, bias[:, first:last] = (
            _gru_rows(layer) if layout.gru else _lstm_rows(layer)
        )
        rows[source, :, first:last] = scale * rows_in.transpose(2, 0, 1)
        source, scale = slice(layout.inputs + first, layout.inputs + last), 0.5
        rows[source, :, first:last] = rows_hidden.transpose(2, 0, 1)
    rows[0] *= in_gain

    def squares(rows: Array, places: list[tuple[int, int]]) -> Array:
        cut = []
        for group, gate in places:
            width, at = layout.width(group), group * layout.lanes
            square = rows[:, gate : gate + layout.lanes // width, at : at + width]
            cut.append(square.reshape(len(rows), layout.lanes))
        return np.ravel(np.stack(cut, axis=1) if cut else [])

    parts = []
    for batch in layout.batches():
        parts.append(squares(bias[None], batch.squares))
        for run in batch.runs:
            parts.append(squares(rows[run.columns.start : run.columns.stop], run.squares))
    first, last = layout.edges[-2:]
    head = np.zeros(layout.units + layout.lanes, np.float32)
    head[first:last] = 0.5 * np.ravel(head_weight)
    head[layout.units] = head_bias
    parts.append(head[layout.head_groups.start * layout.lanes :])
    return np.concatenate(parts).astype(np.float32)


def _emit_sums(
    v: Vectors, layout: Layout, batch: Batch, weights: Any, memory: Any, backward: bool
) -> dict[tuple[int, int], Any]:
    """Write the matrix-vector product of one batch; returns its sums z by (group, gate)."""
    lanes = layout.lanes
    bias = [v.load(weights, batch.offset + k * lanes) for k in range(len(batch.squares))]
    # Two FMA units of four cycles are filled by eight independent sums, and more leave them slack.
    chains = min(4, max(1, REGISTERS // 2 // len(bias)))
    zero = v.constant(0.0)
    sums = [dict.fromkeys(batch.squares, zero) for _ in range(chains)]
    sums[0] = dict(zip(batch.squares, bias, strict=True))
    for run in reversed(batch.runs) if backward else batch.runs:
        if run.squares:
            _emit_run(v, layout, run, weights, memory, sums, backward)
    return {s: v.sum([c[s] for c in sums if c[s] is not zero]) for s in batch.squares}


def _emit_run(
    v: Vectors, layout: Layout, run: Run, weights: Any, memory: Any, sums: Any, backward: bool
) -> None:
    """Add the products of neighbouring columns to the sums."""
    b, lanes = v.builder, layout.lanes
    width, count = len(run.squares), len(run.columns)
    first = layout.place(run.columns.start)
    unroll = count if count * width <= UNROLLED else 8
    turns = count // unroll
    slots = [(chain, square) for chain in sums for square in run.squares]

    def columns(start: Any, offsets: range, values: list[Any]) -> list[Any]:
        at = b.mul(start, v.index(width * lanes))
        for j in reversed(offsets) if backward else offsets:
            h = v.splat(b.load(v.element(memory, b.add(start, v.index(first + j)))))
            chain = j % len(sums) * width
            for k in range(width):
                offset = run.offset + (j * width + k) * lanes
                square = v.load(weights, b.add(at, v.index(offset)))
                values[chain + k] = v.fma(square, h, values[chain + k])
        return values

    def turn(number: Any, values: list[Any]) -> list[Any]:
        if backward:
            number = b.sub(v.index(turns - 1), number)
        return columns(b.mul(number, v.index(unroll)), range(unroll), values)

    values = [chain[square] for chain, square in slots]
    rest = range(turns * unroll, count)
    if backward:
        values = columns(v.index(0), rest, values)
    values = v.repeat(turns, values, turn)
    if not backward:
        values = columns(v.index(0), rest, values)
    for (chain, square), value in zip(slots, values, strict=True):
        chain[square] = value


def _emit_lstm(v: Vectors, u: Vectors, z: list[Any], h2: Any, c2: Any) -> list[Any]:
    """Write the gates of one group, ``v`` its squares and ``u`` its units; returns 2h and 2c."""
    b = v.builder
    ti, tf, tg, to = v.parts([v.tanh_half(square) for square in z], u.lanes)
    c = b.fmul(u.constant(0.5), c2)
    c2 = b.fadd(u.fma(ti, tg, tg), u.fma(tf, c, c))
    return [u.tanh_half(c2, b.fadd(u.constant(1.0), to)), c2]


def _emit_gru(v: Vectors, u: Vectors, z: list[Any], h2: Any) -> list[Any]:
    """Write the gates of one group, ``v`` its squares and ``u`` its units; returns 2h."""
    b = v.builder
    squares = z[: -(-len(z) // 2)]
    tr, tz = v.parts([v.tanh_half(square) for square in squares], u.lanes)[:2]
    zx, zh = v.parts(z, u.lanes)[2:]
    h = b.fmul(u.constant(0.5), h2)
    n = u.tanh_half(u.fma(tr, zh, b.fadd(zh, zx)), b.fsub(u.constant(1.0), tz))
    return [b.fadd(n, u.fma(tz, h, h))]


@intrinsic(prefer_literal=True)
def _step(
    typingctx: Any,
    key: Any,
    backward: Any,
    masked: Any,
    weights: Any,
    memory: Any,
    first: Any,
    last: Any,
) -> Any:
    """Advance ``memory`` by one step and return the head's output.

    ``key`` (gru, inputs, lanes, units of each layer), ``backward`` and ``masked`` are known when
    the caller is compiled. If masked, only the layers ``first`` to ``last`` (float32) advance.
    """
    gru, inputs, lanes, *hidden = (part.literal_value for part in key)
    layout = Layout(bool(gru), inputs, lanes, tuple(hidden))
    backwards, some = bool(backward.literal_value), bool(masked.literal_value)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        v = Vectors(builder, layout.lanes)
        weights, memory = v.pointer(args[3]), v.pointer(args[4])
        first, last = args[5:]
        parts = 1 if layout.gru else 2
        stores: list[tuple[Vectors, Any, int]] = []
        y = v.load(weights, layout.head + len(layout.head_groups) * layout.lanes)
        batches = list(layout.batches())
        for batch in reversed(batches) if backwards else batches:
            sums = _emit_sums(v, layout, batch, weights, memory, backwards)
            for group in batch.groups:
                at = group * layout.lanes
                u = Vectors(builder, layout.width(group))
                places = [layout.state + k * layout.units + at for k in range(parts)]
                z = [sums[square] for square in layout.squares(group)]
                old = [u.load(memory, place) for place in places]
                new = (_emit_gru if layout.gru else _emit_lstm)(v, u, z, *old)
                if some:
                    layers = u.values(layout.layer_of[at : at + u.lanes])
                    active = builder.and_(
                        builder.fcmp_ordered("<=", u.splat(first), layers),
                        builder.fcmp_ordered("<=", layers, u.splat(last)),
                    )
                    new = [builder.select(active, *pair) for pair in zip(new, old, strict=True)]
                stores += [(u, *pair) for pair in zip(new, places, strict=True)]
                if group in layout.head_groups:
                    row = layout.head + (group - layout.head_groups.start) * layout.lanes
                    y = v.fma(v.load(weights, row), v.widened(new[0]), y)
        # All batches have read the old h by now.
        for u, vector, place in stores:
            u.store(vector, memory, place)
        return v.total(y)

    known = (key, backward, masked)
    words = (types.int64, types.int64, types.float32, types.float32)
    return types.float32(*known, *words), codegen


@cache
def recurrent_kernel(layout: Layout, skip: bool) -> Kernel:
    """Return the kernel of one size; it is compiled once per machine, and then kept on disk.

    ``skip`` says whether the input is added to the head's output.
    """
    # Numba finds a closure on disk by the values it encloses: plain numbers, the same every time.
    key = (int(layout.gru), layout.inputs, layout.lanes, *layout.hidden)
    alternates = layout.alternates
    knobs = layout.inputs - 1
    depth = len(layout.hidden) - 1

    def recurrent(state, src, dst, frames):  # type: ignore[no-untyped-def]
        s = _state_at(address_of(state))
        weights, memory, backward = s.weights, s.memory, s.backward
        inputs = f32_at(memory)
        for k in range(knobs):
            aim(_ramp_at(s.ramps + k * _RAMP_BYTES), f32_at(s.params)[k], s.ramp_samples)
        for step in range(frames + depth):
            if step < frames:
                inputs[0] = src[step]
                for k in range(knobs):
                    inputs[1 + k] = advance(_ramp_at(s.ramps + k * _RAMP_BYTES))
            first, last = np.float32(0.0), np.float32(0.0)
            if depth > 0 and (step < depth or step >= frames):
                first, last = np.float32(max(step - frames + 1, 0)), np.float32(min(step, depth))
                if alternates and backward:
                    y = _step(key, True, True, weights, memory, first, last)
                else:
                    y = _step(key, False, True, weights, memory, first, last)
            elif alternates and backward:
                y = _step(key, True, False, weights, memory, first, last)
            else:
                y = _step(key, False, False, weights, memory, first, last)
            backward = alternates and not backward
            if step >= depth:
                dst[step - depth] = y + s.skip * src[step - depth] if skip else y
        s.backward ^= alternates and frames & 1
        return 0

    return Kernel(recurrent, STATE)


def recurrent_node(
    layers: Sequence[Any],
    head_weight: Array,
    head_bias: float,
    *,
    skip: bool = False,
    in_gain: float = 1.0,
    out_gain: float = 1.0,
    params: Array | None = None,
    rate_hz: int = 48000,
    lanes: int = LANES,
) -> Node:
    """Make the node of one or more LSTM or GRU layers with a linear head, for one channel.

    A reset returns it to the start state of the layers. Its output does not depend on how the
    signal is split into blocks, to the last bit. It agrees with exact arithmetic to about 1e-6.

    Parameters
    ----------
    layers
        All LSTM or all GRU; the sizes are free. The first one has an input for the audio, and then
        one for each knob. Of an LSTM the attributes ``weight_ih`` (4H, in), ``weight_hh`` (4H, H),
        ``bias`` (4H,), in torch layout with the gates in the order i, f, g, o, and the start state
        ``hidden`` and ``cell`` (H,); of a GRU, which starts from zero, ``weight_ih`` (3H, in),
        ``weight_hh`` (3H, H), ``bias_ih`` and ``bias_hh`` (3H,), with r, z, n.
    head_weight, head_bias
        The linear head: shape (H,), and a number.
    skip
        Whether the input is added to the output.
    in_gain, out_gain
        Factors of the audio in front of everything (but not of the knobs), and of the output.
    params
        One float32 slot for each knob, in natural units; changes are ramped over 20 ms.
    rate_hz
        Sample rate, for the ramps.
    lanes
        Values per vector: 4, 8 or 16; the default fits this machine.

    Raises
    ------
    ValueError
        The shapes do not belong together.

    Examples
    --------
    >>> zeros = np.zeros
    >>> layer = SimpleNamespace(weight_ih=zeros((24, 1)), weight_hh=zeros((24, 8)),
    ...                         bias_ih=zeros(24), bias_hh=zeros(24))
    >>> node = recurrent_node([layer], zeros(8), 0.0)
    """
    knobs = np.zeros(0, np.float32) if params is None else params
    gru = not hasattr(layers[0], "cell")
    hidden = _check(layers, gru, 1 + len(knobs), head_weight)
    layout = Layout(gru, 1 + len(knobs), lanes, tuple(hidden))
    memory = np.zeros(layout.state + (1 if gru else 2) * layout.units, np.float32)
    if not gru:
        for place, name in ((layout.state, "hidden"), (layout.state + layout.units, "cell")):
            start = np.concatenate([getattr(layer, name) for layer in layers])
            memory[place : place + len(start)] = 2.0 * start
    head = np.multiply(head_weight, out_gain), head_bias * out_gain
    return Node(
        recurrent_kernel(layout, skip),
        params=params,
        work={
            "memory": memory,
            "ramps": np.array([settled(value) for value in knobs], RAMP),
        },
        constants={"weights": pack(layout, layers, *head, in_gain)},
        skip=in_gain * out_gain,
        ramp_samples=ramp_samples(rate_hz),
    )


def _check(layers: Sequence[Any], gru: bool, inputs: int, head_weight: Array) -> list[int]:
    """Return the units of each layer if all shapes belong together."""
    gates, names = (3, ("bias_ih", "bias_hh")) if gru else (GATES, ("bias",))
    hidden: list[int] = []
    for layer in layers:
        units = layer.weight_hh.shape[-1]
        shapes: list[Any] = [np.shape(layer.weight_ih), np.shape(layer.weight_hh)]
        shapes += [np.shape(getattr(layer, name)) for name in names]
        wanted: list[Any] = [(gates * units, inputs), (gates * units, units)]
        wanted += [(gates * units,)] * len(names)
        if not gru:
            shapes += [np.shape(layer.hidden), np.shape(layer.cell)]
            wanted += [(units,)] * 2
        if units == 0 or shapes != wanted:
            kind = "a GRU" if gru else "an LSTM"
            raise ValueError(
                f"{kind} layer of {units} units and {inputs} inputs cannot have weights of the "
                f"shapes {shapes}"
            )
        hidden.append(units)
        inputs = units
    if np.size(head_weight) != inputs:
        raise ValueError(f"a head of {np.size(head_weight)} weights does not fit {inputs} units")
    return hidden
