"""Leveler: speech and music at one loudness, while it plays.

::

    blocks of 0.4 s (BS.1770) --> gates --> mean of the input  --> target - mean ----+--> goal
                                       +--> mean of the output --> what is missing --+
    gain <-- at most so many dB per second <-- goal

The mean of the input finds the gain; that of the output, over four times as long, takes off the
error that is left because the gain is always late: loud passages that follow soft ones come out too
loud. Silence and what is far below the mean (the gates of BS.1770) change nothing, so that pauses
are not turned up.
"""

from __future__ import annotations

import math

import numpy as np

from rtaudio.effects.base import Effect, parameter, slots_at
from rtaudio.runtime.abi import Bus, Node, kernel, state_dtype
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.jit import helper, inlined
from rtaudio.runtime.kernels.k_weighting import OFFSET_DB, k_weighting, weighted_power
from rtaudio.runtime.kernels.loudness import MOMENTARY_STEPS, STEPS_PER_S, WEIGHTS
from rtaudio.runtime.limits import MAX_CHANNELS
from rtaudio.runtime.slots import Slots
from rtaudio.runtime.words import address_of, f64_at, struct_at

BLOCK_STEPS = 10
"""Steps of 10 ms from one block of 0.4 s to the next."""

RELATIVE_GATE = 0.1
"""Blocks of less than this share of the mean power (-10 LU) do not count."""

PATIENCE_BLOCKS = 50
"""After so many blocks below the relative gate, 5 s, the sound has become softer: start anew."""


MADE_MEMORY = 4
"""The mean of the output reaches back so many times as far as that of the input."""

SETTLING_STEPS, TRUSTED_BLOCKS = 800, 100.0
"""The output counts 8 s after a start, and fully after 10 s more."""

CORRECTION, MOST_CORRECTION_DB = 2.0, 6.0
"""Change of the goal for 1 LU that the output is off, and its limit."""


class Leveler(Effect):
    """Bring the loudness to a target, slowly, and hold the gain through pauses.

    The gain follows the gated mean loudness of the last seconds, which it knows only after they
    have been heard: a sound begins as it is. On music its integrated loudness from the tenth second
    on is within 0.5 LU of the target. Peaks are not limited: end with a
    :class:`~rtaudio.TruePeakLimiter`. All channels share the gain. There is no latency.

    Parameters
    ----------
    target_lufs
        Loudness to reach, -40 .. -5 LUFS.
    memory_s
        Seconds of sound that the mean reaches back, 3 .. 60.
    speed_db
        Most that the gain changes per second, 0.1 .. 20 dB.
    max_boost_db, max_cut_db
        Most that is turned up (0 .. 30) or down (0 .. 30 dB).
    gate_lufs
        What is softer is silence and changes nothing, -70 .. -20 LUFS.

    Notes
    -----
    Loudness and gates as in ITU-R BS.1770-5, with an exponential mean in place of the whole
    programme. A sound that stays 10 LU below the mean for 5 s starts a new mean.

    Examples
    --------
    >>> soft = 0.01 * np.sin(2 * np.pi * 1000 / 48000 * np.arange(20 * 48000))
    >>> out = Leveler(target_lufs=-23.0, max_boost_db=30.0)(soft, 48000)
    >>> from rtaudio.analysis.programme_loudness import programme_loudness
    >>> round(programme_loudness(out[-96000:], 48000).integrated_lufs, 1)
    -23.0
    """

    target_lufs: float = parameter(-16.0, -40.0, -5.0, "LUFS", "loudness to reach")
    memory_s: float = parameter(10.0, 3.0, 60.0, "s", "seconds that the mean reaches back")
    speed_db: float = parameter(3.0, 0.1, 20.0, "dB", "most that the gain changes per second")
    max_boost_db: float = parameter(12.0, 0.0, 30.0, "dB", "most that is turned up")
    max_cut_db: float = parameter(20.0, 0.0, 30.0, "dB", "most that is turned down")
    gate_lufs: float = parameter(-50.0, -70.0, -20.0, "LUFS", "what is softer is silence")

    def build(self, builder: Builder, x: Bus, slots: Slots) -> Bus:
        """Append one node."""
        shelf, high_pass = k_weighting(builder.rate_hz)
        weights = np.ones(MAX_CHANNELS)
        weights[: x.channels] = WEIGHTS.get(x.channels, 1.0)
        node = Node(
            level,
            params=slots,
            work={"z": np.zeros((x.channels, 4)), "ring": np.zeros((2, MOMENTARY_STEPS))},
            constants={"weights": weights},
            shelf=shelf,
            pass_=high_pass,
            step=round(builder.rate_hz / STEPS_PER_S),
            gain=1.0,
            next_gain=1.0,
            settling=SETTLING_STEPS,
        )
        return builder.run(node, x)


STATE = state_dtype(
    ("shelf", "f8", (5,)),
    ("pass_", "f8", (5,)),
    ("step", "i8"),
    ("filled", "i8"),
    ("steps", "i8"),
    ("blocks", "i8"),
    ("made_blocks", "i8"),
    ("refused", "i8"),
    ("settling", "i8"),
    ("present", "f8"),
    ("mean", "f8"),
    ("made", "f8"),
    ("gain_db", "f8"),
    ("gain", "f8"),
    ("next_gain", "f8"),
    ("weights", "i8"),
    ("z", "i8"),
    ("ring", "i8"),
)
"""``present``: power so far of a ``step`` of 10 ms, of which ``filled`` samples have come.
``mean``, ``made``: gated power of the input and of the output, of ``blocks`` and ``made_blocks`` so
far; ``refused``: blocks in a row below the relative gate; ``settling``: steps until the output
counts. ``gain`` goes in a straight line to
``next_gain`` within a step. ``z``: [channels][4]. ``ring``: [2][40] power of input and output."""

_state_at = struct_at(STATE)
_slots_at = slots_at(Leveler)


@inlined
def _loudness(power):
    return OFFSET_DB + 10.0 * math.log10(power)


@helper
def _count_block(s, p):
    """Take one block of 0.4 s into the means, if it passes the gates."""
    ring = f64_at(s.ring)
    power = made = 0.0
    for k in range(MOMENTARY_STEPS):
        power += ring[k]
        made += ring[MOMENTARY_STEPS + k]
    power /= MOMENTARY_STEPS * s.step
    made /= MOMENTARY_STEPS * s.step
    if power <= 0.0 or _loudness(power) < p.gate_lufs:
        return
    if power < RELATIVE_GATE * s.mean:
        s.refused += 1
        if s.refused < PATIENCE_BLOCKS:
            return
        s.blocks = s.made_blocks = 0
        s.made = 0.0
        s.settling = SETTLING_STEPS
    s.refused = 0
    longest = max(1, int(p.memory_s * STEPS_PER_S / BLOCK_STEPS))
    s.blocks = min(s.blocks + 1, longest)
    s.mean += (power - s.mean) / s.blocks
    if s.settling == 0:
        s.made_blocks = min(s.made_blocks + 1, MADE_MEMORY * longest)
        s.made += (made - s.made) / s.made_blocks


@inlined
def _goal_db(s, p):
    """Return the gain that the means ask for."""
    missing = 0.0
    if s.made > 0.0:
        trust = min(1.0, s.made_blocks / TRUSTED_BLOCKS)
        missing = CORRECTION * trust * (p.target_lufs - _loudness(s.made))
        missing = max(-MOST_CORRECTION_DB, min(MOST_CORRECTION_DB, missing))
    goal = p.target_lufs - _loudness(s.mean) + missing
    return max(-float(p.max_cut_db), min(float(p.max_boost_db), goal))


@helper
def _end_step(s, p):
    """End a step of 10 ms: move the gain towards its goal."""
    ring = f64_at(s.ring)
    place = s.steps % MOMENTARY_STEPS
    ring[place] = s.present
    ring[MOMENTARY_STEPS + place] = s.present * s.next_gain * s.next_gain
    s.present = 0.0
    s.filled = 0
    s.steps += 1
    s.settling = max(0, s.settling - 1)
    if s.steps % BLOCK_STEPS == 0 and s.steps >= MOMENTARY_STEPS:
        _count_block(s, p)
    if s.mean > 0.0:
        most = p.speed_db / STEPS_PER_S
        s.gain_db += max(-most, min(most, _goal_db(s, p) - s.gain_db))
    s.gain = s.next_gain
    s.next_gain = 10.0 ** (s.gain_db / 20.0)


@kernel(STATE)
def level(state, src, dst, frames):
    """Measure, and multiply all channels by the gain."""
    s = _state_at(address_of(state))
    p = _slots_at(s.params)
    weights = f64_at(s.weights)
    done = 0
    while done < frames:
        count = min(frames - done, s.step - s.filled)
        slope = (s.next_gain - s.gain) / s.step
        for channel in range(s.channels):
            at = channel * s.stride + done
            x = address_of(src) + 4 * at
            power = weighted_power(x, s.z + 32 * channel, s.shelf, s.pass_, count)
            s.present += weights[channel] * power
            for i in range(count):
                dst[at + i] = (s.gain + slope * (s.filled + i + 1)) * src[at + i]
        s.filled += count
        if s.filled == s.step:
            _end_step(s, p)
        done += count
    return 0
