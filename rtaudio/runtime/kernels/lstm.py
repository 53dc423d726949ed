"""LSTM: one recurrent layer with one input, and a linear head, one sample after the other.

The weights are packed when a node is made, in the order in which a step reads them. With L lanes
per vector the units are dealt into groups of L (the last one padded with zeros), and the groups
into batches whose sums fit the vector registers together. Each square is one vector, L rows:

::

    batch 0   bias     | i0 f0 g0 o0 | i1 f1 g1 o1 | ...     one such row of squares for the bias,
              input    | i0 f0 g0 o0 | i1 f1 g1 o1 | ...     one for the weight of the sample,
              column 0 | i0 f0 g0 o0 | i1 f1 g1 o1 | ...     and one for the weights of each h,
              column 1 | i0 f0 g0 o0 | i1 f1 g1 o1 | ...     padded to a multiple of the columns
              ...        ^ group 0     ^ group 1             that one turn of the loop takes
    batch 1   bias     | ...
    head      weights  | group 0 | group 1 | ...
              bias     | one vector, the value in its first lane

    memory    | 2h, all groups | 2c, all groups |

Every non-linearity is one function, t(z) = tanh(z / 2): the logistic function of z is
(1 + t(z)) / 2. What is left over are factors of two, which are exact and therefore moved into the
weights. The state is kept doubled, and a step is

::

    z  = bias + input x + columns 2h             rows of g are twice, columns half of the model's
    2c = (1 + t(zf)) c + (1 + t(zi)) t(zg)
    2h = (1 + t(zo)) t(2c)
    y  = head 2h + head bias (+ x)               the head is half of the model's

Weights that exceed the first-level cache are walked forwards and backwards by turns, so that each
step starts with what the step before has left in the cache. The sums of the two directions differ
in rounding; which one a sample takes is part of the state, so the split into blocks stays exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import intrinsic

from rtaudio.runtime.abi import Kernel, Node, state_dtype
from rtaudio.runtime.kernels.simd import LANES, REGISTERS, Vectors
from rtaudio.runtime.native import address_of, struct_at

STATE = state_dtype(("weights", "i8"), ("memory", "i8"), ("backward", "i8"))
"""``weights``, ``memory``: see the drawing; ``backward``: 1 if the next step runs backwards."""

CACHE_BYTES = 32768
"""Weights larger than this are walked to and fro; first-level caches hold 32 to 48 KiB."""

GATES = 4

_state_at = struct_at(STATE)


class Layout(NamedTuple):
    """Where the weights of a layer of ``hidden`` units lie, for vectors of ``lanes``."""

    hidden: int
    lanes: int

    @classmethod
    def of(cls, hidden: int, lanes: int = LANES) -> Layout:
        """Return the layout of a layer: a small one takes shorter vectors than it could."""
        while lanes > 4 and lanes // 2 >= hidden:
            lanes //= 2
        return cls(hidden, lanes)

    @property
    def groups(self) -> int:
        """Vectors that hold one value of each unit."""
        return -(-self.hidden // self.lanes)

    @property
    def units(self) -> int:
        """Units with padding."""
        return self.groups * self.lanes

    @property
    def unroll(self) -> int:
        """Columns per turn of the loop."""
        return min(8, self.lanes)

    @property
    def columns(self) -> int:
        """Columns with padding; never more than units."""
        return -(-self.hidden // self.unroll) * self.unroll

    def batches(self) -> Iterator[tuple[int, range]]:
        """Yield the offset and the groups of each batch; sums take at most 3/4 of the registers."""
        count = -(-self.groups // (REGISTERS * 3 // 4 // GATES))
        edges = [self.groups * k // count for k in range(count + 1)]
        for first, last in pairwise(edges):
            rows = 2 + self.columns
            yield first * rows * GATES * self.lanes, range(first, last)

    @property
    def head(self) -> int:
        """Offset of the head's weights; its bias follows them."""
        return (2 + self.columns) * GATES * self.units

    @property
    def alternates(self) -> bool:
        """Whether steps walk the weights to and fro."""
        return 4 * self.head > CACHE_BYTES


def pack(
    layout: Layout, w_ih: Any, w_hh: Any, bias: Any, head_weight: Any, head_bias: float
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Arrange weights in torch layout as the module's drawing shows."""
    hidden, gates = layout.hidden, GATES
    rows = np.zeros((2 + layout.columns, gates, layout.units), np.float32)
    rows[0, :, :hidden] = np.reshape(bias, (gates, hidden))
    rows[1, :, :hidden] = np.reshape(w_ih, (gates, hidden))
    rows[2 : 2 + hidden, :, :hidden] = np.reshape(w_hh, (gates, hidden, hidden)).transpose(2, 0, 1)
    rows[:, 2] *= 2.0
    rows[2:] *= 0.5
    squares = rows.reshape(2 + layout.columns, gates, layout.groups, layout.lanes)
    batches = [
        squares[:, :, groups].transpose(0, 2, 1, 3).ravel() for _, groups in layout.batches()
    ]
    head = np.zeros(layout.units + layout.lanes, np.float32)
    head[:hidden] = 0.5 * np.ravel(head_weight)
    head[layout.units] = head_bias
    return np.concatenate([*batches, head])


def _emit_sums(
    v: Vectors, layout: Layout, weights: Any, memory: Any, x: Any, place: Any, backward: bool
) -> list[Any]:
    """Write the matrix-vector product of one batch; returns its sums z in the order of a row."""
    offset, groups = place
    lanes, unroll = layout.lanes, layout.unroll
    width = GATES * len(groups)
    row = width * lanes
    # The loop needs about eight independent sums to fill two FMA units of four cycles.
    chains = 2 if 2 * width <= min(16, REGISTERS * 3 // 4) else 1
    b = v.builder
    start = [
        v.fma(v.load(weights, offset + row + k * lanes), x, v.load(weights, offset + k * lanes))
        for k in range(width)
    ]
    start += [v.constant(0.0)] * (width * (chains - 1))
    turns = layout.columns // unroll

    def turn(count: Any, sums: list[Any]) -> list[Any]:
        if backward:
            count = b.sub(v.index(turns - 1), count)
        column = b.mul(count, v.index(unroll))
        base = b.add(b.mul(column, v.index(row)), v.index(offset + 2 * row))
        for j in reversed(range(unroll)) if backward else range(unroll):
            h = v.splat(b.load(v.element(memory, b.add(column, v.index(j)))))
            chain = j % chains * width
            for k in range(width):
                square = v.load(weights, b.add(base, v.index(j * row + k * lanes)))
                sums[chain + k] = v.fma(square, h, sums[chain + k])
        return sums

    sums = v.repeat(turns, start, turn)
    return [v.sum(sums[k::width]) for k in range(width)]


@intrinsic(prefer_literal=True)
def _step(
    typingctx: Any, hidden: Any, lanes: Any, backward: Any, weights: Any, memory: Any, x: Any
) -> Any:
    """Advance ``memory`` by the sample ``x`` and return the head's output.

    ``hidden``, ``lanes`` and ``backward`` are known when the caller is compiled.
    """
    layout = Layout(hidden.literal_value, lanes.literal_value)
    backwards = bool(backward.literal_value)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        v = Vectors(builder, layout.lanes)
        weights, memory = v.pointer(args[3]), v.pointer(args[4])
        x = v.splat(args[5])
        h2: dict[int, Any] = {}
        c2: dict[int, Any] = {}
        batches = list(layout.batches())
        for place in reversed(batches) if backwards else batches:
            sums = _emit_sums(v, layout, weights, memory, x, place, backwards)
            for position, group in enumerate(place[1]):
                ti, tf, tg, to = (
                    v.tanh_half(z) for z in sums[GATES * position : GATES * (position + 1)]
                )
                c = builder.fmul(
                    v.constant(0.5), v.load(memory, layout.units + group * layout.lanes)
                )
                c2[group] = builder.fadd(v.fma(ti, tg, tg), v.fma(tf, c, c))
                t = v.tanh_half(c2[group])
                h2[group] = v.fma(to, t, t)
        # All batches have read the old h by now.
        y = v.load(weights, layout.head + layout.units)
        for group in range(layout.groups):
            at = group * layout.lanes
            v.store(h2[group], memory, at)
            v.store(c2[group], memory, layout.units + at)
            y = v.fma(v.load(weights, layout.head + at), h2[group], y)
        return v.total(y)

    known = (hidden, lanes, backward)
    return types.float32(*known, types.int64, types.int64, types.float32), codegen


@cache
def lstm_kernel(layout: Layout, residual: bool) -> Kernel:
    """Return the kernel of one size; it is compiled once per machine, and then kept on disk.

    ``residual`` says whether the input is added to the head's output.
    """
    # Numba finds a closure on disk by the values it encloses: plain numbers, the same every time.
    hidden, lanes = layout
    alternates = layout.alternates

    def lstm(state, src, dst, frames):  # type: ignore[no-untyped-def]
        s = _state_at(address_of(state))
        weights, memory, backward = s.weights, s.memory, s.backward
        for i in range(frames):
            x = src[i]
            if alternates and backward:
                y = _step(hidden, lanes, True, weights, memory, x)
            else:
                y = _step(hidden, lanes, False, weights, memory, x)
            backward = alternates and not backward
            dst[i] = y + x if residual else y
        s.backward = backward
        return 0

    return Kernel(lstm, STATE)


def lstm_node(
    w_ih: np.ndarray[Any, Any],
    w_hh: np.ndarray[Any, Any],
    bias: np.ndarray[Any, Any],
    head_weight: np.ndarray[Any, Any],
    head_bias: float,
    *,
    residual: bool,
    lanes: int = LANES,
) -> Node:
    """Make the node of a one-layer LSTM with a linear head, for one channel.

    It starts from, and a reset returns it to, the zero state. Its output does not depend on how
    the signal is split into blocks, to the last bit. It agrees with exact arithmetic to about 1e-6.

    Parameters
    ----------
    w_ih, w_hh, bias
        Weights in torch layout, gates in the order i, f, g, o: shapes (4H, 1), (4H, H) and (4H,);
        the bias is the sum of torch's two.
    head_weight, head_bias
        The linear head: shape (H,), and a number.
    residual
        Whether the input is added to the output.
    lanes
        Values per vector: 4, 8 or 16; the default fits this machine.

    Raises
    ------
    ValueError
        The shapes do not belong together.
    """
    w_hh = np.asarray(w_hh)
    hidden = w_hh.shape[-1]
    sizes = [np.size(a) for a in (w_ih, w_hh, bias, head_weight, head_bias)]
    if hidden == 0 or sizes != [4 * hidden, 4 * hidden * hidden, 4 * hidden, hidden, 1]:
        raise ValueError(f"an LSTM of {hidden} units cannot have weights of the sizes {sizes}")
    layout = Layout.of(hidden, lanes)
    return Node(
        lstm_kernel(layout, bool(residual)),
        work={"memory": np.zeros(2 * layout.units, np.float32)},
        constants={"weights": pack(layout, w_ih, w_hh, bias, head_weight, float(head_bias))},
    )
