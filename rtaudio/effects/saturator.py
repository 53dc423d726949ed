r"""Saturator: soft clipping at four times the sample rate.

::

    src --+--> 4 x --> y = curve(x) - x --> low-pass, back to 1 x --+--> dst
          +-------------------- delay -----------------------------+

Only the difference that the curve makes is oversampled. So what the curve leaves alone passes bit
by bit, up to half the sample rate. The low-passes are those of the oversampled models.
"""

from __future__ import annotations

import math

import numpy as np

from rtaudio.effects.base import Effect, parameter, slots_at
from rtaudio.runtime.abi import Bus, Node, kernel, state_dtype
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.decibels import from_db
from rtaudio.runtime.kernels.fir import add_filtered
from rtaudio.runtime.kernels.ramp import RAMP, advance, aim, ramp_samples, settled
from rtaudio.runtime.kernels.resampler import low_pass, move_down, polyphase
from rtaudio.runtime.slots import Slots
from rtaudio.runtime.words import address_of, copy_bytes, f32_at, fill_bytes, struct_at

FACTOR = 4
CHUNK = 64


class Saturator(Effect):
    """Round off peaks, which adds odd harmonics: ``x / sqrt(1 + (drive x)^2)``.

    Soft sound keeps its level, whatever the drive; loud sound becomes denser. Runs at four times
    the sample rate, so that harmonics do not fold back as false tones. At a drive of 0 dB the
    output is the delayed input, bit by bit. The latency is that of the filters: 41 samples at
    48 kHz.

    Parameters
    ----------
    drive_db
        How early the curve bends, 0 (never) .. 36 dB: the output cannot exceed 1 / (drive - 1).
    output_db
        Gain after the curve, -24 .. 24 dB.

    Examples
    --------
    >>> sine = np.sin(0.1 * np.arange(4800, dtype=np.float32))
    >>> bool(abs(Saturator(drive_db=6.0)(sine, 48000)).max() < 0.72)
    True
    """

    drive_db: float = parameter(6.0, 0.0, 36.0, "dB", "how early the curve bends; 0 is never")
    output_db: float = parameter(0.0, -24.0, 24.0, "dB", "gain after the curve")

    def build(self, builder: Builder, x: Bus, slots: Slots) -> Bus:
        """Append one node."""
        taps = low_pass(builder.rate_hz, FACTOR * builder.rate_hz, half_multiple=FACTOR // 2)
        split = polyphase(taps, FACTOR)
        count = split.shape[1]
        latency = (len(taps) - 1) // FACTOR
        node = Node(
            saturate,
            latency_samples=latency,
            params=slots,
            work={
                "past": np.zeros((x.channels, count - 1 + CHUNK), np.float32),
                "made": np.zeros((x.channels, FACTOR, count + CHUNK), np.float32),
                "line": np.zeros((x.channels, latency + CHUNK), np.float32),
                "sum": np.zeros(CHUNK, np.float32),
                "drives": np.zeros(CHUNK, np.float32),
                "gains": np.zeros(CHUNK, np.float32),
            },
            constants={"split": split, "join": split[-np.arange(FACTOR)] / FACTOR},
            taps=count,
            delay=latency,
            ramp_samples=ramp_samples(builder.rate_hz),
            drive=settled(from_db(slots["drive_db"]) - 1.0),
            gain=settled(from_db(slots["output_db"])),
        )
        return builder.run(node, x)


STATE = state_dtype(
    ("taps", "i8"),
    ("delay", "i8"),
    ("ramp_samples", "i8"),
    ("drive", RAMP),
    ("gain", RAMP),
    ("split", "i8"),
    ("join", "i8"),
    ("past", "i8"),
    ("made", "i8"),
    ("line", "i8"),
    ("sum", "i8"),
    ("drives", "i8"),
    ("gains", "i8"),
)
"""``split``, ``join``: [4][taps]. Of each channel: ``past``: taps - 1 samples, then a chunk.
``made``: [4] phases of what the curve adds, each taps past values, then a chunk. ``line``: the
delayed input."""

_state_at = struct_at(STATE)
_slots_at = slots_at(Saturator)


@kernel(STATE)
def saturate(state, src, dst, frames):
    """Add what the curve changes to the delayed input."""
    s = _state_at(address_of(state))
    p = _slots_at(s.params)
    aim(s.drive, from_db(p.drive_db) - 1.0, s.ramp_samples)
    aim(s.gain, from_db(p.output_db), s.ramp_samples)
    taps, delay = s.taps, s.delay
    total, drives, gains = f32_at(s.sum), f32_at(s.drives), f32_at(s.gains)
    past_row, made_row, line_row = 4 * (taps - 1 + CHUNK), 4 * (taps + CHUNK), 4 * (delay + CHUNK)
    done = 0
    while done < frames:
        count = min(frames - done, CHUNK)
        for i in range(count):
            drives[i], gains[i] = advance(s.drive), advance(s.gain)
        for channel in range(s.channels):
            at = 4 * (channel * s.stride + done)
            past, line = s.past + past_row * channel, s.line + line_row * channel
            copy_bytes(past + 4 * (taps - 1), address_of(src) + at, 4 * count)
            copy_bytes(line + 4 * delay, address_of(src) + at, 4 * count)
            copy_bytes(s.sum, line, 4 * count)
            for phase in range(FACTOR):
                made = s.made + made_row * (FACTOR * channel + phase)
                new = made + 4 * taps
                fill_bytes(new, 0, 4 * count)
                add_filtered(past, s.split + 4 * taps * phase, new, taps, count)
                value = f32_at(new)
                for i in range(count):
                    bent = np.float32(drives[i] * value[i])
                    curve = np.float32(1.0) / np.float32(math.sqrt(np.float32(1.0) + bent * bent))
                    value[i] *= curve - np.float32(1.0)
                # Phase 0 lies at the time of an output sample, the others after it: the next
                # sample gets them.
                first = made + 4 * (1 if phase == 0 else 0)
                add_filtered(first, s.join + 4 * taps * phase, s.sum, taps, count)
                move_down(made, count, taps)
            out = f32_at(address_of(dst) + at)
            for i in range(count):
                out[i] = gains[i] * total[i]
            move_down(past, count, taps - 1)
            move_down(line, count, delay)
        done += count
    return 0
