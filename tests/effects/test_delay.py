"""The delay against a loop over lists."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rtaudio as rt

RATE = 48000


def reference(x, effect, rate=RATE):
    """Echoes of planar audio; a list that grows by one sample at a time is the delay line."""
    lag = round(effect.time_ms * rate / 1000)
    speed = 1 - np.exp(-2 * np.pi * effect.high_cut_hz / rate)
    inputs = x.astype(float)
    if effect.ping_pong:
        inputs = np.stack([inputs.mean(axis=0), np.zeros(x.shape[1])])
    lines = [[0.0] * lag for _ in inputs]
    low = np.zeros(len(inputs))
    out = np.zeros_like(inputs)
    for n in range(x.shape[1]):
        out[:, n] = [line[n] for line in lines]
        low += speed * (out[:, n] - low)
        fed = low[::-1] if effect.ping_pong else low
        for line, direct, back in zip(lines, inputs[:, n], fed, strict=True):
            line.append(direct + effect.feedback * back)
    return out


@settings(deadline=None, max_examples=15, derandomize=True)
@given(
    rate=st.sampled_from([44100, 48000, 96000]),
    channels=st.integers(1, 2),
    time_ms=st.floats(1, 40),
    feedback=st.floats(0, 0.95),
    high_cut_hz=st.floats(500, 20000),
    ping_pong=st.booleans(),
)
def test_follows_its_description(rate, channels, **parameters):
    x = np.random.default_rng(0).standard_normal((channels, 4000)).astype(np.float32)
    effect = rt.Delay(mix=1.0, **parameters)
    out = np.atleast_2d(effect(x, rate))
    np.testing.assert_allclose(out, reference(x, effect, rate), atol=2e-5)


def test_reaches_two_seconds():
    x = np.zeros(96001, np.float32)
    x[0] = 1.0
    assert rt.Delay(time_ms=2000, mix=1.0)(x, RATE)[96000] == 1.0


def test_the_dry_signal_is_in_time_and_mixed_in():
    x = np.random.default_rng(0).standard_normal(4000).astype(np.float32)
    out = rt.Delay(time_ms=50, mix=0.25)(x, RATE)
    np.testing.assert_allclose(out[:2400], 0.75 * x[:2400], atol=1e-6)


def test_ping_pong_alternates_left_and_right():
    x = np.zeros(4000, np.float32)
    x[0] = 1.0
    out = rt.Delay(time_ms=1000 / 48, feedback=0.5, ping_pong=True, mix=1.0)(x, RATE)
    left, right = np.abs(out)
    assert (left[1000], right[1000]) == (1.0, 0.0)
    assert right[2000] > 0.1
    assert left[2000] == 0.0
    assert left[3000] > 0.05


def test_a_new_time_is_reached_by_a_cross_fade(play):
    """A constant level stays constant while the time changes: nothing is skipped or doubled."""
    program = rt.Delay(time_ms=100, feedback=0.0, mix=1.0).compile(RATE, 64)
    changes = {20000: {("delay", "time_ms"): 5.0}, 20100: {("delay", "time_ms"): 300.0}}
    out = play(program, np.ones(40000), [64], changes)[0]
    np.testing.assert_array_equal(out[:4800], 0.0)
    np.testing.assert_array_equal(out[4800:], 1.0)


def test_a_changed_time_is_exact_afterwards(play):
    program = rt.Delay(time_ms=100, feedback=0.0, mix=1.0).compile(RATE, 64)
    x = np.random.default_rng(0).standard_normal(20000).astype(np.float32)
    out = play(program, x, [61], {7000: {("delay", "time_ms"): 12.5}})[0]
    np.testing.assert_array_equal(out[7960:], x[7960 - 600 : -600])
    assert out[6999] == pytest.approx(x[2199])
