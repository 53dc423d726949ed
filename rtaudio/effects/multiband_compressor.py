r"""MultibandCompressor: four compressors, each for a part of the spectrum.

A split, after S. P. Lipshitz, J. Vanderkooy, "A Family of Linear-Phase Crossover Networks of High
Slope Derived by Time Delay", JAES 31(1/2), 1983::

    x --+--> Linkwitz-Riley low-pass, 24 dB per octave --+--> low
        +--> delay, as long as that of the low-pass --- minus ---> high, 18 dB per octave

Low and high are the delayed input, whatever the filter: three splits in a row, the lowest first,
make four bands whose sum is a pure delay. So the effect adds to the delayed input ::

    y = delayed x + sum of (gain of the band - 1) * band

which is exact where no compressor works, and may be mixed with the dry sound. The frequencies are
moved a little, so that the delays are whole numbers of samples.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from pydantic import Field

from rtaudio.effects.base import Effect, parameter
from rtaudio.runtime.abi import Bus, Node, kernel, state_dtype
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.jit import helper, inlined
from rtaudio.runtime.kernels.compression import NEPER_PER_DB, NOTHING_DB, excess_db
from rtaudio.runtime.kernels.ramp import RAMP, advance, aim, ramp_samples, settled
from rtaudio.runtime.limits import RefusedError
from rtaudio.runtime.slots import Slots
from rtaudio.runtime.words import address_of, f32_at, f64_at, i64_at, struct_at

BANDS = ("low", "low_mid", "high_mid", "high")
PACE = (2.0, 1.0, 0.7, 0.5)
"""Time constants of the bands, as multiples of the parameters: bass needs more time."""

_SPLITS = len(BANDS) - 1
_ROOT2 = math.sqrt(2.0)


def _threshold(what: str) -> float:
    level: float = parameter(-24.0, -60.0, 0.0, "dB", what)
    return level


def _ratio(what: str) -> float:
    ratio: float = parameter(2.0, 1.0, 20.0, ":1", what)
    return ratio


def _gain(what: str) -> float:
    level: float = parameter(0.0, -12.0, 12.0, "dB", what)
    return level


def _crossover(default: float, low: float, high: float, what: str) -> float:
    frequency: float = Field(
        default, ge=low, le=high, description=what, json_schema_extra={"unit": "Hz"}
    )
    return frequency


class MultibandCompressor(Effect):
    """Compress four bands of the spectrum, each by its own threshold, ratio and gain.

    The bands add up to the input exactly: with all ratios at 1 and gains at 0 dB the output is the
    delayed input, bit by bit. The latency is that of the crossovers: 211 samples with the defaults
    at 48 kHz, and less with a higher ``low_hz``, which makes most of it.

    Parameters
    ----------
    low_hz, mid_hz, high_hz
        Where the bands meet, ascending: 60 .. 500, 200 .. 3000 and 1000 .. 16000 Hz. Fixed while it
        plays.
    stereo
        ``"linked"``: one gain for all channels, made from the loudest; ``"left-right"``: each
        channel has its own; ``"mid-side"``: the sum and the difference of left and right have.
        Fixed while it plays.
    low_threshold_db, low_mid_threshold_db, high_mid_threshold_db, high_threshold_db
        Peak level of the band above which its gain falls, -60 .. 0 dBFS.
    low_ratio, low_mid_ratio, high_mid_ratio, high_ratio
        Rise of the band for 1 dB of rise of the output, 1 .. 20.
    low_gain_db, low_mid_gain_db, high_mid_gain_db, high_gain_db
        Gain of the band after its compressor, -12 .. 12 dB.
    attack_ms, release_ms
        Time constants of turning down (0.1 .. 200 ms) and of recovery (5 .. 2000 ms): twice as long
        in the lowest band, half as long in the highest.
    knee_db
        Width of the bend at the threshold, 0 (hard) .. 24 dB.

    Examples
    --------
    >>> glue = MultibandCompressor(low_ratio=3.0, high_threshold_db=-30.0, stereo="mid-side")
    """

    low_hz: float = _crossover(120.0, 60.0, 500.0, "where low and low mid meet")
    mid_hz: float = _crossover(800.0, 200.0, 3000.0, "where low mid and high mid meet")
    high_hz: float = _crossover(5000.0, 1000.0, 16000.0, "where high mid and high meet")
    stereo: Literal["linked", "left-right", "mid-side"] = Field(
        "linked", description="which channels share a gain"
    )
    low_threshold_db: float = _threshold("level above which the gain of low falls")
    low_ratio: float = _ratio("input rise per dB of output rise, low")
    low_gain_db: float = _gain("gain of low")
    low_mid_threshold_db: float = _threshold("level above which the gain of low mid falls")
    low_mid_ratio: float = _ratio("input rise per dB of output rise, low mid")
    low_mid_gain_db: float = _gain("gain of low mid")
    high_mid_threshold_db: float = _threshold("level above which the gain of high mid falls")
    high_mid_ratio: float = _ratio("input rise per dB of output rise, high mid")
    high_mid_gain_db: float = _gain("gain of high mid")
    high_threshold_db: float = _threshold("level above which the gain of high falls")
    high_ratio: float = _ratio("input rise per dB of output rise, high")
    high_gain_db: float = _gain("gain of high")
    attack_ms: float = parameter(15.0, 0.1, 200.0, "ms", "time constant of turning down")
    release_ms: float = parameter(150.0, 5.0, 2000.0, "ms", "time constant of recovery")
    knee_db: float = parameter(6.0, 0.0, 24.0, "dB", "width of the bend at the threshold")

    def build(self, builder: Builder, x: Bus, slots: Slots) -> Bus:
        """Append one node."""
        if not self.low_hz < self.mid_hz < self.high_hz < 0.45 * builder.rate_hz:
            raise RefusedError(
                f"{builder.effect}: low_hz, mid_hz and high_hz must ascend and stay below "
                f"{0.45 * builder.rate_hz:g} Hz, not {self.low_hz:g}, {self.mid_hz:g}, "
                f"{self.high_hz:g}"
            )
        delays = [
            max(1, round(_ROOT2 / math.tan(math.pi * hz / builder.rate_hz)))
            for hz in (self.low_hz, self.mid_hz, self.high_hz)
        ]
        latency = sum(delays)
        mid_side = self.stereo == "mid-side" and x.channels == 2
        groups = 1 if self.stereo == "linked" else x.channels
        bands = np.zeros((groups, len(BANDS)), BAND)
        for column, name in enumerate(BANDS):
            bands["threshold"][:, column] = settled(slots[f"{name}_threshold_db"])
            bands["slope"][:, column] = settled(1.0 - 1.0 / slots[f"{name}_ratio"])
            bands["gain"][:, column] = settled(slots[f"{name}_gain_db"])
            bands["knee"][:, column] = settled(slots["knee_db"])
        node = Node(
            compress_bands,
            latency_samples=latency,
            work={
                "line": np.zeros((x.channels, latency), np.float32),
                "splits": np.zeros((x.channels, 4 * _SPLITS)),
                "delayed": np.zeros((x.channels, 2 * latency)),
                "parts": np.zeros((x.channels, len(BANDS))),
                "bands": bands,
                "changes": np.zeros((groups, len(BANDS))),
                "places": np.zeros(2 * _SPLITS, np.int64),
            },
            constants={
                "thresholds": [slots.slot(f"{name}_threshold_db") for name in BANDS],
                "ratios": [slots.slot(f"{name}_ratio") for name in BANDS],
                "gains": [slots.slot(f"{name}_gain_db") for name in BANDS],
                "pace": np.array(PACE),
                "delays": np.array(delays, np.int64),
            },
            attack_ms=slots.slot("attack_ms"),
            release_ms=slots.slot("release_ms"),
            knee_db=slots.slot("knee_db"),
            rate_hz=builder.rate_hz,
            ramp_samples=ramp_samples(builder.rate_hz),
            latency=latency,
            mid_side=mid_side,
            groups=groups,
        )
        return builder.run(node, x)


BAND = np.dtype(
    [
        ("threshold", RAMP),
        ("slope", RAMP),
        ("gain", RAMP),
        ("knee", RAMP),
        ("held", "f8"),
        ("reduction", "f8"),
        ("attack", "f8"),
        ("release", "f8"),
    ],
    align=True,
)
"""The compressor of a band: see `rtaudio.effects.compressor`."""

STATE = state_dtype(
    ("attack_ms", "i8"),
    ("release_ms", "i8"),
    ("knee_db", "i8"),
    ("rate_hz", "f8"),
    ("ramp_samples", "i8"),
    ("latency", "i8"),
    ("mid_side", "i8"),
    ("groups", "i8"),
    ("position", "i8"),
    ("thresholds", "i8"),
    ("ratios", "i8"),
    ("gains", "i8"),
    ("pace", "i8"),
    ("delays", "i8"),
    ("line", "i8"),
    ("splits", "i8"),
    ("delayed", "i8"),
    ("parts", "i8"),
    ("bands", "i8"),
    ("changes", "i8"),
    ("places", "i8"),
)
"""``groups``: channels with a gain of their own, or 1. ``line``: [channels][latency] input.
``splits``: [channels][3][4] memories of the low-passes. ``delayed``: [channels][2 latency]: for
each split the delayed input of ``delays`` samples, then for each split but the last the band below,
delayed like what follows. ``parts``: [channels][4] the bands of a sample; ``bands``, ``changes``:
[groups][4] compressors, and gain - 1. ``places``: positions in the delays."""

_state_at = struct_at(STATE)
_band_at = struct_at(BAND)
_BAND_BYTES = BAND.itemsize


@inlined
def _low_pass(z, x, g):
    """Return a sample of a Butterworth low-pass of the second order; ``z``: its two memories."""
    band = (z[0] + g * (x - z[1])) / (1.0 + g * (g + _ROOT2))
    low = z[1] + g * band
    z[0] = 2.0 * band - z[0]
    z[1] = 2.0 * low - z[1]
    return low


@helper
def _split(s, channel, x):
    """Write the bands of one sample of a channel to its parts, all delayed by the latency."""
    delays, places = i64_at(s.delays), i64_at(s.places)
    parts = f64_at(s.parts + 8 * len(BANDS) * channel)
    line = s.delayed + 16 * s.latency * channel
    waiting = line + 8 * s.latency
    after = s.latency
    for k in range(_SPLITS):
        delay = delays[k]
        g = _ROOT2 / delay
        z = s.splits + 32 * (_SPLITS * channel + k)
        low = _low_pass(f64_at(z + 16), _low_pass(f64_at(z), x, g), g)
        past = f64_at(line)
        late = past[places[k]]
        past[places[k]] = x
        x = late - low
        line += 8 * delay
        after -= delay
        if after > 0:
            wait = f64_at(waiting)
            parts[k] = wait[places[_SPLITS + k]]
            wait[places[_SPLITS + k]] = low
            waiting += 8 * after
        else:
            parts[k] = low
    parts[_SPLITS] = x


@inlined
def _next_places(s):
    """Move the positions in the delays on by one sample."""
    delays, places = i64_at(s.delays), i64_at(s.places)
    after = s.latency
    for k in range(_SPLITS):
        after -= delays[k]
        places[k] = places[k] + 1 if places[k] + 1 < delays[k] else 0
        here = places[_SPLITS + k] + 1
        places[_SPLITS + k] = here if here < after else 0


@inlined
def _aim(s):
    """Let every compressor aim at the parameters of its band."""
    pace = f64_at(s.pace)
    thresholds, ratios, gains = i64_at(s.thresholds), i64_at(s.ratios), i64_at(s.gains)
    for group in range(s.groups):
        for k in range(len(BANDS)):
            b = _band_at(s.bands + _BAND_BYTES * (len(BANDS) * group + k))
            aim(b.threshold, f32_at(thresholds[k])[0], s.ramp_samples)
            aim(b.slope, 1.0 - 1.0 / float(f32_at(ratios[k])[0]), s.ramp_samples)
            aim(b.gain, f32_at(gains[k])[0], s.ramp_samples)
            aim(b.knee, f32_at(s.knee_db)[0], s.ramp_samples)
            per_ms = -1000.0 / (pace[k] * s.rate_hz)
            b.attack = math.exp(per_ms / f32_at(s.attack_ms)[0])
            b.release = math.exp(per_ms / f32_at(s.release_ms)[0])


@helper
def _change(band, level):
    """Return the gain of a band, less 1, after one more sample of this level."""
    b = _band_at(band)
    threshold, slope = float(advance(b.threshold)), float(advance(b.slope))
    knee, gain_db = float(advance(b.knee)), float(advance(b.gain))
    needed = 0.0
    quiet = math.exp(NEPER_PER_DB * (threshold - knee / 2.0))
    if slope > 0.0 and level > quiet:
        needed = excess_db(level, threshold, slope, knee)
    b.held = max(needed, b.release * b.held + (1.0 - b.release) * needed)
    b.reduction = b.attack * b.reduction + (1.0 - b.attack) * b.held
    if b.reduction > NOTHING_DB:
        gain_db -= b.reduction
    return math.exp(NEPER_PER_DB * gain_db) - 1.0 if gain_db != 0.0 else 0.0


@kernel(STATE)
def compress_bands(state, src, dst, frames):
    """Split, compress the bands, and add what that changes to the delayed input."""
    s = _state_at(address_of(state))
    _aim(s)
    line, parts, changes = f32_at(s.line), f64_at(s.parts), f64_at(s.changes)
    channels, stride, latency, position = s.channels, s.stride, s.latency, s.position
    count = len(BANDS)
    for i in range(frames):
        for channel in range(channels):
            x = float(src[channel * stride + i])
            if s.mid_side != 0:
                left, right = float(src[i]), float(src[stride + i])
                x = 0.5 * (left - right) if channel else 0.5 * (left + right)
            _split(s, channel, x)
        _next_places(s)
        for group in range(s.groups):
            last = channels if s.groups == 1 else group + 1
            for k in range(count):
                level = 0.0
                for channel in range(group, last):
                    level = max(level, abs(parts[count * channel + k]))
                band = s.bands + _BAND_BYTES * (count * group + k)
                changes[count * group + k] = _change(band, level)
        for channel in range(channels):
            own = 0 if s.groups == 1 else count * channel
            change = 0.0
            for k in range(count):
                change += changes[own + k] * parts[count * channel + k]
            parts[count * channel] = change
        for channel in range(channels):
            change = parts[count * channel]
            if s.mid_side != 0:
                side = -parts[count] if channel else parts[count]
                change = parts[0] + side
            at = channel * latency + position
            dst[channel * stride + i] = line[at] + change
            line[at] = src[channel * stride + i]
        position = position + 1 if position + 1 < latency else 0
    s.position = position
    return 0
