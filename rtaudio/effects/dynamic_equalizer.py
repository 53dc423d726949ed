"""DynamicEqualizer: bands that turn themselves down, or up, when they are loud.

::

    src --+--> band-pass of gain 1 --+--> level --> gain, in dB up to the range
          |                          |                |
          +--------------------------+--> * (gain - 1)+--> sum --> next band

The band-pass never changes with the gain: it is outside the loop, so however fast the gain moves,
the filter stays what it is; and a gain of 1 leaves the input, bit by bit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rtaudio.effects.base import Effect, parameter
from rtaudio.runtime.abi import Bus, Node, kernel, state_dtype
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.kernels.compression import NEPER_PER_DB, NOTHING_DB, excess_db
from rtaudio.runtime.kernels.ramp import RAMP, advance, aim, ramp_samples, settled
from rtaudio.runtime.slots import Slots
from rtaudio.runtime.words import address_of, f32_at, f64_at, struct_at

BANDS = ("band1", "band2", "band3")
KNEE_DB = 6.0


def _hz(default: float, what: str) -> float:
    frequency: float = parameter(default, 20.0, 20000.0, "Hz", what)
    return frequency


def _q(default: float, what: str) -> float:
    sharpness: float = parameter(default, 0.1, 10.0, "", what)
    return sharpness


def _threshold(what: str) -> float:
    level: float = parameter(-30.0, -80.0, 0.0, "dB", what)
    return level


def _range(what: str) -> float:
    level: float = parameter(0.0, -24.0, 12.0, "dB", what)
    return level


class DynamicEqualizer(Effect):
    """Three peaks in series, each moved by the level of its own band.

    Above its threshold a band is turned down by as many dB as the ratio says, at most by its range;
    with a positive range, up. With a range of 0 a band is a wire. The first is set up against mud,
    the second against a resonance, the third against sibilants. All channels share the gains, made
    from the loudest of them. There is no latency.

    Parameters
    ----------
    band1_hz, band1_q, band2_hz, band2_q, band3_hz, band3_q
        Centre, 20 .. 20000 Hz, and Q, 0.1 .. 10.
    band1_threshold_db, band2_threshold_db, band3_threshold_db
        Peak level in the band above which it is moved, -80 .. 0 dBFS; with a knee of 6 dB.
    band1_range_db, band2_range_db, band3_range_db
        Most that the band is moved, -24 (down) .. 12 (up) dB; 0 is off.
    ratio
        Rise of the band for 1 dB of rise of the output, 1 .. 20.
    attack_ms, release_ms
        Time constants of moving (0.1 .. 200 ms) and of returning (5 .. 2000 ms).

    Examples
    --------
    >>> de_esser = DynamicEqualizer(band3_hz=7000.0, band3_range_db=-8.0)
    >>> DynamicEqualizer()(np.ones(3, np.float32), 48000)
    array([1., 1., 1.], dtype=float32)
    """

    band1_hz: float = _hz(250.0, "centre of the first band")
    band1_q: float = _q(0.7, "Q of the first band")
    band1_threshold_db: float = _threshold("level above which the first band is moved")
    band1_range_db: float = _range("most that the first band is moved; 0 is off")
    band2_hz: float = _hz(2500.0, "centre of the second band")
    band2_q: float = _q(2.0, "Q of the second band")
    band2_threshold_db: float = _threshold("level above which the second band is moved")
    band2_range_db: float = _range("most that the second band is moved; 0 is off")
    band3_hz: float = _hz(6500.0, "centre of the third band")
    band3_q: float = _q(1.0, "Q of the third band")
    band3_threshold_db: float = _threshold("level above which the third band is moved")
    band3_range_db: float = _range("most that the third band is moved; 0 is off")
    ratio: float = parameter(4.0, 1.0, 20.0, ":1", "rise of a band per dB of output rise")
    attack_ms: float = parameter(5.0, 0.1, 200.0, "ms", "time constant of moving")
    release_ms: float = parameter(80.0, 5.0, 2000.0, "ms", "time constant of returning")

    def build(self, builder: Builder, x: Bus, slots: Slots) -> Bus:
        """Append one node per band."""
        for band in BANDS:
            own: dict[str, Any] = {name: slots.slot(f"{band}_{name}") for name in _OWN}
            shared: dict[str, Any] = {name: slots.slot(name) for name in _SHARED}
            node = Node(
                move_band,
                work={"z": np.zeros((x.channels, 2)), "bands": np.zeros(x.channels)},
                rate_hz=builder.rate_hz,
                ramp_samples=ramp_samples(builder.rate_hz),
                pitch=settled(math.log2(own["hz"].value)),
                damping=settled(1.0 / own["q"].value),
                threshold=settled(own["threshold_db"].value),
                reach=settled(own["range_db"].value),
                slope=settled(1.0 - 1.0 / slots["ratio"]),
                **own,
                **shared,
            )
            x = builder.run(node, x)
        return x


_OWN = ("hz", "q", "threshold_db", "range_db")
_SHARED = ("ratio", "attack_ms", "release_ms")

STATE = state_dtype(
    *((name, "i8") for name in (*_OWN, *_SHARED)),
    ("rate_hz", "f8"),
    ("ramp_samples", "i8"),
    ("pitch", RAMP),
    ("damping", RAMP),
    ("threshold", RAMP),
    ("reach", RAMP),
    ("slope", RAMP),
    ("held", "f8"),
    ("moved", "f8"),
    ("z", "i8"),
    ("bands", "i8"),
)
"""Addresses of the slots; ``pitch``: log2 of Hz, ``damping``: 1 / Q, ``slope``: 1 - 1 / ratio.
``held``, ``moved``: dB above the threshold after release and after attack. ``z``: [channels][2].
``bands``: [channels] the present sample of the band."""

_state_at = struct_at(STATE)


@kernel(STATE)
def move_band(state, src, dst, frames):
    """Add (gain - 1) times the band to every channel."""
    s = _state_at(address_of(state))
    samples = s.ramp_samples
    # float64 before the logarithm: compiled and interpreted, the goals must agree to the last bit
    aim(s.pitch, math.log2(float(f32_at(s.hz)[0])), samples)
    aim(s.damping, 1.0 / float(f32_at(s.q)[0]), samples)
    aim(s.threshold, f32_at(s.threshold_db)[0], samples)
    aim(s.reach, f32_at(s.range_db)[0], samples)
    aim(s.slope, 1.0 - 1.0 / float(f32_at(s.ratio)[0]), samples)
    attack = math.exp(-1000.0 / (f32_at(s.attack_ms)[0] * s.rate_hz))
    release = math.exp(-1000.0 / (f32_at(s.release_ms)[0] * s.rate_hz))
    bands = f64_at(s.bands)
    held, moved = s.held, s.moved
    moving = True
    for i in range(frames):
        if moving:
            hz = min(2.0 ** advance(s.pitch), 0.45 * s.rate_hz)
            g, k = math.tan(math.pi * hz / s.rate_hz), float(advance(s.damping))
            threshold, slope = float(advance(s.threshold)), float(advance(s.slope))
            reach = float(advance(s.reach))
            quiet = math.exp(NEPER_PER_DB * (threshold - KNEE_DB / 2.0))
            ramps = s.pitch.left + s.damping.left + s.threshold.left + s.reach.left
            moving = ramps + s.slope.left > 0
        level = 0.0
        for channel in range(s.channels):
            z = f64_at(s.z + 16 * channel)
            rest = src[channel * s.stride + i] - z[1]
            band = (z[0] + g * rest) / (1.0 + g * (g + k))
            low = z[1] + g * band
            z[0] = 2.0 * band - z[0]
            z[1] = 2.0 * low - z[1]
            bands[channel] = k * band
            level = max(level, abs(k * band))
        needed = excess_db(level, threshold, slope, KNEE_DB) if level > quiet else 0.0
        needed = min(needed, abs(reach))
        held = max(needed, release * held + (1.0 - release) * needed)
        moved = attack * moved + (1.0 - attack) * held
        change = 0.0
        if moved > NOTHING_DB and reach != 0.0:
            amount = min(moved, abs(reach))
            change = math.exp(NEPER_PER_DB * (amount if reach > 0.0 else -amount)) - 1.0
        for channel in range(s.channels):
            at = channel * s.stride + i
            dst[at] = src[at] + change * bands[channel]
    s.held, s.moved = held, moved
    return 0
