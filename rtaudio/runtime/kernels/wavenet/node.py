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
with the newest tap first; before a tanh they are doubled, as the function is tanh(z / 2).

A frame takes the same operations in the same order wherever it stands in a block. The output
does not depend on how the signal is split into blocks, to the last bit.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from rtaudio.runtime.abi import Kernel, Node, state_dtype
from rtaudio.runtime.kernels.simd import LANES
from rtaudio.runtime.kernels.wavenet.emit import VECTORS, run_chunk
from rtaudio.runtime.kernels.wavenet.plan import POSITION, SIZE, WORDS, ArrayPlan, Row, plan_of
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
                run_chunk(plan, lanes, 4, rows, memory, weights)
            elif count > lanes:
                run_chunk(plan, lanes, 2, rows, memory, weights)
            else:
                run_chunk(plan, lanes, 1, rows, memory, weights)
            for i in range(count):
                dst[done + i] = y[i]
            for row in range(0, WORDS * s.row_count, WORDS):
                size = table[row + SIZE]
                if size:
                    position = table[row + POSITION] + count
                    table[row + POSITION] = position - size if position >= size else position
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


class _Layout:
    """Rows, weights and memory of a net while they are laid out."""

    def __init__(self, plan: list[ArrayPlan], limit: int) -> None:
        self.limit = limit  # frames of the largest chunk
        self.rows: list[Row] = []
        self.weights: list[np.ndarray[Any, Any]] = []
        self.used = limit * (2 + max(array.channels for array in plan))

    def pack(self, *parts: np.ndarray[Any, Any]) -> int:
        """Append weights; returns the place of the first."""
        place = sum(part.size for part in self.weights)
        self.weights.extend(parts)
        return place

    def row(self, channels: int, past: int | None = None, **fields: int) -> None:
        """Append a row with its memory; ``past`` is the length of the ring, None: no ring."""
        size = 0 if past is None else (-(-past // self.limit) + 2) * self.limit
        stride = size + 2 * self.limit
        stride += 16 * (stride // 16 % 2 == 0)  # channels do not crowd the same cache lines
        self.rows.append(Row(self.used, stride, size, **fields))
        self.used += channels * stride

    def array(self, shape: ArrayPlan, array: Any, scale: float) -> None:
        """Append the rows of an array; ``scale`` is a factor of its head."""
        self.row(
            shape.channels,
            shape.head_taps - 1 if shape.head_taps > 1 else None,
            taps=shape.head_taps,
            dilation=1,
            weights=self.pack(
                _bias(array.rechannel),
                _matrix(array.rechannel),
                _bias(array.head, scale),
                _matrix(array.head, scale),
            ),
        )
        for layer in array.layers:
            self.layer(shape, layer)
        self.row(shape.channels)

    def layer(self, shape: ArrayPlan, layer: Any) -> None:
        """Append the row of a layer."""
        gain = 2.0 if shape.activation == "tanh" else 1.0
        taps = layer.conv.weight.shape[2]
        square = np.zeros((shape.channels, shape.channels), np.float32)
        out = [square[0], square] if layer.out is None else [_bias(layer.out), _matrix(layer.out)]
        self.row(
            shape.channels,
            (taps - 1) * layer.conv.dilation,
            taps=taps,
            dilation=layer.conv.dilation,
            weights=self.pack(
                _bias(layer.conv, gain) + _bias(layer.mixer, gain),
                _matrix(layer.mixer, gain),
                *out,
                _matrix(layer.conv, gain),
            ),
        )


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
    >>> from rtaudio.models.net.types import Activation, Conv, WaveNet, WaveNetArray, WaveNetLayer
    >>> one = Conv(np.ones((1, 1, 1), np.float32))
    >>> layer = WaveNetLayer(one, one, Activation("tanh"), out=None)
    >>> node = wavenet_node(WaveNet((WaveNetArray(one, (layer,), one),), head_scale=0.5))
    """
    plan = plan_of(net)
    limit = VECTORS * lanes
    layout = _Layout(plan, limit)
    for shape, array in zip(plan, net.arrays, strict=True):
        layout.array(shape, array, net.head_scale if array is net.arrays[-1] else 1.0)
    layout.rows.append(Row(limit, limit))
    return Node(
        wavenet_kernel(str(tuple(tuple(array) for array in plan)), lanes),
        work={
            "rows": np.array(layout.rows, np.int64),
            "memory": np.zeros(layout.used, np.float32),
        },
        constants={"weights": np.concatenate([np.ravel(part) for part in layout.weights])},
        row_count=len(layout.rows),
    )
