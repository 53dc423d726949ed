"""The gate against a loop written from its description, and after a model."""

from __future__ import annotations

import numpy as np
import pytest

import rtaudio as rt
from rtaudio.effects.base import Effect

RATE = 48000


class Lag(rt.Model):
    """A stand-in for a model: passes the signal, 37 samples late."""

    def build(self, builder, x, slots):
        return builder.delay_to(x, x.latency_samples + 37)

    live_values = Effect.live_values


LAG = Lag.model_construct()


def reference(x, gate, rate=RATE):
    """Gain curve of a gate for planar audio."""
    opens = 10 ** (gate.threshold_db / 20)
    stays = 10 ** ((gate.threshold_db - gate.hysteresis_db) / 20)
    floor = 10 ** (gate.range_db / 20)
    hold, gain, curve = 0, floor, []
    for level in np.abs(x).max(axis=0):
        if level >= (stays if hold else opens):
            hold = int(gate.hold_ms * rate / 1000)
        else:
            hold = max(0, hold - 1)
        target, time_ms = (1.0, gate.attack_ms) if hold else (floor, gate.release_ms)
        gain += (target - gain) * (1 - np.exp(-1000 / (time_ms * rate)))
        curve.append(gain)
    return np.array(curve)


def plucks(channels):
    rng = np.random.default_rng(3)
    envelope = np.exp(-(np.arange(24000) % 6000) / 500.0)
    return (envelope * rng.standard_normal((channels, 24000)) * 0.3).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 2])
def test_follows_its_description(channels):
    gate = rt.NoiseGate(threshold_db=-30, hold_ms=12, attack_ms=0.5, release_ms=30, range_db=-60)
    x = plucks(channels)
    np.testing.assert_allclose(gate(x, RATE), x * reference(x, gate), atol=1e-6)


def test_stereo_channels_share_one_gain():
    loud, quiet = plucks(1)[0], np.full(24000, 1e-3, np.float32)
    gate = rt.NoiseGate(threshold_db=-30)
    curve = gate(np.stack([loud, quiet]), RATE)[1] / 1e-3
    np.testing.assert_allclose(curve, reference(loud[None], gate), atol=1e-5)


def test_in_front_of_a_model_it_acts_behind_it_in_time(play):
    gate = rt.NoiseGate(threshold_db=-30, hold_ms=12, name="hush")
    program = rt.Chain([gate, LAG]).compile(RATE, 64)
    x = plucks(1)
    out = play(program, x)[0]
    expected = x[0] * reference(x, gate)
    assert program.latency_samples == 37
    np.testing.assert_allclose(out[37:], expected[:-37], atol=1e-6)
    assert program.plan.latency_parts == {"hush": 0, "lag": 37}


def test_behind_a_model_mix_and_bypass_are_live_and_do_not_click(play):
    program = rt.Chain([rt.NoiseGate(threshold_db=0.0, name="hush"), LAG]).compile(RATE, 64)
    sine = 0.25 * np.sin(2 * np.pi * 60 / RATE * np.arange(RATE)).astype(np.float32)
    changes = {
        12000: {("hush", "bypass"): 1.0},
        24000: {("hush", "bypass"): 0.0},
        36000: {("hush", "mix"): 0.5},
    }
    out = play(program, sine, [64], changes)[0]
    level = [np.abs(out[at - 2000 : at]).max() for at in (12000, 24000, 36000, 48000)]
    np.testing.assert_allclose(level, [0.0, 0.25, 0.0, 0.125], atol=1e-3)
    assert np.abs(np.diff(out)).max() < 0.25 * (2 * np.pi * 60 / RATE + 2 / 960)


def test_two_gates_before_one_model_have_their_own_names():
    program = rt.Chain([rt.NoiseGate(), rt.NoiseGate(), LAG]).compile(RATE, 64)
    assert {"noise_gate", "noise_gate-2"} <= set(program.plan.effects)
