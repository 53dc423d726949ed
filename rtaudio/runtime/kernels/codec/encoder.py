r"""The encoder of the neural codec: a frame of audio to its codes.

::

    audio --> transform --> log levels of the bands --> axes --> prediction --> books --> codes
                       \-> shape, levels compressed --> net --> books, four candidates --> codes

Codes leave the node as float32, which holds each of them exactly. What is not a number in the
audio makes codes of no meaning while the net remembers it, and none after that: the predicted
levels are sums of entries, and so always finite.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rtaudio.runtime.abi import Node, kernel, state_dtype
from rtaudio.runtime.jit import helper
from rtaudio.runtime.kernels.codec import frame_net, transform
from rtaudio.runtime.kernels.codec.frame_net import net_parts, run_net
from rtaudio.runtime.kernels.codec.products import COLUMNS, merged, padded
from rtaudio.runtime.kernels.codec.search import (
    CANDIDATES,
    entry_value,
    packed_books,
    search,
    search_work,
)
from rtaudio.runtime.kernels.codec.transform import cosine_transform, folded, transform_parts
from rtaudio.runtime.memory import Array
from rtaudio.runtime.words import address_of, copy_bytes, f32_at, i64_at, struct_at

LEAST_POWER = 1e-9
"""Added to the mean power of a band."""

STATE = state_dtype(
    *transform.FIELDS,
    *frame_net.FIELDS,
    ("bands", "i8"),
    ("band_count", "i8"),
    ("compression", "f8"),
    ("shape_gain", "f4"),
    ("level_axes", "i8"),
    ("level_mean", "i8"),
    ("level_factor", "i8"),
    ("level_dims", "i8"),
    ("level_wide", "i8"),
    ("level_books", "i8"),
    ("level_offsets", "i8"),
    ("shape_dims", "i8"),
    ("shape_wide", "i8"),
    ("shape_books", "i8"),
    ("shape_offsets", "i8"),
    ("books", "i8"),
    ("least_books", "i8"),
    ("columns", "i8"),
    ("seen", "i8"),
    ("spectrum", "i8"),
    ("levels", "i8"),
    ("rests", "i8"),
    ("scores", "i8"),
    ("values", "i8"),
    ("found", "i8"),
    ("entries", "i8"),
    ("parents", "i8"),
    ("chosen", "i8"),
)
"""``seen`` are the last ``overlap`` samples and the frame; ``levels`` the decoder's last ones."""

_state_at = struct_at(STATE)


@helper
def _features(s):
    """Turn the coefficients in ``spectrum`` into shape and log levels, the input of the net."""
    spectrum, x = f32_at(s.spectrum), f32_at(s.x + 4 * s.padded_width)
    mean, sizes = f32_at(s.level_mean), i64_at(s.bands)
    at = 0
    for band in range(s.band_count):
        size = sizes[band]
        power = 0.0
        for i in range(at, at + size):
            power += np.float64(spectrum[i]) * np.float64(spectrum[i])
        level = 0.5 * math.log(power / size + LEAST_POWER)
        gain = np.float32(math.exp((s.compression - 1.0) * level) * s.shape_gain)
        for i in range(at, at + size):
            x[i] = gain * spectrum[i]
        x[s.hop + band] = np.float32(level) - mean[band]
        at += size


@helper
def _encode_levels(s, codes):
    """Quantise the error of the predicted levels; the first codes are written."""
    levels, axes = f32_at(s.x + 4 * (s.padded_width + s.hop)), f32_at(s.level_axes)
    last, factor, rest = f32_at(s.levels), f32_at(s.level_factor), f32_at(s.rests)
    dims, chosen, wide = s.level_dims, i64_at(s.chosen), s.level_wide
    for i in range(dims):
        level = 0.0
        for band in range(s.band_count):
            level += np.float64(levels[band]) * np.float64(axes[band * dims + i])
        last[i] *= factor[i]
        rest[i] = np.float32(level) - last[i]
    search(s, wide, s.level_books, s.level_offsets, dims, s.least_books, 1)
    for number in range(s.least_books):
        codes[number] = chosen[number]
        for i in range(dims):
            last[i] += entry_value(s, wide, s.level_books, dims, number, chosen[number], i)


@kernel(STATE)
def encode(state, src, dst, frames):
    """Encode one frame: ``hop`` samples in, ``books`` codes out, -1 for those not sent."""
    s = _state_at(address_of(state))
    hop, overlap = s.hop, s.overlap
    copy_bytes(s.seen + 4 * overlap, address_of(src), 4 * hop)
    folded(s, s.seen, s.spectrum)
    copy_bytes(s.seen, s.seen + 4 * hop, 4 * overlap)
    cosine_transform(s, s.spectrum)
    _features(s)
    _encode_levels(s, dst)
    run_net(s)
    made, rest, chosen = f32_at(s.made), f32_at(s.rests), i64_at(s.chosen)
    for i in range(s.shape_dims):
        rest[i] = made[i]
    sent = int(min(max(np.rint(f32_at(s.params)[0]), s.least_books), s.books))
    depth = sent - s.least_books
    search(s, s.shape_wide, s.shape_books, s.shape_offsets, s.shape_dims, depth, CANDIDATES)
    for number in range(depth):
        dst[s.least_books + number] = chosen[number]
    for number in range(sent, s.books):
        dst[number] = -1.0
    return 0


class PackedEncoder:
    """The weights of an encoder as its kernel reads them; any number of nodes share them.

    Parameters
    ----------
    net
        Anything with the attributes of `rtaudio.models.net.codec.CodecEncoder`.
    """

    def __init__(self, net: Any) -> None:
        self.books, self.hop = len(net.level_books) + len(net.shape_books), net.hop
        level_books, level_offsets = packed_books(net.level_books)
        shape_books, shape_offsets = packed_books(net.shape_books)
        most = max(len(net.level_books), len(net.shape_books))
        dims = max(net.level_books.shape[2], net.shape_books.shape[2])
        parts = [
            net_parts(net.net),
            transform_parts(net.hop, net.overlap, inverse=False),
            {
                "uncopied": {
                    "level_books": level_books,
                    "level_offsets": level_offsets,
                    "shape_books": shape_books,
                    "shape_offsets": shape_offsets,
                },
                "constants": {
                    "bands": np.array(net.bands, np.int64),
                    "level_axes": net.level_axes,
                    "level_mean": net.level_mean,
                    "level_factor": net.level_factor,
                },
                "work": {
                    "seen": np.zeros(net.overlap + net.hop, np.float32),
                    "spectrum": np.zeros(net.hop, np.float32),
                    "levels": np.zeros(net.level_books.shape[2], np.float32),
                    **search_work(most, dims, net.level_books.shape[1]),
                },
                "fields": {
                    "band_count": len(net.bands),
                    "compression": net.compression,
                    "shape_gain": net.shape_gain,
                    "level_dims": net.level_books.shape[2],
                    "level_wide": level_books.itemsize,
                    "shape_dims": net.shape_books.shape[2],
                    "shape_wide": shape_books.itemsize,
                    "books": self.books,
                    "least_books": len(net.level_books),
                    "columns": padded(net.level_books.shape[1], COLUMNS),
                },
            },
        ]
        self._parts = merged(parts)

    def node(self, params: Array) -> Node:
        """Make a node at the start of a stream: calls of one hop in, one frame of codes out.

        Parameters
        ----------
        params
            Float32 slot: the number of books to send.
        """
        return Node(encode, params=params, channels=1, **self._parts)
