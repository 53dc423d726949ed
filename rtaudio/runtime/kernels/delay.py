"""Echo: a delay line with a darkened feedback; a new delay time is cross-faded, not glided to.

::

    src --(+)--> line --tap--+--> dst           ping-pong: two lines, src into the first,
          ^                  |                             each fed back into the other
          +- feedback <- low-pass
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from rtaudio.runtime.abi import Node, kernel, state_dtype
from rtaudio.runtime.kernels.ramp import RAMP, advance, aim, ramp_samples, settled
from rtaudio.runtime.words import address_of, f32_at, struct_at

LONGEST_MS = 2000.0

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
"""``params``: time ms, feedback, high cut Hz. ``line``: [lines][length], the present sample at
``position``. ``tap``: the delay in samples; while ``left`` > 0 it fades to ``next``. ``low``:
[lines] states of the low-pass."""

_state_at = struct_at(STATE)


def delay(params: np.ndarray[Any, Any], rate_hz: int, channels: int, ping_pong: bool) -> Node:
    """Return the node of a delay; a ping-pong delay takes one channel and makes two."""
    lines = 2 if ping_pong else channels
    length = round(LONGEST_MS * rate_hz / 1000.0) + 1
    return Node(
        echo,
        params=params,
        out_channels=lines,
        work={
            "line": np.zeros((lines, length), np.float32),
            "low": np.zeros(lines, np.float32),
        },
        rate_hz=rate_hz,
        ramp_samples=ramp_samples(rate_hz),
        feedback=settled(params[1]),
        ping_pong=ping_pong,
        lines=lines,
        length=length,
        tap=_samples(float(params[0]), rate_hz, length),
    )


def _samples(time_ms, rate_hz, length):  # type: ignore[no-untyped-def]
    """Return a delay in whole samples that fits the line."""
    return max(1, min(length - 1, int(time_ms * rate_hz / 1000.0 + 0.5)))


_samples_compiled = njit(error_model="numpy")(_samples)


@kernel(STATE)
def echo(state, src, dst, frames):  # type: ignore[no-untyped-def]
    """Write the delayed signal to dst; the direct one is not in it."""
    s = _state_at(address_of(state))
    params = f32_at(s.params)
    wanted = _samples_compiled(float(params[0]), s.rate_hz, s.length)
    aim(s.feedback, params[1], s.ramp_samples)
    speed = np.float32(1.0 - math.exp(-2.0 * math.pi * params[2] / s.rate_hz))
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
