"""Where the weights and the memory of a recurrent net lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np

from rtaudio.runtime.kernels.simd import REGISTERS
from rtaudio.runtime.memory import Array

CACHE_BYTES = 32768
"""Larger weights are read in alternating directions; first-level caches hold 32 to 48 KiB."""

GATES = 4

UNROLLED = 160
"""Most multiply-adds in a row that are written out rather than looped over."""


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
            # Source 0 are the inputs, source k + 1 the units of layer k.
            for source, columns in enumerate(map(range, sources[:-1], sources[1:])):
                squares = [square for square in batch.squares if self._connected(source, *square)]
                batch.runs.append(Run(columns, squares, offset))
                offset += len(columns) * len(squares) * self.lanes
            yield batch

    def _connected(self, source: int, group: int, gate: int) -> bool:
        """Return whether a source has weights in a square."""
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
        """Whether steps read the weights in alternating directions."""
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
    """Arrange weights as the drawing in :mod:`~rtaudio.runtime.kernels.recurrent.node` shows.

    Parameters
    ----------
    layout
        Sizes of the stack.
    layers
        The layers, with weights in torch's layout.
    head_weight, head_bias
        The linear head: ``[units of the last layer]``, and one number.
    in_gain
        Factor of the audio input.

    Returns
    -------
    numpy.ndarray
        float32, one-dimensional.
    """
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
