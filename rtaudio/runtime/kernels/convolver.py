"""Convolution with a fixed response, without latency (Gardner, 1995; one partition size).

::

    response  | head: 128 taps | tail 0: 128 taps | tail 1 | ... | tail T-1 |
                direct, per sample      spectra, multiplied per segment of 128 samples

    segment   |----- k - 1 -----|------ k ------|---- k + 1 ----|
                                                ^ transform of [k - 1, k], times tail 0, added to
                                  the products of tails 1 .. T-1 with older spectra, which were
                                  spread over segment k; transformed back: the tail's part of k + 1

Segments are counted from the start of the stream, not of the block: the result does not depend on
the block size, and a call of few frames does few of the products.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rtaudio.runtime.abi import Node, kernel, state_dtype
from rtaudio.runtime.jit import helper
from rtaudio.runtime.kernels import fft
from rtaudio.runtime.words import address_of, copy_bytes, f32_at, fill_bytes, struct_at

SEGMENT = fft.SIZE
_BLOCK_BYTES = 8 * SEGMENT

STATE = state_dtype(
    ("head", "i8"),
    ("tails", "i8"),
    ("twiddles", "i8"),
    ("responses", "i8"),
    ("tail_count", "i8"),
    ("history", "i8"),
    ("spectra", "i8"),
    ("sum", "i8"),
    ("tail", "i8"),
    ("scratch", "i8"),
    ("position", "i8"),
    ("newest", "i8"),
)
"""Constants: ``head`` [responses][128], ``tails`` [responses][tail_count][2][128]. Work, for each
channel: ``history`` [256] segments k - 1 and k, ``spectra`` [tail_count][2][128] a ring that ends
at ``newest``, ``sum`` [2][128], ``tail`` [128]; ``scratch`` [2][2][128] is shared. ``position``
counts 0 .. 127 through a segment."""

_state_at = struct_at(STATE)


def convolver_node(response: np.ndarray[Any, Any], channels: int) -> Node:
    """Return the node that convolves ``channels`` channels.

    Parameters
    ----------
    response
        Shape ``[responses, taps]``; channel c is convolved with response ``c % responses``.
    channels
        Channels of the input and the output.
    """
    responses, taps = response.shape
    tail_count = max(0, -(-taps // SEGMENT) - 1)
    padded = np.zeros((responses, tail_count + 1, SEGMENT), np.float32)
    padded.reshape(responses, -1)[:, :taps] = response
    table = fft.twiddles()
    tails = np.zeros((responses, tail_count, 2, SEGMENT), np.float32)
    scratch = np.empty((2, SEGMENT), np.float32)
    for r, t in np.ndindex(responses, tail_count):
        scratch[0], scratch[1] = padded[r, t + 1] / SEGMENT, 0.0
        fft.forward(table.ctypes.data, scratch.ctypes.data, tails[r, t].ctypes.data)
    return Node(
        convolve,
        work={
            "history": np.zeros((channels, 2, SEGMENT), np.float32),
            "spectra": np.zeros((channels, tail_count, 2, SEGMENT), np.float32),
            "sum": np.zeros((channels, 2, SEGMENT), np.float32),
            "tail": np.zeros((channels, SEGMENT), np.float32),
            "scratch": np.zeros((2, 2, SEGMENT), np.float32),
        },
        constants={"head": padded[:, 0], "tails": tails, "twiddles": table},
        responses=responses,
        tail_count=tail_count,
    )


@helper
def _add_head(out, present, head, count):
    """Add to ``out`` the last SEGMENT samples up to each of the ``present`` ones, times taps."""
    y, h = f32_at(out), f32_at(head)
    for tap in range(0, SEGMENT, 4):
        # four taps at once keep the sum in registers longer
        x = f32_at(present - 4 * (tap + 3))
        h0, h1, h2, h3 = h[tap], h[tap + 1], h[tap + 2], h[tap + 3]
        for i in range(count):
            y[i] += (h0 * x[i + 3] + h1 * x[i + 2]) + (h2 * x[i + 1] + h3 * x[i])


@helper
def _add_product(total, spectrum, response):
    """Add spectrum times response to ``total``: blocks of complex numbers."""
    z, x, h = f32_at(total), f32_at(spectrum), f32_at(response)
    for i in range(SEGMENT):
        z[i] += x[i] * h[i] - x[i + SEGMENT] * h[i + SEGMENT]
        z[i + SEGMENT] += x[i] * h[i + SEGMENT] + x[i + SEGMENT] * h[i]


@kernel(STATE)
def convolve(state, src, dst, frames):
    """Convolve; ``dst`` is the direct sum over the head plus the tail's part."""
    s = _state_at(address_of(state))
    tail_count = s.tail_count
    done = 0
    while done < frames:
        start = s.position
        count = min(frames - done, SEGMENT - start)
        first = 1 + (tail_count - 1) * start // SEGMENT
        last = 1 + (tail_count - 1) * (start + count) // SEGMENT
        newest = s.newest + 1 if s.newest + 1 < tail_count else 0
        for channel in range(s.channels):
            at = channel * s.stride + done
            response = channel % s.responses
            history_address = s.history + _BLOCK_BYTES * channel
            present = history_address + 4 * (SEGMENT + start)
            out = address_of(dst) + 4 * at
            copy_bytes(present, address_of(src) + 4 * at, 4 * count)
            copy_bytes(out, s.tail + 4 * (SEGMENT * channel + start), 4 * count)
            _add_head(out, present, s.head + 4 * SEGMENT * response, count)
            if tail_count == 0:
                continue
            tails = s.tails + _BLOCK_BYTES * tail_count * response
            spectra = s.spectra + _BLOCK_BYTES * tail_count * channel
            total = s.sum + _BLOCK_BYTES * channel
            for t in range(first, last):
                place = s.newest - (t - 1)
                if place < 0:
                    place += tail_count
                _add_product(total, spectra + _BLOCK_BYTES * place, tails + _BLOCK_BYTES * t)
            if start + count == SEGMENT:
                spectrum = spectra + _BLOCK_BYTES * newest
                copy_bytes(s.scratch, history_address, _BLOCK_BYTES)
                fft.forward(s.twiddles, s.scratch, spectrum)
                _add_product(total, spectrum, tails)
                fft.inverse(s.twiddles, total, s.scratch)
                copy_bytes(s.tail + 4 * SEGMENT * channel, s.scratch + 4 * SEGMENT, 4 * SEGMENT)
                fill_bytes(total, 0, _BLOCK_BYTES)
        s.position = start + count
        if s.position == SEGMENT:
            s.position = 0
            s.newest = newest
            for channel in range(s.channels):
                block = s.history + _BLOCK_BYTES * channel
                copy_bytes(block, block + 4 * SEGMENT, 4 * SEGMENT)
        done += count
    return 0
