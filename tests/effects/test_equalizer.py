"""The equalizer against scipy and the cookbook."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import sosfilt, sosfreqz

import rtaudio as rt


def sections(cookbook, eq, rate):
    sos = [
        cookbook("low_shelf", eq.low_shelf_hz, rate, eq.low_shelf_db),
        cookbook("peak", eq.peak1_hz, rate, eq.peak1_db, eq.peak1_q),
        cookbook("peak", eq.peak2_hz, rate, eq.peak2_db, eq.peak2_q),
        cookbook("peak", eq.peak3_hz, rate, eq.peak3_db, eq.peak3_q),
        cookbook("high_shelf", eq.high_shelf_hz, rate, eq.high_shelf_db),
    ]
    if eq.low_cut_hz > 10:
        sos.append(cookbook("low_cut", eq.low_cut_hz, rate))
    if eq.high_cut_hz < 22000:
        sos.append(cookbook("high_cut", eq.high_cut_hz, rate))
    return np.array([row / row[3] for row in sos])


levels = st.floats(-24, 24, width=32)


@settings(deadline=None, max_examples=15, derandomize=True)
@given(
    rate=st.sampled_from([44100, 48000, 96000]),
    low_cut_hz=st.floats(10, 1000, width=32),
    low_shelf_db=levels,
    peak1_hz=st.floats(20, 20000, width=32),
    peak1_db=levels,
    peak1_q=st.floats(0.125, 10, width=32),
    peak3_db=levels,
    high_shelf_hz=st.floats(500, 20000, width=32),
    high_shelf_db=levels,
    high_cut_hz=st.floats(1000, 22000, width=32),
)
def test_is_the_cookbook(cookbook, rate, **parameters):
    x = np.random.default_rng(0).standard_normal((2, 4000)).astype(np.float32)
    eq = rt.Equalizer(**parameters)
    expected = sosfilt(sections(cookbook, eq, rate), x.astype(float), axis=1)
    out = eq(x, rate)
    assert np.abs(out - expected).max() <= 4e-6 * max(1.0, np.abs(expected).max())


def test_20_hz_at_96_khz_is_exact(cookbook):
    x = np.random.default_rng(0).standard_normal(96000).astype(np.float32)
    eq = rt.Equalizer(peak1_hz=20, peak1_db=24, peak1_q=10, low_cut_hz=11)
    expected = sosfilt(sections(cookbook, eq, 96000), x.astype(float))
    assert np.abs(eq(x, 96000) - expected).max() <= 1e-5 * np.abs(expected).max()


def test_everything_off_is_a_wire():
    x = np.random.default_rng(0).standard_normal(5000).astype(np.float32)
    np.testing.assert_array_equal(rt.Equalizer()(x, 48000), x)


def test_a_change_arrives_at_the_new_curve(play, cookbook):
    """After the ramp the response is that of an equalizer built so, to the last digits."""
    program = rt.Equalizer().compile(48000, 64)
    eq = rt.Equalizer(low_cut_hz=200, peak2_hz=3000, peak2_db=9, peak2_q=3, high_cut_hz=9000)
    change = {("equalizer", name): getattr(eq, name) for name in eq.live_parameters()}
    x = np.zeros(48000, np.float32)
    x[24000] = 1.0
    out = play(program, x, [37], {5000: change})[0, 24000:]
    _, expected = sosfreqz(sections(cookbook, eq, 48000), 24000, whole=True)
    np.testing.assert_allclose(np.fft.fft(out), expected, atol=1e-4)


@settings(deadline=None, max_examples=15, derandomize=True)
@given(
    seed=st.integers(0, 1000),
    splits=st.lists(st.integers(1, 300), min_size=1, max_size=5),
)
def test_wild_changes_stay_stable_and_do_not_depend_on_the_block_size(play, seed, splits):
    rng = np.random.default_rng(seed)
    eq = rt.Equalizer()
    changes = {}
    for at in np.unique(rng.integers(0, 20000, 12)):
        name = rng.choice(eq.live_parameters())
        low, high = (getattr(m, k) for m, k in zip(
            type(eq).model_fields[name].metadata, ("ge", "le"), strict=True
        ))  # fmt: skip
        changes[int(at)] = {("equalizer", name): rng.uniform(low, high)}
    x = 0.1 * rng.standard_normal(24000).astype(np.float32)
    whole = play(eq.compile(48000, 24000), x, [24000], changes)
    blocks = play(eq.compile(48000, 300), x, splits, changes)
    np.testing.assert_allclose(blocks, whole, atol=1e-6 * max(1.0, np.abs(whole).max()))
    assert np.abs(whole).max() < 0.1 * 5 * 10 ** (3 * 24 / 20)


@pytest.mark.parametrize("rate", [8000, 16000])
def test_frequencies_above_nyquist_are_harmless(rate):
    x = np.random.default_rng(0).standard_normal(3000).astype(np.float32)
    out = rt.Equalizer(peak3_hz=20000, peak3_db=12, high_cut_hz=15000)(x, rate)
    assert np.abs(out).max() < 20.0
