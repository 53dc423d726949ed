"""The dynamic equalizer: what it leaves alone, and how far it moves what it does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rtaudio as rt

RATE = 48000


def tone(hz, level_db, seconds=1.0, rate=RATE):
    return 10 ** (level_db / 20) * np.sin(2 * np.pi * hz / rate * np.arange(int(seconds * rate)))


def rms_db(x):
    return 10 * np.log10(np.mean(x[len(x) // 2 :] ** 2))


@settings(deadline=None, max_examples=10, derandomize=True)
@given(
    hz=st.floats(60, 15000),
    q=st.floats(0.3, 8),
    over_db=st.floats(4, 20),
    range_db=st.floats(-20, 10),
    rate=st.sampled_from([44100, 48000, 96000]),
)
def test_a_steady_tone_at_the_centre_is_moved_as_the_ratio_says(hz, q, over_db, range_db, rate):
    x = tone(hz, over_db - 40.0, rate=rate)
    effect = rt.DynamicEqualizer(
        band2_hz=hz, band2_q=q, band2_threshold_db=-40.0, band2_range_db=range_db, ratio=2.0,
        attack_ms=1.0, release_ms=2000.0,
    )  # fmt: skip
    moved = rms_db(effect(x, rate)) - rms_db(x)
    expected = np.sign(range_db) * min(abs(range_db), over_db / 2)
    assert moved == pytest.approx(expected, abs=0.25)


def test_what_is_below_the_threshold_passes_bit_by_bit():
    x = (0.001 * np.random.default_rng(0).standard_normal((2, RATE))).astype("f4")
    effect = rt.DynamicEqualizer(band1_range_db=-12, band2_range_db=6, band3_range_db=-12)
    np.testing.assert_array_equal(effect(x, RATE), x)


def test_a_de_esser_leaves_the_voice_and_turns_down_the_sibilant():
    voice, sibilant = tone(300, -12), tone(7000, -12)
    effect = rt.DynamicEqualizer(band3_hz=7000.0, band3_range_db=-9.0, band3_threshold_db=-35.0)
    assert rms_db(effect(voice, RATE)) == pytest.approx(rms_db(voice), abs=0.1)
    assert rms_db(effect(sibilant, RATE)) - rms_db(sibilant) == pytest.approx(-9.0, abs=0.2)


def test_both_channels_share_the_gain():
    x = np.stack([tone(2500, -6), tone(2500, -50)])
    out = rt.DynamicEqualizer(band2_range_db=-10.0)(x, RATE)
    for before, after in zip(x, out, strict=True):
        assert rms_db(after) - rms_db(before) == pytest.approx(-10.0, abs=0.2)
