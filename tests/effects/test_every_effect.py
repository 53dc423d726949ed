"""What holds for every effect: block sizes, latency, no clicks, recovery from NaN."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rtaudio as rt

SMEARED = np.exp(-np.arange(3000) / 400.0) * np.cos(0.1 * np.arange(3000))
EFFECTS = {
    "cabinet": lambda: rt.Cabinet.from_array(SMEARED, 48000),
    "compressor": lambda: rt.Compressor(threshold_db=-30.0, makeup_db=3.0),
    "dc_block": lambda: rt.DcBlock(),
    "delay": lambda: rt.Delay(time_ms=20.0, feedback=0.6),
    "dither": lambda: rt.Dither(bits=16),
    "dynamic_equalizer": lambda: rt.DynamicEqualizer(
        band1_range_db=-6, band2_range_db=6, band3_range_db=-12
    ),
    "equalizer": lambda: rt.Equalizer(
        low_cut_hz=40, low_shelf_db=4, peak1_db=-5, peak2_db=3, peak3_db=2, high_shelf_db=-3
    ),
    "gain": lambda: rt.Gain(gain_db=-3.0),
    "delay_ping_pong": lambda: rt.Delay(time_ms=30.0, ping_pong=True),
    "leveler": lambda: rt.Leveler(target_lufs=-20.0, speed_db=20.0),
    "limiter": lambda: rt.Limiter(ceiling_db=-12.0),
    "match": lambda: rt.Match(6.0 * np.sin(np.arange(31.0))),
    "match_linear": lambda: rt.Match(6.0 * np.sin(np.arange(31.0)), phase="linear"),
    "multiband_compressor": lambda: rt.MultibandCompressor(low_gain_db=3.0),
    "multiband_compressor_mid_side": lambda: rt.MultibandCompressor(stereo="mid-side"),
    "noise_gate": lambda: rt.NoiseGate(threshold_db=-20.0, hold_ms=10.0),
    "saturator": lambda: rt.Saturator(drive_db=12.0),
    "tilt": lambda: rt.Tilt(db_per_octave=1.5),
    "tone_stack": lambda: rt.ToneStack(bass=7.0, middle=3.0, treble=6.5),
    "true_peak_limiter": lambda: rt.TruePeakLimiter(ceiling_db=-12.0),
    "width": lambda: rt.Width(mono_hz=150.0, low_width=0.5, high_width=1.5),
}
EARLY = {
    "match_linear", "multiband_compressor", "multiband_compressor_mid_side", "saturator"
}  # fmt: skip
"""Their filters answer before their centre, which is what is reported of them."""
every_effect = pytest.mark.parametrize("kind", sorted(EFFECTS))


def noise(frames, channels=1, seed=0):
    bursts = np.repeat(np.random.default_rng(seed + 1).random(-(-frames // 500)) ** 3, 500)[:frames]
    return (bursts * np.random.default_rng(seed).standard_normal((channels, frames))).astype("f4")


@every_effect
@settings(deadline=None, max_examples=15, derandomize=True)
@given(
    splits=st.lists(st.integers(1, 4096), min_size=1, max_size=8),
    channels=st.integers(1, 2),
    rate=st.sampled_from([44100, 48000, 96000]),
    seed=st.integers(0, 99),
)
def test_the_result_does_not_depend_on_the_block_size(play, kind, splits, channels, rate, seed):
    x = noise(6000, channels, seed)
    whole = play(EFFECTS[kind]().compile(rate, 6000, in_channels=channels), x, [6000])
    blocks = play(EFFECTS[kind]().compile(rate, 4096, in_channels=channels), x, splits)
    np.testing.assert_array_equal(blocks, whole)


@every_effect
@pytest.mark.parametrize("rate", [44100, 48000, 96000])
def test_the_reported_latency_is_the_measured_one(play, kind, rate):
    program = EFFECTS[kind]().compile(rate, 64)
    impulse = np.zeros(6000, np.float32)
    impulse[100] = 1.0
    out = play(program, impulse)[0]
    first = 100 + program.latency_samples
    if kind in EARLY:
        assert np.argmax(np.abs(out)) == first
        return
    assert not out[:first].any()
    assert np.abs(out[first]) > 0.2 * np.abs(out).max()


@every_effect
def test_bypass_and_mix_0_are_a_pure_delay(play, kind):
    x = noise(5000)
    for setting in ({"bypass": True}, {"mix": 0.0}):
        effect = EFFECTS[kind]()
        for name, value in setting.items():
            setattr(effect, name, value)
        program = effect.compile(48000, 64)
        lag = program.latency_samples
        np.testing.assert_array_equal(play(program, x)[0, lag:], x[0, : 5000 - lag])


def live_parameters():
    for kind in sorted(EFFECTS):
        yield kind, "bypass"
        yield from ((kind, name) for name in ["mix", *EFFECTS[kind]().live_parameters()])


@pytest.mark.parametrize(("kind", "parameter"), list(live_parameters()))
def test_no_change_of_a_parameter_clicks(play, kind, parameter):
    """A slow sine has no large steps; neither has it while a parameter jumps to and fro."""
    effect = EFFECTS[kind]()
    limits = {"ge": 0.0, "le": 1.0}
    for rule in type(effect).model_fields[parameter].metadata:
        limits |= {key: getattr(rule, key) for key in ("ge", "le") if hasattr(rule, key)}
    program = effect.compile(48000, 64)
    name = program.plan.effects[0]
    ends = [limits["le"], limits["ge"], limits["le"]]
    changes = {12000 * (k + 1): {(name, parameter): value} for k, value in enumerate(ends)}
    sine = 0.5 * np.sin(2 * np.pi * 60.0 / 48000 * np.arange(48000))
    out = play(program, sine, [64], changes)[0]
    step = np.abs(np.diff(out, prepend=0.0))
    calm = max(step[at - 2000 : at].max() for at in (12000, 24000, 36000, 48000))
    loudest = np.abs(out).max()
    assert step.max() <= 2.0 * calm + 0.012 * loudest


@every_effect
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_a_broken_sample_is_muted_counted_and_survived(play, kind, poison):
    x = 0.5 * np.sin(2 * np.pi * 0.01 * np.arange(48000)).astype("f4")
    x[7000] = poison
    program = EFFECTS[kind]().compile(48000, 64)
    out = play(program, x)[0]
    assert np.isfinite(out).all()
    assert sum(program.faults.values()) > 0
    assert np.abs(out[40000:]).max() > 0.05
