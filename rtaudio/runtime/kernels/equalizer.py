"""One section of an equalizer: a biquad by the audio-EQ cookbook of R. Bristow-Johnson.

The logarithms of frequency and Q, and the amount (dB, or 0 .. 1 for a cut), are ramped over 20 ms.
Meanwhile the coefficients are computed anew every 16 samples and reached in straight lines: stable
pairs (a1, a2) fill a triangle, so every point between two of them is stable too. States and
coefficients are float64, exact enough for 20 Hz at 192 kHz.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from rtaudio.runtime.abi import Node, kernel, state_dtype
from rtaudio.runtime.jit import jit
from rtaudio.runtime.kernels.ramp import RAMP, RAMP_MS, advance, aim, settled
from rtaudio.runtime.native import address_of, copy_bytes, f32_at, f64_at, struct_at

LOW_CUT, LOW_SHELF, PEAK, HIGH_SHELF, HIGH_CUT = range(5)
"""Kinds of sections. ``params``: Hz; for shelves and peaks then dB; for peaks then Q."""

SPAN = 16
"""Samples from one computation of the coefficients to the next."""

BUTTERWORTH = math.sqrt(0.5)
"""Q of shelves and cuts."""

SILENT = 1e-9

STATE = state_dtype(
    ("kind", "i8"),
    ("rate_hz", "f8"),
    ("off_hz", "f8"),
    ("pitch", RAMP),
    ("amount", RAMP),
    ("sharpness", RAMP),
    ("spans", "i8"),
    ("left", "i8"),
    ("coefficients", "i8"),
    ("z", "i8"),
)
"""``off_hz``: the frequency at which a cut is off. ``pitch``, ``sharpness``: log2 of Hz and Q.
``spans``: length of a ramp. ``coefficients``: b0 b1 b2 a1 a2 at the end of the span, then their
change per sample; ``left`` samples of it are to come. ``z``: [channels][2] float64."""

_state_at = struct_at(STATE)


@jit
def coefficients(kind, hz, amount, q, rate_hz):  # type: ignore[no-untyped-def]
    """Return b0, b1, b2, a1, a2 of a section, normalised to a0 = 1.

    With an amount of 0 the numerator equals the denominator, to the last bit.
    """
    w = 2.0 * math.pi * min(hz, 0.49 * rate_hz) / rate_hz
    c = math.cos(w)
    alpha = math.sin(w) / (2.0 * q)
    if kind in (LOW_CUT, HIGH_CUT):
        a0, a1, a2 = 1.0 + alpha, -2.0 * c, 1.0 - alpha
        side = 1.0 if kind == HIGH_CUT else -1.0
        b0, b1 = (1.0 - side * c) / 2.0, side - c
        # the rest of the way to "off" is the signal itself
        rest = 1.0 - amount
        b2 = amount * b0 + rest * a2
        b0 = amount * b0 + rest * a0
        b1 = amount * b1 + rest * a1
    elif kind == PEAK:
        a = 10.0 ** (amount / 40.0)
        b0, b1, b2 = 1.0 + alpha * a, -2.0 * c, 1.0 - alpha * a
        a0, a1, a2 = 1.0 + alpha / a, -2.0 * c, 1.0 - alpha / a
    else:
        a = 10.0 ** (amount / 40.0)
        side = 1.0 if kind == LOW_SHELF else -1.0
        root = 2.0 * math.sqrt(a) * alpha
        more, less = a + 1.0, side * (a - 1.0)
        b0 = a * (more - less * c + root)
        b1 = 2.0 * a * (less - more * c)
        b2 = a * (more - less * c - root)
        a0 = more + less * c + root
        a1 = -2.0 * (less + more * c)
        a2 = more + less * c - root
    return b0 / a0, b1 / a0, b2 / a0, a1 / a0, a2 / a0


def _goals(kind: int, params: Any, off_hz: float) -> tuple[float, float, float]:
    """Return what pitch, amount and sharpness aim at."""
    # float64 before the logarithm: compiled and interpreted, the goals must agree to the last bit
    pitch = math.log2(float(params[0]))
    if kind in (LOW_CUT, HIGH_CUT):
        return pitch, 0.0 if params[0] == off_hz else 1.0, math.log2(BUTTERWORTH)
    q = float(params[2]) if kind == PEAK else BUTTERWORTH
    return pitch, float(params[1]), math.log2(q)


_goals_compiled = njit(error_model="numpy")(_goals)


def section(
    kind: int, params: np.ndarray[Any, Any], rate_hz: int, channels: int, off_hz: float = 0.0
) -> Node:
    """Return the node of one section."""
    pitch, amount, sharpness = _goals(kind, params, off_hz)
    start = np.zeros((2, 5))
    start[0] = coefficients(kind, 2.0**pitch, amount, 2.0**sharpness, float(rate_hz))
    return Node(
        filtered,
        params=params,
        work={"coefficients": start, "z": np.zeros((channels, 2))},
        kind=kind,
        rate_hz=rate_hz,
        off_hz=off_hz,
        pitch=settled(pitch),
        amount=settled(amount),
        sharpness=settled(sharpness),
        spans=max(1, round(rate_hz * RAMP_MS / 1000.0 / SPAN)),
    )


@njit(error_model="numpy")
def _still(src, dst, z, c, count):  # type: ignore[no-untyped-def]
    """Filter ``count`` samples with constant coefficients (transposed direct form II)."""
    x, y = f32_at(src), f32_at(dst)
    b0, b1, b2, a1, a2 = c[0], c[1], c[2], c[3], c[4]
    z0, z1 = z[0], z[1]
    for i in range(count):
        out = b0 * x[i] + z0
        z0 = b1 * x[i] - a1 * out + z1
        z1 = b2 * x[i] - a2 * out
        y[i] = out
    z[0], z[1] = z0, z1


@njit(error_model="numpy")
def _moving(src, dst, z, c, left, count):  # type: ignore[no-untyped-def]
    """Filter ``count`` samples while the coefficients move to the end of their span."""
    x, y = f32_at(src), f32_at(dst)
    z0, z1 = z[0], z[1]
    for i in range(count):
        back = left - 1 - i
        out = (c[0] - back * c[5]) * x[i] + z0
        z0 = (c[1] - back * c[6]) * x[i] - (c[3] - back * c[8]) * out + z1
        z1 = (c[2] - back * c[7]) * x[i] - (c[4] - back * c[9]) * out
        y[i] = out
    z[0], z[1] = z0, z1


@njit(error_model="numpy")
def _at_rest(s):  # type: ignore[no-untyped-def]
    """Tell whether a section does nothing; what little it still remembers is dropped."""
    if s.amount.value != 0.0 or s.amount.left + s.pitch.left + s.sharpness.left + s.left > 0:
        return False
    z = f64_at(s.z)
    for k in range(2 * s.channels):
        if not abs(z[k]) < SILENT:
            return False
    for k in range(2 * s.channels):
        z[k] = 0.0
    return True


@kernel(STATE)
def filtered(state, src, dst, frames):  # type: ignore[no-untyped-def]
    """Filter every channel; a section at rest copies."""
    s = _state_at(address_of(state))
    pitch, amount, sharpness = _goals_compiled(s.kind, f32_at(s.params), s.off_hz)
    aim(s.pitch, pitch, s.spans)
    aim(s.amount, amount, s.spans)
    aim(s.sharpness, sharpness, s.spans)
    from_address, to_address = address_of(src), address_of(dst)
    if _at_rest(s):
        for channel in range(s.channels):
            at = 4 * channel * s.stride
            copy_bytes(to_address + at, from_address + at, 4 * frames)
        return 0
    c = f64_at(s.coefficients)
    done = 0
    while done < frames:
        if s.left == 0 and s.pitch.left + s.amount.left + s.sharpness.left > 0:
            hz, q = 2.0 ** advance(s.pitch), 2.0 ** advance(s.sharpness)
            ends = coefficients(s.kind, hz, advance(s.amount), q, s.rate_hz)
            for k in range(5):
                c[5 + k] = (ends[k] - c[k]) / SPAN
                c[k] = ends[k]
            s.left = SPAN
        count = min(s.left, frames - done) if s.left > 0 else frames - done
        for channel in range(s.channels):
            at = 4 * (channel * s.stride + done)
            z = f64_at(s.z + 16 * channel)
            if s.left > 0:
                _moving(from_address + at, to_address + at, z, c, s.left, count)
            else:
                _still(from_address + at, to_address + at, z, c, count)
        s.left = max(0, s.left - count)
        done += count
    return 0
