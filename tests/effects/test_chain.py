"""Chains: order, channels, names, latency compensation, mix and bypass of containers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rtaudio as rt
from rtaudio.errors import ParameterError
from rtaudio.runtime.offline import run

RATE = 48000
NOISE = np.random.default_rng(0).uniform(-0.2, 0.2, 4000).astype(np.float32)


def test_an_empty_chain_is_a_wire():
    np.testing.assert_array_equal(rt.Chain([])(NOISE, RATE), NOISE)


def test_effects_run_in_order():
    clipped_then_quiet = rt.Chain(
        [rt.Gain(gain_db=40.0), rt.Limiter(ceiling_db=-6.0), rt.Gain(gain_db=-20.0)]
    )
    quiet_then_clipped = rt.Chain(
        [rt.Gain(gain_db=-20.0), rt.Gain(gain_db=40.0), rt.Limiter(ceiling_db=-6.0)]
    )
    first, second = clipped_then_quiet(NOISE, RATE), quiet_then_clipped(NOISE, RATE)
    assert np.max(np.abs(first)) <= 0.0502
    assert np.max(np.abs(second)) > 0.4


def test_parallel_paths_arrive_together():
    late = rt.Branch([rt.Limiter(ceiling_db=0.0, lookahead_ms=3.0)])
    both = rt.Parallel([late, rt.Branch([])])
    program = both.compile(RATE, 64)
    assert program.latency_samples > 0
    np.testing.assert_allclose(both(NOISE, RATE), 2 * NOISE, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    pans=st.lists(st.floats(-1, 1), min_size=1, max_size=4),
    gains=st.lists(st.floats(-40, 6), min_size=4, max_size=4),
    delays=st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.5]), min_size=4, max_size=4),
)
def test_parallel_equals_its_formula(pans, gains, delays):
    def path(pan, gain, late):
        inside = [rt.Limiter(ceiling_db=0.0, lookahead_ms=late)] if late else []
        return rt.Branch(inside, pan=pan, gain_db=gain)

    paths = [path(*spec) for spec in zip(pans, gains, delays, strict=False)]
    out = np.atleast_2d(rt.Parallel(paths)(NOISE, RATE))
    stereo = any(pans)
    assert len(out) == (2 if stereo else 1)
    for channel, side in zip(out, (-1.0, 1.0), strict=False):
        factor = sum(
            10 ** (gain / 20) * (min(1.0, 1.0 + side * pan) if stereo else 1.0)
            for pan, gain in zip(pans, gains, strict=False)
        )
        np.testing.assert_allclose(channel, factor * NOISE, atol=1e-5)


def test_gain_and_pan_of_a_path_are_live():
    parallel = rt.Parallel(
        [rt.Branch([], name="left", pan=-1.0), rt.Branch([], name="right", pan=1.0)]
    )
    program = parallel.compile(RATE, 64)
    ones = np.ones((1, 6400), np.float32)
    np.testing.assert_allclose(run(program, ones)[:, -1], [1.0, 1.0])
    program.set("left.gain_db", -80.0)
    program.set("right.pan", 0.0)
    out = run(program, ones)
    np.testing.assert_allclose(out[:, -1], [1.0 + 1e-4, 1.0], rtol=1e-5)
    assert np.max(np.abs(np.diff(out))) < 2 / 900


def test_bypass_of_a_whole_chain_keeps_its_delay():
    chain = rt.Chain([rt.Gain(gain_db=20.0), rt.Limiter(ceiling_db=-12.0)], name="all")
    program = chain.compile(RATE, 64)
    run(program, np.tile(NOISE, (1, 2))[:, :6400])
    program.set("all.bypass", True)
    long = np.tile(NOISE, (1, 3))[:, : 64 * 180]
    out = run(program, long)[0]
    late = program.latency_samples
    np.testing.assert_array_equal(out[2000:], long[0, 2000 - late : -late])


def test_mix_is_a_blend_in_time():
    effect = rt.Limiter(ceiling_db=0.0, mix=0.5)
    np.testing.assert_allclose(effect(NOISE, RATE), NOISE, atol=1e-6)
    half = rt.Chain([rt.Gain(gain_db=-80.0)], mix=0.25)
    np.testing.assert_allclose(half(NOISE, RATE), 0.75 * NOISE, atol=1e-4)


def test_names_are_made_unique_and_settable():
    chain = rt.Chain([rt.Gain(), rt.Gain(), rt.Gain(name="last")])
    program = chain.compile(RATE, 64)
    assert set(program.plan.effects) == {"chain", "gain", "gain-2", "last"}
    program.set("gain-2.gain_db", -6.0)
    assert [e.gain_db for e in chain.effects] == [0.0, -6.0, 0.0]


@pytest.mark.parametrize(("channels", "wanted"), [(1, 1), (2, 2), (1, 2), (2, 1)])
def test_channels_are_adapted(channels, wanted):
    x = np.stack([NOISE * (k + 1) for k in range(channels)])
    out = rt.Chain([rt.Gain()])(x, RATE, out_channels=wanted)
    assert out.shape == (wanted, NOISE.size)
    expected = x if channels == wanted else np.tile(x.mean(axis=0), (wanted, 1))
    np.testing.assert_allclose(out, expected, atol=1e-6)


@pytest.mark.parametrize("bad", [np.zeros(0), np.zeros((2, 0)), np.zeros((2, 3, 4))])
def test_audio_of_a_wrong_shape_is_refused(bad):
    with pytest.raises(ValueError, match="audio must be"):
        rt.Chain([])(bad, RATE)


def test_fields_are_checked_when_made_and_when_assigned():
    gain = rt.Gain()
    for value in (99.0, float("nan"), "loud"):
        with pytest.raises(ParameterError):
            gain.gain_db = value
        with pytest.raises(ParameterError):
            rt.Gain(gain_db=value)
    with pytest.raises(ParameterError):
        rt.Gain(gain=1.0)
    with pytest.raises(ParameterError):
        rt.Parallel([])


def test_two_effects_of_one_name_are_refused_and_nameless_ones_are_numbered():
    both = rt.Chain([rt.Gain(name="drive"), rt.Gain(), rt.Gain(name="drive")])
    with pytest.raises(ValueError, match="two effects are named 'drive'; give each its own name"):
        both.compile(48000, 64)
    program = rt.Chain([rt.Gain(name="drive"), rt.Gain(), rt.Gain()]).compile(48000, 64)
    assert list(program.plan.effects) == ["chain", "drive", "gain", "gain-2"]


def test_true_is_no_number():
    with pytest.raises(ValueError, match=r"gain\.gain_db = True is not a number in -80 \.\. 40 dB"):
        rt.Gain(gain_db=True)
    program = rt.Gain(name="g").compile(48000, 64)
    with pytest.raises(ValueError, match=r"g\.gain_db = True is not a number in -80 \.\. 40 dB"):
        program.set("g.gain_db", True)
    program.set("g.bypass", True)


def test_an_array_on_its_side_is_refused_at_once():
    with pytest.raises(ValueError, match=r"\[channels, frames\], not \(4800, 2\).*\.T"):
        rt.Gain()(np.zeros((4800, 2), np.float32), 48000)
