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

    size >= past + 2 chunks: the lanes after the last frame of a block hold meaningless values; they
    are overwritten before they are read, and never reach back to the past.
    It is a multiple of the chunk, so that whole chunks meet its end exactly.

One row of a table describes one ring. Rows stand in the order in which they are filled::

    array 0:  head | layer 0 | layer 1 | ... | signal handed on
    array 1:  head | ...
    output

All rows of a net share one memory, which starts with the input of the chunk, the output, and the
activations of one layer. Weights lie in the order in which they are used, [tap][input][channel]
with the newest tap first; after tanh they are doubled, as the function is tanh(z / 2).

A frame takes the same operations in the same order wherever it stands in a block. The output
does not depend on how the signal is split into blocks, to the last bit.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from rtaudio.runtime.abi import Kernel, Node, state_dtype
from rtaudio.runtime.kernels.simd import LANES
from rtaudio.runtime.kernels.wavenet.emit import VECTORS, _chunk
from rtaudio.runtime.kernels.wavenet.plan import _POSITION, _SIZE, _WORDS, Row, _plan
from rtaudio.runtime.words import address_of, f32_at, i64_at, struct_at

STATE = state_dtype(("rows", "i8"), ("memory", "i8"), ("weights", "i8"), ("row_count", "i8"))
"""``rows`` int64 [row_count][8], see ``Row``; ``memory`` and ``weights`` float32."""

_state_at = struct_at(STATE)


@cache
def wavenet_kernel(plan: str, lanes: int) -> Kernel:
    """Return the kernel of one shape; it is compiled once per machine, and then kept on disk.

    ``plan`` is a tuple of `ArrayPlan` as text, the only form of it that numba knows as a constant.
    """
    limit = VECTORS * lanes

    def wavenet(state, src, dst, frames):
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


def wavenet_node(net: Any, *, lanes: int = LANES) -> Node:
    """Make the node of a plain WaveNet, for one channel; all convolutions start from zeros.

    Its output does not depend on how the signal is split into blocks, to the last bit. It agrees
    with exact arithmetic to about 1e-6 of full scale.

    Parameters
    ----------
    net
        Anything with the attributes of `rtaudio.models.net.types.WaveNet`: arrays of layers without
        gates, FiLM, groups, bottleneck and head of their own, one activation in each array (one of
        ``ACTIVATIONS``), no layers after the head and no condition net.
    lanes
        Values per vector: 4, 8 or 16; the default fits this machine.

    Raises
    ------
    ValueError
        The net is not a plain one; the text says why.

    Examples
    --------
    >>> node = wavenet_node(read_foreign("amp.nam").net)    # doctest: +SKIP
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
