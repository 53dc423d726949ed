"""The decoder of the neural codec: the codes of a frame to audio.

::

    codes --> levels: prediction + entries --+--> net --+--> fine structure, unit level per band
          --> shape: sum of entries ---------+          +--> log levels    x --> transform --> audio

Codes enter the node as float32. A code below zero is a book that was not sent, a frame of only
those is a lost one: the levels follow their prediction, and the shape is zero. A code above the
last entry is the last entry.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rtaudio.runtime.abi import Node, kernel, state_dtype
from rtaudio.runtime.jit import helper
from rtaudio.runtime.kernels.codec import frame_net, transform
from rtaudio.runtime.kernels.codec.frame_net import net_parts, run_net
from rtaudio.runtime.kernels.codec.products import fits_half, joined, merged, weight_at
from rtaudio.runtime.kernels.codec.transform import cosine_transform, transform_parts, unfolded
from rtaudio.runtime.memory import Array, Floats
from rtaudio.runtime.words import address_of, f32_at, i64_at, struct_at

LEAST_LOG, MOST_LOG = -12.0, 4.0
"""Range of decoded levels, natural logarithms."""

LEAST_SQUARE = 1e-6
"""Added to the mean square of the fine structure of a band."""

STATE = state_dtype(
    *transform.FIELDS,
    *frame_net.FIELDS,
    ("bands", "i8"),
    ("band_count", "i8"),
    ("level_mean", "i8"),
    ("level_factor", "i8"),
    ("level_dims", "i8"),
    ("level_wide", "i8"),
    ("level_books", "i8"),
    ("shape_dims", "i8"),
    ("shape_wide", "i8"),
    ("shape_books", "i8"),
    ("books", "i8"),
    ("least_books", "i8"),
    ("last_entry", "i8"),
    ("levels", "i8"),
    ("tail", "i8"),
)
"""``levels`` are the last ones, ``tail`` the unfinished samples of the last frame."""

_state_at = struct_at(STATE)


@helper
def _add_entry(s, wide, books, dims, number, code, values):
    """Add the entry of a code of a book, unless the code was not sent."""
    if code < 0.0:
        return
    entry = min(int(code), s.last_entry)
    first = (number * (s.last_entry + 1) + entry) * dims
    for i in range(dims):
        values[i] += weight_at(wide, books, first + i)


@helper
def _dequantise(s, codes):
    """Make the input of the net, the levels and the shape."""
    x = f32_at(s.x + 4 * s.padded_width)
    shape = f32_at(s.x + 4 * (s.padded_width + s.level_dims))
    last, factor = f32_at(s.levels), f32_at(s.level_factor)
    for i in range(s.level_dims):
        last[i] *= factor[i]
    for i in range(s.shape_dims):
        shape[i] = 0.0
    for number in range(s.least_books):
        _add_entry(s, s.level_wide, s.level_books, s.level_dims, number, codes[number], last)
    for number in range(s.books - s.least_books):
        code = codes[s.least_books + number]
        _add_entry(s, s.shape_wide, s.shape_books, s.shape_dims, number, code, shape)
    for i in range(s.level_dims):
        x[i] = last[i]


@helper
def _apply_levels(s):
    """Give every band of the fine structure, in ``made``, its level."""
    made, mean, sizes = f32_at(s.made), f32_at(s.level_mean), i64_at(s.bands)
    at = 0
    for band in range(s.band_count):
        size = sizes[band]
        power = 0.0
        for i in range(at, at + size):
            power += np.float64(made[i]) * np.float64(made[i])
        level = made[s.hop + band] + mean[band]
        gain = math.exp(min(max(level, LEAST_LOG), MOST_LOG))
        factor = np.float32(gain / math.sqrt(power / size + LEAST_SQUARE))
        for i in range(at, at + size):
            made[i] *= factor
        at += size


@kernel(STATE)
def decode(state, src, dst, frames):
    """Decode one frame: ``books`` codes in, ``hop`` samples out."""
    s = _state_at(address_of(state))
    _dequantise(s, src)
    run_net(s)
    _apply_levels(s)
    cosine_transform(s, s.made)
    unfolded(s, s.made, s.tail, address_of(dst))
    return 0


def _rows(books: Floats) -> Array:
    """Return float32 ``[books, entries, dims]`` as they lie, float16 where that keeps them."""
    return joined([books], np.float16 if fits_half(books) else np.float32)


class PackedDecoder:
    """The weights of a decoder as its kernel reads them; any number of nodes share them.

    Parameters
    ----------
    net
        Anything with the attributes of `rtaudio.models.net.codec.CodecDecoder`.
    """

    def __init__(self, net: Any) -> None:
        self.books, self.hop = len(net.level_books) + len(net.shape_books), net.hop
        level_books, shape_books = _rows(net.level_books), _rows(net.shape_books)
        own = {
            "uncopied": {"level_books": level_books, "shape_books": shape_books},
            "constants": {
                "bands": np.array(net.bands, np.int64),
                "level_mean": net.level_mean,
                "level_factor": net.level_factor,
            },
            "work": {
                "levels": np.zeros(net.level_books.shape[2], np.float32),
                "tail": np.zeros(net.overlap, np.float32),
            },
            "fields": {
                "band_count": len(net.bands),
                "level_dims": net.level_books.shape[2],
                "level_wide": level_books.itemsize,
                "shape_dims": net.shape_books.shape[2],
                "shape_wide": shape_books.itemsize,
                "books": self.books,
                "least_books": len(net.level_books),
                "last_entry": net.level_books.shape[1] - 1,
            },
        }
        transform_ = transform_parts(net.hop, net.overlap, inverse=True)
        self._parts = merged([net_parts(net.net), transform_, own])

    def node(self) -> Node:
        """Make a node at the start of a stream: calls of one frame of codes in, one hop out."""
        return Node(decode, channels=1, **self._parts)
