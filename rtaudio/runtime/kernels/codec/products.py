"""Products with large constant matrices, whose cost is the reading of the matrices.

A net of this kind is read once per frame, which is far more than the caches near a core hold. So
matrices are kept in half precision where that loses nothing, in the order in which they are read,
and all vectors that meet a matrix are multiplied while it passes by::

    matrix [rows][columns]  ->  [tile of columns][row][column in the tile]

    y[vector][column] = start[column] + sum over rows of x[vector][row] * matrix[row][column]

A tile of sums stays in registers while the rows go by. Columns are padded to whole tiles and rows
to whole turns of the loop, with zeros.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from rtaudio.runtime.jit import helper
from rtaudio.runtime.kernels.simd import LANES, REGISTERS, Vectors
from rtaudio.runtime.memory import Array, Floats, aligned

TILE = 4 if REGISTERS == 32 else 2
"""Vectors of a tile: four vectors of sums, times four inputs, fit the registers."""

COLUMNS = TILE * LANES
"""Columns of a tile."""

ROWS = 4
"""Rows of a turn of the loop."""

VECTORS = 4
"""Most vectors that meet a matrix at once."""

CHAINS = 8
"""Vectors of sums that keep two multipliers of four cycles busy."""

AHEAD = 4096
"""Bytes by which weights are fetched ahead; more than a page, where the machine stops by itself."""

HAS_HALF = bool(llvm.get_host_cpu_features().get("f16c")) or llvm.get_process_triple().startswith(
    ("aarch64", "arm64")
)
"""Whether this machine converts half precision; where not, all matrices are float32."""

_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_WORD = types.int64


class Matrix(NamedTuple):
    """A packed matrix: float16 or float32, one-dimensional, and its padded sizes."""

    weights: Array
    rows: int
    columns: int


def padded(size: int, to: int) -> int:
    """Return the size of whole pieces.

    Parameters
    ----------
    size
        Values.
    to
        Values of a piece.
    """
    return -(-size // to) * to


def fits_half(*matrices: Floats) -> bool:
    """Return whether float16 keeps every value, on a machine that converts it."""
    with np.errstate(over="ignore"):
        return HAS_HALF and all(
            np.array_equal(m.astype(np.float16).astype(np.float32), m) for m in matrices
        )


def pack(matrix: Floats, *, half: bool) -> Matrix:
    """Pack a matrix for `multiply`.

    Parameters
    ----------
    matrix
        float32 ``[rows, columns]``.
    half
        Keep it as float16.
    """
    rows, columns = padded(matrix.shape[0], ROWS), padded(matrix.shape[1], COLUMNS)
    whole = np.zeros((rows, columns), np.float16 if half else np.float32)
    whole[: matrix.shape[0], : matrix.shape[1]] = matrix
    tiles = whole.reshape(rows, -1, COLUMNS).swapaxes(0, 1)
    return Matrix(tiles.reshape(-1), rows, columns)


def joined(parts: list[Array], dtype: Any) -> Array:
    """Return arrays in a row in aligned memory.

    Parameters
    ----------
    parts
        The arrays.
    dtype
        Type of the result, which keeps their values.
    """
    flat = [np.ravel(part) for part in parts]
    whole = aligned(sum(part.size for part in flat), dtype)
    np.concatenate(flat, out=whole)
    return whole


def merged(parts: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Return the arguments of a node that is made of parts: the arrays by kind, and the fields."""
    kinds = ("uncopied", "constants", "work")
    together: dict[str, Any] = {
        kind: {name: array for part in parts for name, array in part.get(kind, {}).items()}
        for kind in kinds
    }
    for part in parts:
        together |= part["fields"]
    return together


def _load_weights(v: Vectors, half: bool, address: Any) -> list[Any]:
    """Load one row of a tile and convert it to float32."""
    b = v.builder
    element = ir.HalfType() if half else ir.FloatType()
    kind, size = ir.VectorType(element, v.lanes), v.lanes * (2 if half else 4)
    loaded = [
        b.load(b.inttoptr(b.add(address, v.index(k * size)), kind.as_pointer()), align=size)
        for k in range(TILE)
    ]
    return [b.fpext(vector, v.type) for vector in loaded] if half else loaded


def _prefetch(v: Vectors, address: Any, size: int) -> None:
    """Fetch the cache lines of ``size`` bytes, far ahead of an address."""
    b = v.builder
    pointer = _I8.as_pointer()
    name = "llvm.prefetch.p0"
    kind = ir.FunctionType(ir.VoidType(), [pointer, _I32, _I32, _I32])
    function = b.module.globals.get(name) or ir.Function(b.module, kind, name)
    for line in range(0, size, 64):
        place = b.inttoptr(b.add(address, v.index(AHEAD + line)), pointer)
        b.call(function, [place, _I32(0), _I32(3), _I32(1)])


@intrinsic(prefer_literal=True)
def _multiply(
    typingctx: Any,
    half: Any,
    vectors: Any,
    weights: Any,
    x: Any,
    x_stride: Any,
    start: Any,
    y: Any,
    y_stride: Any,
    rows: Any,
    tiles: Any,
) -> Any:
    """Multiply ``vectors`` vectors with a packed matrix; see `multiply`."""
    is_half, count = bool(half.literal_value), vectors.literal_value
    row_bytes = COLUMNS * (2 if is_half else 4)
    chains = min(ROWS, max(1, CHAINS // (TILE * count)))

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        v = Vectors(builder, LANES)
        b = builder
        weights, x, x_stride, start, y, y_stride, rows, tiles = args[2:]
        inputs = [v.pointer(b.add(x, b.mul(x_stride, v.index(4 * c)))) for c in range(count)]
        outputs = [v.pointer(b.add(y, b.mul(y_stride, v.index(4 * c)))) for c in range(count)]
        starts = v.pointer(start)
        turns = b.sdiv(rows, v.index(ROWS))
        slots = [(c, k) for c in range(count) for k in range(TILE)]

        def turn(number: Any, state: list[Any]) -> list[Any]:
            address, *sums = state
            first = b.mul(number, v.index(ROWS))
            for row in range(ROWS):
                at = b.add(address, v.index(row * row_bytes))
                _prefetch(v, at, row_bytes)
                matrix = _load_weights(v, is_half, at)
                place = b.add(first, v.index(row))
                chain = row % chains * len(slots)
                for c in range(count):
                    value = v.splat(b.load(v.element(inputs[c], place)))
                    for k in range(TILE):
                        slot = chain + c * TILE + k
                        sums[slot] = v.fma(matrix[k], value, sums[slot])
            return [b.add(address, v.index(ROWS * row_bytes)), *sums]

        def tile(number: Any, state: list[Any]) -> list[Any]:
            column = b.mul(number, v.index(COLUMNS))
            places = [b.add(column, v.index(k * LANES)) for k in range(TILE)]
            sums = [v.load(starts, places[k]) for _, k in slots]
            sums += [v.constant(0.0)] * (len(slots) * (chains - 1))
            address, *sums = v.repeat(turns, [state[0], *sums], turn)
            for slot, (c, k) in enumerate(slots):
                v.store(v.sum(sums[slot :: len(slots)]), outputs[c], places[k])
            return [address]

        v.repeat(tiles, [weights], tile)
        return context.get_dummy_value()

    return types.void(half, vectors, *[_WORD] * 8), codegen


@helper
def multiply(wide, weights, x, start, y, rows, columns):
    """Multiply a vector with a packed matrix; all arguments but the sizes are addresses.

    ``wide`` is 2 or 4, the bytes of a weight. ``start`` may be ``y``. Returns the address after
    the matrix.
    """
    if wide == 2:
        _multiply(1, 1, weights, x, 0, start, y, 0, rows, columns // COLUMNS)
    else:
        _multiply(0, 1, weights, x, 0, start, y, 0, rows, columns // COLUMNS)
    return weights + wide * rows * columns


@helper
def multiply_four(wide, weights, x, x_stride, start, y, y_stride, rows, columns):
    """Multiply four vectors, ``x_stride`` apart, as `multiply` does with one."""
    if wide == 2:
        _multiply(1, VECTORS, weights, x, x_stride, start, y, y_stride, rows, columns // COLUMNS)
    else:
        _multiply(0, VECTORS, weights, x, x_stride, start, y, y_stride, rows, columns // COLUMNS)


@intrinsic(prefer_literal=True)
def _weight(typingctx: Any, half: Any, address: Any) -> Any:
    """Load one weight as float32."""
    element = ir.HalfType() if half.literal_value else ir.FloatType()

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value = builder.load(builder.inttoptr(args[1], element.as_pointer()))
        return builder.fpext(value, ir.FloatType()) if half.literal_value else value

    return types.float32(half, _WORD), codegen


@helper
def weight_at(wide, weights, place):
    """Return the weight at a place of an array of weights."""
    if wide == 2:
        return _weight(1, weights + 2 * place)
    return _weight(0, weights + 4 * place)
