"""Delay: echoes, from a line with a darkened feedback.

::

    src --(+)--> line --tap--+--> dst           ping-pong: two lines, src into the first,
          ^                  |                             each fed back into the other
          +- feedback <- low-pass

A new delay time is cross-faded to; it does not glide, which would bend the pitch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numba.extending import register_jitable
from pydantic import Field

from rtaudio.effects.base import Effect, parameter, slots_at
from rtaudio.runtime.abi import Bus, Node, kernel, state_dtype
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.kernels.ramp import RAMP, advance, aim, ramp_samples, settled
from rtaudio.runtime.slots import Slots
from rtaudio.runtime.words import address_of, f32_at, struct_at

LONGEST_MS = 2000.0


class Delay(Effect):
    """Repeat the signal, each time softer and darker.

    Parameters
    ----------
    time_ms
        Time between two echoes, 1 .. 2000 ms, in whole samples; a change is a 20 ms cross-fade.
    feedback
        Level of an echo against the one before, 0 .. 0.95.
    high_cut_hz
        Each further echo is low-passed here (first order), 500 .. 20000 Hz.
    ping_pong
        True makes stereo: echoes alternate between left and right, beginning on the left. Fixed
        while it plays.
    mix
        0 dry .. 1 echoes only.

    Examples
    --------
    >>> echoes = Delay(time_ms=1000 / 48, feedback=0.5, high_cut_hz=20000.0, mix=1.0)
    >>> click = np.zeros(4800, np.float32); click[0] = 1.0
    >>> int(np.argmax(echoes(click, 48000)))
    1000
    """

    if not TYPE_CHECKING:  # to type checkers, mix stays a keyword
        mix: float = parameter(0.35, 0.0, 1.0, "", "0 dry .. 1 echoes only")
    time_ms: float = parameter(350.0, 1.0, LONGEST_MS, "ms", "time between two echoes")
    feedback: float = parameter(0.35, 0.0, 0.95, "", "level of an echo against the one before")
    high_cut_hz: float = parameter(5000.0, 500.0, 20000.0, "Hz", "low-pass of each further echo")
    ping_pong: bool = Field(default=False, description="echoes alternate left and right")

    def build(self, builder: Builder, x: Bus, slots: Slots) -> Bus:
        """Append one node; a ping-pong delay takes one channel and makes two."""
        if self.ping_pong:
            x = builder.adapt(x, 1)
        lines = 2 if self.ping_pong else x.channels
        length = round(LONGEST_MS * builder.rate_hz / 1000.0) + 1
        node = Node(
            echo,
            params=slots,
            out_channels=lines,
            work={
                "line": np.zeros((lines, length), np.float32),
                "low": np.zeros(lines, np.float32),
            },
            rate_hz=builder.rate_hz,
            ramp_samples=ramp_samples(builder.rate_hz),
            feedback=settled(slots["feedback"]),
            ping_pong=self.ping_pong,
            lines=lines,
            length=length,
            tap=_tap_samples(slots["time_ms"], builder.rate_hz, length),
        )
        return builder.run(node, x)


STATE = state_dtype(
    ("rate_hz", "f8"),
    ("ramp_samples", "i8"),
    ("feedback", RAMP),
    ("ping_pong", "i8"),
    ("lines", "i8"),
    ("length", "i8"),
    ("position", "i8"),
    ("tap", "i8"),
    ("next", "i8"),
    ("left", "i8"),
    ("line", "i8"),
    ("low", "i8"),
)
"""``line``: [lines][length], the present sample at
``position``. ``tap``: the delay in samples; while ``left`` > 0 it fades to ``next``. ``low``:
[lines] states of the low-pass."""

_state_at = struct_at(STATE)
_slots_at = slots_at(Delay)


@register_jitable(error_model="numpy")
def _tap_samples(time_ms, rate_hz, length):
    """Return a delay in whole samples that fits the line."""
    return max(1, min(length - 1, int(time_ms * rate_hz / 1000.0 + 0.5)))


@kernel(STATE)
def echo(state, src, dst, frames):
    """Write the delayed signal to dst; the direct one is not in it."""
    s = _state_at(address_of(state))
    p = _slots_at(s.params)
    wanted = _tap_samples(float(p.time_ms), s.rate_hz, s.length)
    aim(s.feedback, p.feedback, s.ramp_samples)
    speed = np.float32(1.0 - math.exp(-2.0 * math.pi * p.high_cut_hz / s.rate_hz))
    line, low = f32_at(s.line), f32_at(s.low)
    lines, length, stride, fade = s.lines, s.length, s.stride, s.ramp_samples
    position, tap, follower, left = s.position, s.tap, s.next, s.left
    for i in range(frames):
        if left == 0 and wanted != tap:
            follower, left = wanted, fade
        here = position - tap if position >= tap else position - tap + length
        there = position - follower if position >= follower else position - follower + length
        progress = np.float32(1.0) - np.float32(left) / np.float32(fade)
        for k in range(lines):
            delayed = line[k * length + here]
            if left > 0:
                delayed += progress * (line[k * length + there] - delayed)
            dst[k * stride + i] = delayed
            low[k] += speed * (delayed - low[k])
        feedback = advance(s.feedback)
        for k in range(lines):
            if s.ping_pong == 0:
                line[k * length + position] = src[k * stride + i] + feedback * low[k]
            else:
                direct = src[i] if k == 0 else np.float32(0.0)
                line[k * length + position] = direct + feedback * low[1 - k]
        if left > 0:
            left -= 1
            if left == 0:
                tap = follower
        position = position + 1 if position + 1 < length else 0
    s.position, s.tap, s.next, s.left = position, tap, follower, left
    return 0
