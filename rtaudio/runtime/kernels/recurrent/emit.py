"""The machine code of one step of a recurrent net."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic

from rtaudio.runtime.kernels.recurrent.layout import UNROLLED, Batch, Layout, Run
from rtaudio.runtime.kernels.simd import REGISTERS, Vectors


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
def run_step(
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
