"""Match: the curve it was given, and the curve from one sound to another."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

import rtaudio as rt
from rtaudio.analysis.third_octaves import CENTRES_HZ, third_octaves_db

RATE = 48000


def response_db(effect, rate, hertz):
    impulse = np.zeros(1 << 15)
    impulse[1 << 14] = 1.0
    out = effect(impulse, rate).astype(float)
    return 20 * np.log10(np.abs(scipy.signal.freqz(out, worN=hertz, fs=rate)[1]))


@settings(deadline=None, max_examples=12, derandomize=True)
@given(
    steps=st.lists(st.floats(-3, 3), min_size=31, max_size=31),
    amount=st.floats(0, 1),
    phase=st.sampled_from(["minimum", "linear"]),
    rate=st.sampled_from([44100, 48000, 96000]),
)
def test_the_response_is_the_curve(steps, amount, phase, rate):
    gains_db = np.clip(np.convolve(steps, [0.25, 0.5, 0.25], "same"), -24, 24)
    heard = (CENTRES_HZ > 90) & (CENTRES_HZ < 17000)
    effect = rt.Match(gains_db, amount=amount, phase=phase)
    level_db = response_db(effect, rate, CENTRES_HZ[heard])
    np.testing.assert_allclose(level_db, amount * gains_db[heard], atol=0.5)


@pytest.mark.parametrize("phase", ["minimum", "linear"])
def test_flat_is_a_wire(phase):
    x = np.random.default_rng(0).standard_normal((2, 9000)).astype("f4")
    np.testing.assert_array_equal(rt.Match(np.zeros(31), phase=phase)(x, RATE), x)


def test_linear_phase_is_symmetric_about_the_latency():
    program = rt.Match(np.linspace(-6, 6, 31), phase="linear").compile(RATE, 64)
    taps = rt.Match(np.linspace(-6, 6, 31), phase="linear").response(RATE)
    assert program.latency_samples == 2040 == len(taps) // 2
    np.testing.assert_allclose(taps, taps[::-1], atol=1e-12)


@pytest.mark.parametrize("phase", ["minimum", "linear"])
def test_a_coloured_sound_gets_the_spectrum_of_its_reference(phase):
    rng = np.random.default_rng(0)
    reference = rng.standard_normal(10 * RATE)
    shelf = rt.Equalizer(low_shelf_hz=200, low_shelf_db=5, high_shelf_hz=4000, high_shelf_db=-6)
    sound = 0.3 * shelf(rng.standard_normal(10 * RATE), RATE)
    out = rt.Match.between(sound, reference, RATE, phase=phase)(sound, RATE)
    heard = (CENTRES_HZ > 40) & (CENTRES_HZ < 16000)
    error = (third_octaves_db(out, RATE) - third_octaves_db(reference, RATE))[heard]
    assert np.std(error) < 0.6
    before = (third_octaves_db(sound, RATE) - third_octaves_db(reference, RATE))[heard]
    assert np.std(error) < 0.2 * np.std(before)
    assert np.mean(out**2) == pytest.approx(np.mean(sound**2), rel=0.3)


def test_a_band_without_sound_is_left_alone_and_corrections_are_limited():
    rng = np.random.default_rng(0)
    dull = scipy.signal.sosfilt(
        scipy.signal.butter(12, 5000, fs=RATE, output="sos"), rng.standard_normal(5 * RATE)
    )
    gains = rt.Match.between(dull, rng.standard_normal(5 * RATE), RATE, most_db=6.0).gains_db
    assert max(map(abs, gains)) <= 6.0
    assert gains[-1] == 0.0


@pytest.mark.parametrize("most_db", [6.0, 15.0])
def test_corrections_are_limited_whatever_the_tilt(most_db):
    rng = np.random.default_rng(0)
    sound, reference = rng.standard_normal((2, 5 * RATE))
    dark = np.cumsum(sound) - 0.99 * np.cumsum(np.concatenate([[0.0], sound[:-1]]))
    dark = scipy.signal.lfilter([1.0], [1.0, -0.99], dark)
    gains = rt.Match.between(dark, reference, RATE, most_db=most_db).gains_db
    assert max(map(abs, gains)) == pytest.approx(most_db)


def test_a_wrong_number_of_gains_is_refused():
    with pytest.raises(rt.RtaudioError, match="has 3 gains; give 31, or none"):
        rt.Match([1.0, 2.0, 3.0])


def test_a_preset_keeps_the_curve(tmp_path):
    curve = [round(float(gain), 2) for gain in np.linspace(-3, 3, 31)]
    rt.save_preset(rt.Chain([rt.Match(curve, phase="linear")]), tmp_path / "match.yaml")
    [match] = rt.load_preset(tmp_path / "match.yaml").effects
    assert match.gains_db == curve
    assert match.phase == "linear"
