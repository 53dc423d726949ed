"""A section of an equalizer: the audio-EQ cookbook of R. Bristow-Johnson, as a state-variable
filter (A. Simper, "Linear trapezoidal integrated state variable filter", 2013)::

    x ------> high --g--> [1] ---> band --g--> [2] ---> low       y = m0 x + m1 band + m2 low
         -k band - low

The logarithms of frequency and Q, and the amount (dB, or 0 .. 1 for a cut), are ramped over 20 ms.
Meanwhile g, k and m are computed anew every 16 samples and reached in straight lines. The memory of
this form is the signal itself, whatever the coefficients: with positive g and k it loses energy
however fast they move, and a moving section neither rings nor jumps. All is float64, exact enough
for 20 Hz at 192 kHz.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.extending import register_jitable

from rtaudio.runtime.abi import Kernel, Node, kernel, state_dtype
from rtaudio.runtime.jit import helper, jit
from rtaudio.runtime.kernels.ramp import RAMP, RAMP_MS, advance, aim, settled
from rtaudio.runtime.slots import Slot
from rtaudio.runtime.words import address_of, copy_bytes, f32_at, f64_at, struct_at

LOW_CUT, LOW_SHELF, PEAK, HIGH_SHELF, HIGH_CUT = range(5)
"""Kinds of sections. All have a frequency, shelves and peaks a level, peaks a Q."""

SPAN = 16
"""Samples from one computation of the coefficients to the next."""

BUTTERWORTH = math.sqrt(0.5)
"""Q of shelves and cuts."""

NOON = 5.0
"""The position of a tone knob, 0 .. 10, at which it does nothing."""

MIDDLE_CUT_Q, MIDDLE_BOOST_Q = 1.5, 0.7
"""Q of the peak of a tone knob: a cut is narrower than a boost."""

STATE = state_dtype(
    ("hz", "i8"),
    ("db", "i8"),
    ("q", "i8"),
    ("kind", "i8"),
    ("rate_hz", "f8"),
    ("off_hz", "f8"),
    ("db_per_step", "f8"),
    ("pitch", RAMP),
    ("amount", RAMP),
    ("sharpness", RAMP),
    ("spans", "i8"),
    ("left", "i8"),
    ("coefficients", "i8"),
    ("z", "i8"),
)
"""``hz``, ``db``, ``q``: addresses of slots, 0 where the kind has none. ``off_hz``: the frequency
at which a cut is off; ``db_per_step``: effect of a knob. ``pitch``, ``sharpness``: log2 of Hz and
Q. ``spans``: length of a ramp. ``coefficients``: g k m0 m1 m2 at the end of the span, then their
change per sample; ``left`` samples of it are to come. ``z``: [channels][2] float64."""

_state_at = struct_at(STATE)


@jit
def coefficients(kind, hz, amount, q, rate_hz):
    """Return g, k, m0, m1, m2 of a section; an amount of 0 is m = 1, 0, 0 to the last bit."""
    g = math.tan(math.pi * min(hz, 0.49 * rate_hz) / rate_hz)
    k = 1.0 / q
    if kind == LOW_CUT:
        return g, k, 1.0, -k * amount, -amount
    if kind == HIGH_CUT:
        return g, k, 1.0 - amount, 0.0, amount
    a = 10.0 ** (amount / 40.0)
    if kind == PEAK:
        k /= a
        return g, k, 1.0, k * (a * a - 1.0), 0.0
    if kind == LOW_SHELF:
        return g / math.sqrt(a), k, 1.0, k * (a - 1.0), a * a - 1.0
    return g * math.sqrt(a), k, a * a, k * (1.0 - a) * a, 1.0 - a * a


@register_jitable(error_model="numpy")
def _goals(kind: int, hz: float, db: float, q: float, off_hz: float) -> tuple[float, float, float]:
    """Return what pitch, amount and sharpness aim at."""
    # float64 before the logarithm: compiled and interpreted, the goals must agree to the last bit
    pitch = math.log2(float(hz))
    if kind in (LOW_CUT, HIGH_CUT):
        return pitch, 0.0 if hz == off_hz else 1.0, math.log2(BUTTERWORTH)
    return pitch, float(db), math.log2(float(q) if kind == PEAK else BUTTERWORTH)


@register_jitable(error_model="numpy")
def _knob_goals(kind: int, knob: float, db_per_step: float) -> tuple[float, float]:
    """Return what amount and sharpness aim at."""
    amount = db_per_step * (float(knob) - NOON)
    peak_q = MIDDLE_CUT_Q if amount < 0.0 else MIDDLE_BOOST_Q
    return amount, math.log2(peak_q if kind == PEAK else BUTTERWORTH)


def section_node(
    kind: int,
    hz: Slot,
    rate_hz: int,
    channels: int,
    *,
    db: Slot | None = None,
    q: Slot | None = None,
    off_hz: float = 0.0,
) -> Node:
    """Return the node of one section.

    Parameters
    ----------
    kind
        One of `LOW_CUT`, `LOW_SHELF`, `PEAK`, `HIGH_SHELF` and `HIGH_CUT`.
    hz, db, q
        Slots of its parameters, as far as the kind has them.
    rate_hz, channels
        Sample rate and number of channels.
    off_hz
        The frequency at which a cut is off.
    """
    level_db, sharpness = 0.0 if db is None else db.value, 0.0 if q is None else q.value
    goals = _goals(kind, hz.value, level_db, sharpness, off_hz)
    slots = {"hz": hz, "db": db or 0, "q": q or 0}
    return _node(filtered, kind, rate_hz, channels, goals, **slots, off_hz=off_hz)


def knob_node(
    kind: int, hz: float, db_per_step: float, knob: Slot, rate_hz: int, channels: int
) -> Node:
    """Return the node of a section at a fixed frequency, whose one parameter is a knob.

    Parameters
    ----------
    kind
        `LOW_SHELF`, `PEAK` or `HIGH_SHELF`.
    hz
        Its frequency.
    db_per_step
        Change of level per step of the knob, from the middle of its range on.
    knob
        The slot: 0 .. 10.
    rate_hz, channels
        Sample rate and number of channels.
    """
    goals = math.log2(hz), *_knob_goals(kind, knob.value, db_per_step)
    return _node(turned, kind, rate_hz, channels, goals, params=knob, db_per_step=db_per_step)


def _node(
    filter_: Kernel,
    kind: int,
    rate_hz: int,
    channels: int,
    goals: tuple[float, float, float],
    **fields: Any,
) -> Node:
    pitch, amount, sharpness = goals
    start = np.zeros((2, 5))
    start[0] = coefficients(kind, 2.0**pitch, amount, 2.0**sharpness, float(rate_hz))
    return Node(
        filter_,
        work={"coefficients": start, "z": np.zeros((channels, 2))},
        kind=kind,
        rate_hz=rate_hz,
        pitch=settled(pitch),
        amount=settled(amount),
        sharpness=settled(sharpness),
        spans=max(1, round(rate_hz * RAMP_MS / 1000.0 / SPAN)),
        **fields,
    )


@helper
def _still(src, dst, z, c, count):
    """Filter ``count`` samples with constant coefficients: the same, solved for the memory."""
    x, y = f32_at(src), f32_at(dst)
    m0, m1, m2 = c[2], c[3], c[4]
    a1 = 1.0 / (1.0 + c[0] * (c[0] + c[1]))
    a2 = c[0] * a1
    a3 = c[0] * a2
    from_0, from_1, from_x = m1 * a1 + m2 * a2, m2 * (1.0 - a3) - m1 * a2, m0 + m1 * a2 + m2 * a3
    keep_0, keep_1, cross, feed = 2.0 * a1 - 1.0, 1.0 - 2.0 * a3, 2.0 * a2, 2.0 * a3
    z0, z1 = z[0], z[1]
    for i in range(count):
        y[i] = from_x * x[i] + (from_0 * z0 + from_1 * z1)
        z0, z1 = keep_0 * z0 + cross * (x[i] - z1), keep_1 * z1 + (cross * z0 + feed * x[i])
    z[0], z[1] = z0, z1


@helper
def _moving(src, dst, z, c, left, count):
    """Filter ``count`` samples while the coefficients move to the end of their span."""
    x, y = f32_at(src), f32_at(dst)
    z0, z1 = z[0], z[1]
    for i in range(count):
        back = left - 1 - i
        g, k = c[0] - back * c[5], c[1] - back * c[6]
        rest = x[i] - z1
        band = (z0 + g * rest) / (1.0 + g * (g + k))
        low = z1 + g * band
        z0 = 2.0 * band - z0
        z1 = 2.0 * low - z1
        m0, m1, m2 = c[2] - back * c[7], c[3] - back * c[8], c[4] - back * c[9]
        y[i] = m0 * x[i] + m1 * band + m2 * low
    z[0], z[1] = z0, z1


@helper
def _filter(s, src, dst, frames):
    """Filter every channel while the ramps go where they aim; a section at rest copies."""
    c = f64_at(s.coefficients)
    done = 0
    while done < frames:
        ramps = s.pitch.left + s.amount.left + s.sharpness.left
        if s.left == 0 and ramps > 0:
            hz, q = 2.0 ** advance(s.pitch), 2.0 ** advance(s.sharpness)
            ends = coefficients(s.kind, hz, advance(s.amount), q, s.rate_hz)
            for k in range(5):
                c[5 + k] = (ends[k] - c[k]) / SPAN
                c[k] = ends[k]
            s.left = SPAN
        count = min(s.left, frames - done) if s.left > 0 else frames - done
        # Clear the state once settled, so that the block size cannot matter.
        rests = s.left == 0 and s.amount.value == 0.0
        for channel in range(s.channels):
            at = 4 * (channel * s.stride + done)
            z = f64_at(s.z + 16 * channel)
            if rests:
                z[0] = z[1] = 0.0
                copy_bytes(dst + at, src + at, 4 * count)
            elif s.left > 0:
                _moving(src + at, dst + at, z, c, s.left, count)
            else:
                _still(src + at, dst + at, z, c, count)
        s.left = max(0, s.left - count)
        done += count


@kernel(STATE)
def filtered(state, src, dst, frames):
    """Filter every channel by the parameters of an equalizer's section."""
    s = _state_at(address_of(state))
    db = f32_at(s.db)[0] if s.db != 0 else np.float32(0.0)
    q = f32_at(s.q)[0] if s.q != 0 else np.float32(1.0)
    pitch, amount, sharpness = _goals(s.kind, f32_at(s.hz)[0], db, q, s.off_hz)
    aim(s.pitch, pitch, s.spans)
    aim(s.amount, amount, s.spans)
    aim(s.sharpness, sharpness, s.spans)
    _filter(s, address_of(src), address_of(dst), frames)
    return 0


@kernel(STATE)
def turned(state, src, dst, frames):
    """Filter every channel by the one parameter of a tone knob."""
    s = _state_at(address_of(state))
    amount, sharpness = _knob_goals(s.kind, f32_at(s.params)[0], s.db_per_step)
    aim(s.amount, amount, s.spans)
    aim(s.sharpness, sharpness, s.spans)
    _filter(s, address_of(src), address_of(dst), frames)
    return 0
