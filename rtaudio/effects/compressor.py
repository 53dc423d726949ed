"""Compressor: loud notes softer, so that soft ones can be louder.

Feed-forward, level and gain in decibels, smooth decoupled peak detector, after D. Giannoulis,
M. Massberg, J. Reiss, "Digital Dynamic Range Compressor Design - A Tutorial and Analysis", JAES
60(6), 2012: static curve (4), detector (17).
"""

from __future__ import annotations

import math

from rtaudio.effects.base import Effect, parameter, slots_at
from rtaudio.runtime.abi import Bus, Node, kernel, state_dtype
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.kernels.compression import NEPER_PER_DB, NOTHING_DB, excess_db
from rtaudio.runtime.kernels.ramp import RAMP, advance, aim, ramp_samples, settled
from rtaudio.runtime.slots import Slots
from rtaudio.runtime.words import address_of, struct_at


class Compressor(Effect):
    """Turn down what exceeds a threshold, by a ratio.

    All channels share one gain, made from the loudest of them. There is no look-ahead and no
    latency.

    Parameters
    ----------
    threshold_db
        Level above which the gain falls, -60 .. 0 dBFS.
    ratio
        Rise of the input for 1 dB of rise of the output, 1 .. 20.
    attack_ms, release_ms
        Time constants of turning down (0.1 .. 200 ms) and of recovery (5 .. 2000 ms).
    knee_db
        Width of the bend at the threshold, 0 (hard) .. 24 dB.
    makeup_db
        Gain after the compressor, -12 .. 24 dB.

    Examples
    --------
    >>> loud = np.ones(48000, np.float32)
    >>> out = Compressor(threshold_db=-20.0, ratio=4.0, knee_db=0.0)(loud, 48000)
    >>> round(float(20 * np.log10(out[-1])), 2)
    -15.0
    """

    threshold_db: float = parameter(-18.0, -60.0, 0.0, "dB", "level above which the gain falls")
    ratio: float = parameter(4.0, 1.0, 20.0, ":1", "input rise per dB of output rise")
    attack_ms: float = parameter(10.0, 0.1, 200.0, "ms", "time constant of turning down")
    release_ms: float = parameter(120.0, 5.0, 2000.0, "ms", "time constant of recovery")
    knee_db: float = parameter(6.0, 0.0, 24.0, "dB", "width of the bend at the threshold")
    makeup_db: float = parameter(0.0, -12.0, 24.0, "dB", "gain after the compressor")

    def build(self, builder: Builder, x: Bus, slots: Slots) -> Bus:
        """Append one node."""
        node = Node(
            compress,
            params=slots,
            rate_hz=builder.rate_hz,
            ramp_samples=ramp_samples(builder.rate_hz),
            threshold=settled(slots["threshold_db"]),
            slope=settled(1.0 - 1.0 / slots["ratio"]),
            knee=settled(slots["knee_db"]),
            makeup=settled(slots["makeup_db"]),
        )
        return builder.run(node, x)


STATE = state_dtype(
    ("rate_hz", "f8"),
    ("ramp_samples", "i8"),
    ("threshold", RAMP),
    ("slope", RAMP),
    ("knee", RAMP),
    ("makeup", RAMP),
    ("held", "f8"),
    ("reduction", "f8"),
)
"""``slope``: 1 - 1 / ratio. ``held``, ``reduction``: gain reduction in dB after release and after
attack."""

_state_at = struct_at(STATE)
_slots_at = slots_at(Compressor)


@kernel(STATE)
def compress(state, src, dst, frames):
    """Turn all channels down as far as the loudest of them needs."""
    s = _state_at(address_of(state))
    p = _slots_at(s.params)
    aim(s.threshold, p.threshold_db, s.ramp_samples)
    aim(s.slope, 1.0 - 1.0 / p.ratio, s.ramp_samples)
    aim(s.knee, p.knee_db, s.ramp_samples)
    aim(s.makeup, p.makeup_db, s.ramp_samples)
    attack = math.exp(-1000.0 / (p.attack_ms * s.rate_hz))
    release = math.exp(-1000.0 / (p.release_ms * s.rate_hz))
    channels, stride = s.channels, s.stride
    held, reduction = s.held, s.reduction
    moving = True
    for i in range(frames):
        if moving:
            threshold, slope = float(advance(s.threshold)), float(advance(s.slope))
            knee, makeup = float(advance(s.knee)), float(advance(s.makeup))
            quiet = math.exp(NEPER_PER_DB * (threshold - knee / 2.0))
            idle = math.exp(NEPER_PER_DB * makeup)
            moving = s.threshold.left + s.slope.left + s.knee.left + s.makeup.left > 0
        level = abs(src[i])
        for channel in range(1, channels):
            level = max(level, abs(src[channel * stride + i]))
        needed = excess_db(level, threshold, slope, knee) if level > quiet else 0.0
        held = max(needed, release * held + (1.0 - release) * needed)
        reduction = attack * reduction + (1.0 - attack) * held
        gain = idle
        if reduction > NOTHING_DB:
            gain = math.exp(NEPER_PER_DB * (makeup - reduction))
        for channel in range(channels):
            dst[channel * stride + i] = gain * src[channel * stride + i]
    s.held, s.reduction = held, reduction
    return 0
