r"""A node at another sample rate: streaming polyphase FIR filters before and after it.

Both rates are divisors of a common one: L ticks are a host sample, M ticks an inner sample::

    host sample n    |           |           |           |           |      tick n * L
                      \  low-pass \
    inner sample m   |       |       |       |       |       |       |      tick m * M
                      \  low-pass \  and e ticks more
    host output n    |           |           |           |           |      tick n * L

The filters are causal, so every inner sample is computed in the call that brings its last host
sample, and no queue is needed. Twice the delay of the low-pass, the inner node's own latency and
e ticks are together a whole number of host samples: the reported latency is exact.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from rtaudio.runtime.abi import Node, kernel, state_dtype
from rtaudio.runtime.jit import helper
from rtaudio.runtime.words import address_of, call_process, copy_bytes, f32_at, struct_at

STOP_BAND_DB = 105.0
PASS_BAND_HZ = 20000.0
PASS_BAND_SHARE = 0.907
"""The pass band ends here, or at this share of the lower Nyquist frequency if that is lower."""

STATE = state_dtype(
    ("process", "i8"),
    ("callee", "i8"),
    ("host_ticks", "i8"),
    ("inner_ticks", "i8"),
    ("down", "i8"),
    ("down_taps", "i8"),
    ("down_newest", "i8"),
    ("down_phase", "i8"),
    ("up", "i8"),
    ("up_taps", "i8"),
    ("up_newest", "i8"),
    ("up_phase", "i8"),
    ("past", "i8"),
    ("host", "i8"),
    ("asked", "i8"),
    ("answer", "i8"),
    ("outputs", "i8"),
    ("host_stride", "i8"),
    ("inner_stride", "i8"),
)
"""``down``: [host_ticks][down_taps], from host to inner rate; ``up``: [inner_ticks][up_taps], back.
``host``: down_taps - 1 past samples, then the block. ``asked``: input of the inner node.
``answer``: ``past`` old samples, then its output. Each holds one row per channel, ``*_stride``
apart. ``*_newest``: the last sample that the next
result needs, counted from the start of the coming block; ``*_phase``: ticks after that sample."""

_state_at = struct_at(STATE)


def low_pass(
    lower_hz: float, common_hz: float, *, half_multiple: int = 1
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a linear-phase Kaiser low-pass of odd length for the lower of two rates.

    Anything that it passes above the lower Nyquist frequency folds to above the pass band.

    Parameters
    ----------
    lower_hz
        The lower rate.
    common_hz
        The rate of the taps: a multiple of both rates.
    half_multiple
        The delay of the filter is a multiple of this many samples at the common rate.

    Returns
    -------
    numpy.ndarray
        float64 ``[taps]``, with sum 1.
    """
    nyquist = lower_hz / 2
    transition = 2 * (nyquist - min(PASS_BAND_HZ, PASS_BAND_SHARE * nyquist)) / common_hz
    least = (STOP_BAND_DB - 7.95) / (14.36 * transition) / 2
    half = half_multiple * math.ceil(least / half_multiple)
    beta = 0.1102 * (STOP_BAND_DB - 8.7)
    window = np.kaiser(2 * half + 1, beta)
    taps = window * np.sinc(lower_hz / common_hz * np.arange(-half, half + 1))
    return np.asarray(taps / taps.sum())


def polyphase(taps: np.ndarray[Any, Any], phases: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Cut a filter into its phases.

    Parameters
    ----------
    taps
        The filter, ``[taps]``.
    phases
        Number of phases.

    Returns
    -------
    numpy.ndarray
        float32 ``[phases, taps per phase]``, oldest sample first. The number of taps per phase is a
        multiple of 16, which vectorises well.
    """
    count = -(-len(taps) // (16 * phases)) * 16
    padded = np.zeros(count * phases)
    padded[: len(taps)] = phases * taps
    return np.ascontiguousarray(padded.reshape(count, phases).T[:, ::-1], np.float32)


def resampled_node(
    inner: Node,
    host_rate_hz: int,
    inner_rate_hz: int,
    block: int,
    inner_latency_samples: int,
    *,
    channels: tuple[int, int] = (1, 1),
) -> Node:
    """Return a node at the host rate around a node at another rate.

    Parameters
    ----------
    inner
        The node; it is called with 1 to ``ceil(block * inner_rate_hz / host_rate_hz)`` frames.
    host_rate_hz, inner_rate_hz
        Rates of the result and of ``inner``.
    block
        Largest number of frames per call of the result.
    inner_latency_samples
        Latency of ``inner``, in its own samples.
    channels
        Inputs and outputs of both.
    """
    divisor = math.gcd(host_rate_hz, inner_rate_hz)
    host_ticks, inner_ticks = inner_rate_hz // divisor, host_rate_hz // divisor
    taps = low_pass(min(host_rate_hz, inner_rate_hz), host_rate_hz * host_ticks)
    down, up = polyphase(taps, host_ticks), polyphase(taps, inner_ticks)
    ticks = len(taps) - 1 + inner_latency_samples * inner_ticks
    latency_samples = -(-ticks // host_ticks)
    extra = latency_samples * host_ticks - ticks
    most = -(-block * host_ticks // inner_ticks)
    past = -(-(up.shape[1] + extra // inner_ticks + 2) // 16) * 16
    host_stride = down.shape[1] - 1 + block
    inner_stride = past + -(-most // 16) * 16
    inner.record["channels"] = channels[0]
    inner.record["stride"] = inner_stride
    return Node(
        resampled,
        latency_samples=latency_samples,
        out_channels=channels[1],
        work={
            "host": np.zeros(channels[0] * host_stride, np.float32),
            "asked": np.zeros(channels[0] * inner_stride, np.float32),
            "answer": np.zeros(channels[1] * inner_stride, np.float32),
        },
        constants={"down": down, "up": up},
        process=inner.kernel,
        callee=inner,
        inner=[inner],
        host_ticks=host_ticks,
        inner_ticks=inner_ticks,
        down_taps=down.shape[1],
        up_taps=up.shape[1],
        up_newest=-extra // inner_ticks,
        up_phase=-extra % inner_ticks,
        past=past,
        outputs=channels[1],
        host_stride=host_stride,
        inner_stride=inner_stride,
    )


@njit(error_model="numpy", fastmath={"reassoc", "nsz"})
def dot(a, b, count):
    """Return the sum of products of two float32 arrays, in any order: vectorised."""
    x, y = f32_at(a), f32_at(b)
    total = np.float32(0.0)
    for i in range(count):
        total += x[i] * y[i]
    return total


@helper
def move_down(address, start, count):
    """Move ``count`` values from place ``start`` of a float32 array to its beginning."""
    values = f32_at(address)
    for i in range(count):
        values[i] = values[start + i]


@kernel(STATE)
def resampled(state, src, dst, frames):
    """Resample to the inner rate, call the inner node, resample back."""
    s = _state_at(address_of(state))
    host_ticks, inner_ticks = s.host_ticks, s.inner_ticks
    taps = s.down_taps
    newest, phase, count = s.down_newest, s.down_phase, 0
    for channel in range(s.channels):
        host = s.host + 4 * channel * s.host_stride
        asked = f32_at(s.asked + 4 * channel * s.inner_stride)
        copy_bytes(host + 4 * (taps - 1), address_of(src) + 4 * channel * s.stride, 4 * frames)
        newest, phase, count = s.down_newest, s.down_phase, 0
        while newest < frames:
            asked[count] = dot(s.down + 4 * taps * phase, host + 4 * newest, taps)
            count += 1
            phase += inner_ticks
            newest += phase // host_ticks
            phase %= host_ticks
        move_down(host, frames, taps - 1)
    s.down_newest, s.down_phase = newest - frames, phase
    code = np.int32(0)
    if count > 0:
        code = call_process(s.process, s.callee, s.asked, s.answer + 4 * s.past, count)
    taps = s.up_taps
    newest, phase = s.up_newest, s.up_phase
    for channel in range(s.outputs):
        answer = s.answer + 4 * channel * s.inner_stride
        first = answer + 4 * (s.past - taps + 1)
        to = channel * s.stride
        newest, phase = s.up_newest, s.up_phase
        for i in range(frames):
            dst[to + i] = dot(s.up + 4 * taps * phase, first + 4 * newest, taps)
            phase += host_ticks
            newest += phase // inner_ticks
            phase %= inner_ticks
        move_down(answer, count, s.past)
    s.up_newest, s.up_phase = newest - count, phase
    return code
