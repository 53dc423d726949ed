"""Gain: every sample times one ramped factor, which follows a slot."""

from __future__ import annotations

from numba import njit

from rtaudio.runtime.abi import Node, kernel, state_dtype
from rtaudio.runtime.decibels import from_db
from rtaudio.runtime.kernels.ramp import RAMP, advance, aim, ramp_samples, settled
from rtaudio.runtime.memory import aligned
from rtaudio.runtime.slots import Slot
from rtaudio.runtime.words import address_of, f32_at, struct_at

STATE = state_dtype(("gain", RAMP), ("ramp_samples", "i8"))
"""``params[0]`` is the gain in dB; the ramp runs over the linear factor."""

LEVEL = state_dtype(("gain", RAMP), ("ramp_samples", "i8"), ("offset_db", "f8"), ("slope", "f8"))
"""The gain is ``offset_db`` + ``slope`` * ``params[0]``, in dB."""

_state_at = struct_at(STATE)
_level_at = struct_at(LEVEL)


@njit(error_model="numpy", inline="always")
def _multiply(s, gain_db, src, dst, frames):
    """Multiply by the ramped factor; a loop of its own where it rests, which vectorises."""
    ramp = s.gain
    aim(ramp, from_db(gain_db), s.ramp_samples)
    if ramp.left == 0:
        factor = ramp.value
        for channel in range(s.channels):
            at = channel * s.stride
            for i in range(frames):
                dst[at + i] = factor * src[at + i]
        return
    for i in range(frames):
        factor = advance(ramp)
        for channel in range(s.channels):
            dst[channel * s.stride + i] = factor * src[channel * s.stride + i]


@kernel(STATE)
def gain(state, src, dst, frames):
    """Multiply by a gain in dB."""
    s = _state_at(address_of(state))
    _multiply(s, f32_at(s.params)[0], src, dst, frames)
    return 0


@kernel(LEVEL)
def follow(state, src, dst, frames):
    """Multiply by a gain in dB that follows a level."""
    s = _level_at(address_of(state))
    _multiply(s, s.offset_db + s.slope * f32_at(s.params)[0], src, dst, frames)
    return 0


def gain_node(gain_db: Slot, rate_hz: int) -> Node:
    """Return the node of a gain; its ramp runs over the linear factor.

    Parameters
    ----------
    gain_db
        The slot of the gain.
    rate_hz
        Sample rate.
    """
    return Node(
        gain,
        params=gain_db,
        gain=settled(from_db(gain_db.value)),
        ramp_samples=ramp_samples(rate_hz),
    )


def level_node(offset_db: float, slope: float, level: Slot | None, rate_hz: int) -> Node:
    """Return the node of a gain of ``offset_db`` + ``slope`` * level, in dB.

    Parameters
    ----------
    offset_db, slope
        See above.
    level
        The slot of the level; None: 0.
    rate_hz
        Sample rate.
    """
    level = level or Slot(aligned(1), 0)
    return Node(
        follow,
        params=level,
        gain=settled(from_db(offset_db + slope * level.value)),
        ramp_samples=ramp_samples(rate_hz),
        offset_db=offset_db,
        slope=slope,
    )
