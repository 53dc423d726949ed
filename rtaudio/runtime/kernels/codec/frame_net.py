"""A net over frames: causal residual blocks between two matrices, with a linear path beside them.

::

    x --+-- inputs --> inner --+-- norm -> [past, now] -> up -> silu -> down --> + --> ... blocks
        |                      +------------------------------------------------^
        +-- outputs of [norm of inner, x] --> made

Matrices lie in the order of their use (inputs, up and down of each block, outputs), so do the
vectors (biases of a matrix after the weights and biases of its norm). The linear path has become
columns of the last matrix. Sizes are padded to whole tiles; the padding of a vector is zero.

Block n keeps its last ``dilations[n]`` normalised frames in a ring. What the net computes depends
on no frame further back than the sum of the dilations: no fault of a frame lasts longer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rtaudio.runtime.jit import helper
from rtaudio.runtime.kernels.codec.products import (
    COLUMNS,
    ROWS,
    fits_half,
    joined,
    multiply,
    pack,
    padded,
)
from rtaudio.runtime.kernels.codec.vectors import layer_norm, silu
from rtaudio.runtime.memory import Floats
from rtaudio.runtime.words import copy_bytes, f32_at, i64_at

FIELDS: tuple[tuple[str, str], ...] = (
    ("wide", "i8"),
    ("matrices", "i8"),
    ("vectors", "i8"),
    ("blocks", "i8"),
    ("dilations", "i8"),
    ("rings", "i8"),
    ("frame", "i8"),
    ("net_inputs", "i8"),
    ("width", "i8"),
    ("padded_inputs", "i8"),
    ("padded_width", "i8"),
    ("padded_hidden", "i8"),
    ("padded_outputs", "i8"),
    ("x", "i8"),
    ("inner", "i8"),
    ("pair", "i8"),
    ("hidden", "i8"),
    ("made", "i8"),
)
"""Fields of the state of whatever holds a net. ``wide`` are the bytes of a weight; ``frame`` counts
frames; ``x`` holds the normalised vector, then the input (``padded_width`` values in)."""


def net_parts(net: Any) -> dict[str, dict[str, Any]]:
    """Return the weights, the work memory and the sizes of a net, by kind.

    Parameters
    ----------
    net
        Anything with the attributes of `rtaudio.models.net.codec.FrameNet`.
    """
    inputs, width = net.inputs.weight.shape[1], net.inputs.weight.shape[0]
    hidden, outputs = net.blocks[0].up.weight.shape[0], net.outputs.weight.shape[0]
    wide_width = padded(width, COLUMNS)
    matrices: list[Floats] = [net.inputs.weight.T]
    vectors = [_filled(net.inputs.bias, wide_width)]
    for block in net.blocks:
        up = np.zeros((2 * wide_width, hidden), np.float32)
        up[:width] = block.up.weight[:, :width].T
        up[wide_width : wide_width + width] = block.up.weight[:, width:].T
        down = np.zeros((padded(hidden, COLUMNS), width), np.float32)
        down[:hidden] = block.down.weight.T
        matrices += [up, down]
        vectors += [
            _filled(block.norm.weight, wide_width),
            _filled(block.norm.bias, wide_width),
            _filled(block.up.bias, padded(hidden, COLUMNS)),
            _filled(block.down.bias, wide_width),
        ]
    last = np.zeros((wide_width + inputs, outputs), np.float32)
    last[:width], last[wide_width:] = net.outputs.weight.T, net.skip.weight.T
    matrices.append(last)
    vectors += [
        _filled(net.norm.weight, wide_width),
        _filled(net.norm.bias, wide_width),
        _filled(net.outputs.bias + net.skip.bias, padded(outputs, COLUMNS)),
    ]
    half = fits_half(*matrices)
    dilations = np.array([block.dilation for block in net.blocks], np.int64)
    sizes = {
        "padded_inputs": padded(inputs, ROWS),
        "padded_width": wide_width,
        "padded_hidden": padded(hidden, COLUMNS),
        "padded_outputs": padded(outputs, COLUMNS),
    }
    return {
        "uncopied": {
            "matrices": joined(
                [pack(m, half=half).weights for m in matrices], np.float16 if half else np.float32
            ),
            "vectors": joined(vectors, np.float32),
        },
        "constants": {"dilations": dilations},
        "work": {
            "rings": np.zeros(int(dilations.sum()) * wide_width, np.float32),
            "x": np.zeros(wide_width + sizes["padded_inputs"], np.float32),
            "inner": np.zeros(wide_width, np.float32),
            "pair": np.zeros(2 * wide_width, np.float32),
            "hidden": np.zeros(sizes["padded_hidden"], np.float32),
            "made": np.zeros(sizes["padded_outputs"], np.float32),
        },
        "fields": {
            "wide": 2 if half else 4,
            "blocks": len(net.blocks),
            "net_inputs": inputs,
            "width": width,
            **sizes,
        },
    }


def _filled(vector: Floats, size: int) -> Floats:
    """Return a vector with zeros after its values."""
    whole = np.zeros(size, np.float32)
    whole[: vector.size] = vector
    return whole


@helper
def run_net(s):
    """Run the net on the frame in ``x``; the result is in ``made``."""
    wide, width, hidden = s.wide, s.padded_width, s.padded_hidden
    matrix, vector = s.matrices, s.vectors
    entered = s.x + 4 * width
    matrix = multiply(wide, matrix, entered, vector, s.inner, s.padded_inputs, width)
    vector += 4 * width
    ring, dilations = s.rings, i64_at(s.dilations)
    inner, now = f32_at(s.inner), s.pair + 4 * width
    for block in range(s.blocks):
        past = ring + 4 * width * (s.frame % dilations[block])
        copy_bytes(s.pair, past, 4 * width)
        layer_norm(s.inner, vector, now, s.width, width)
        copy_bytes(past, now, 4 * width)
        vector += 8 * width
        matrix = multiply(wide, matrix, s.pair, vector, s.hidden, 2 * width, hidden)
        silu(s.hidden, hidden)
        vector += 4 * hidden
        bias = f32_at(vector)
        for i in range(width):
            inner[i] += bias[i]
        matrix = multiply(wide, matrix, s.hidden, s.inner, s.inner, hidden, width)
        vector += 4 * width
        ring += 4 * width * dilations[block]
    layer_norm(s.inner, vector, s.x, s.width, width)
    vector += 8 * width
    multiply(wide, matrix, s.x, vector, s.made, width + s.padded_inputs, s.padded_outputs)
    s.frame += 1
