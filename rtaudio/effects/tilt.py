"""Tilt: the whole spectrum turned about one frequency, in dB per octave.

J. O. Smith, H. F. Smith, "Closed Form Fractional Integration and Differentiation via Real
Exponentially Spaced Pole-Zero Pairs", 2016: poles at a constant ratio; the zeros lie between them,
where the slope wants them. In each section ::

    y = x + (ratio - 1) * high,   high = first-order high-pass of x at the pole

the zero is at pole / ratio. So the poles never move: a change of slope is a change of one gain.
"""

from __future__ import annotations

import math

import numpy as np
from numba.extending import register_jitable

from rtaudio.effects.base import Effect, parameter, slots_at
from rtaudio.runtime.abi import Bus, Node, kernel, state_dtype
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.kernels.ramp import RAMP, advance, aim, ramp_samples, settled
from rtaudio.runtime.slots import Slots
from rtaudio.runtime.words import address_of, f64_at, struct_at

LOWEST_HZ, HIGHEST_HZ = 7.0, 56000.0
SECTIONS = 14


class Tilt(Effect):
    """Make the spectrum brighter or darker by a straight line over the octaves.

    At 1 dB per octave the line is kept within 0.4 dB from 30 Hz to 8 kHz; above, it bends by up to
    0.7 dB at sample rates below 96 kHz. There is no latency; at 0 dB per octave the output is the
    input, bit by bit.

    Parameters
    ----------
    db_per_octave
        Slope, -6 .. 6 dB per octave; positive is brighter.
    pivot_hz
        The frequency whose level stays, 100 .. 5000 Hz.

    Examples
    --------
    >>> Tilt()(np.ones(3, np.float32), 48000)
    array([1., 1., 1.], dtype=float32)
    """

    db_per_octave: float = parameter(0.0, -6.0, 6.0, "dB", "slope per octave; positive is brighter")
    pivot_hz: float = parameter(800.0, 100.0, 5000.0, "Hz", "the frequency whose level stays")

    def build(self, builder: Builder, x: Bus, slots: Slots) -> Bus:
        """Append one node."""
        places = (np.arange(SECTIONS) + 0.5) / SECTIONS
        poles_hz = LOWEST_HZ * (HIGHEST_HZ / LOWEST_HZ) ** places
        poles_hz = poles_hz[poles_hz < 0.45 * builder.rate_hz]
        node = Node(
            tilt,
            params=slots,
            work={"z": np.zeros((x.channels, SECTIONS))},
            constants={"poles": np.tan(math.pi * poles_hz / builder.rate_hz)},
            rate_hz=builder.rate_hz,
            sections=len(poles_hz),
            slope=settled(slots["db_per_octave"]),
            pitch=settled(math.log2(slots["pivot_hz"])),
            ramp_samples=ramp_samples(builder.rate_hz),
        )
        return builder.run(node, x)


STATE = state_dtype(
    ("rate_hz", "f8"),
    ("sections", "i8"),
    ("slope", RAMP),
    ("pitch", RAMP),
    ("ramp_samples", "i8"),
    ("poles", "i8"),
    ("z", "i8"),
)
"""``poles``: [sections] tangents of half the angles. ``z``: [channels][14]. ``pitch``: log2 Hz."""

_state_at = struct_at(STATE)
_slots_at = slots_at(Tilt)

_OCTAVES = math.log2(HIGHEST_HZ / LOWEST_HZ) / SECTIONS
_BEL = math.log(10.0) / 20.0


@register_jitable
def _shape(slope, pitch, rate_hz, poles, sections):
    """Return the ratio of pole and zero, and the gain that leaves the pivot as it is."""
    ratio = math.exp(_BEL * slope * _OCTAVES)
    pivot = math.tan(math.pi * min(2.0**pitch, 0.45 * rate_hz) / rate_hz)
    power = 1.0
    for k in range(sections):
        square = (pivot / poles[k]) ** 2
        power *= (1.0 + square) / (1.0 + ratio * ratio * square)
    return ratio, math.sqrt(power)


@kernel(STATE)
def tilt(state, src, dst, frames):
    """Filter every channel by all sections, one sample after the other."""
    s = _state_at(address_of(state))
    p = _slots_at(s.params)
    aim(s.slope, p.db_per_octave, s.ramp_samples)
    # float64 before the logarithm: compiled and interpreted, the goals must agree to the last bit
    aim(s.pitch, math.log2(float(p.pivot_hz)), s.ramp_samples)
    poles = f64_at(s.poles)
    moving = True
    for i in range(frames):
        if moving:
            slope, pitch = float(advance(s.slope)), float(advance(s.pitch))
            ratio, gain = _shape(slope, pitch, s.rate_hz, poles, s.sections)
            moving = s.slope.left + s.pitch.left > 0
        for channel in range(s.channels):
            z = f64_at(s.z + 8 * SECTIONS * channel)
            y = float(src[channel * s.stride + i])
            for k in range(s.sections):
                high = (y - z[k]) / (1.0 + poles[k])
                z[k] += 2.0 * poles[k] * high
                y += (ratio - 1.0) * high
            dst[channel * s.stride + i] = gain * y
    return 0
