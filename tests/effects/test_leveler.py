"""The leveler against the meter: on noise, on music, and in silence."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

import rtaudio as rt
from rtaudio.analysis.programme_loudness import programme_loudness

RATE = 48000


def integrated(x, rate=RATE):
    return programme_loudness(x, rate).integrated_lufs


@pytest.mark.parametrize("rate", [44100, 96000])
@pytest.mark.parametrize("level", [0.01, 0.05, 0.5])
def test_a_steady_sound_reaches_the_target(rate, level):
    x = level * np.random.default_rng(0).standard_normal((2, 15 * rate))
    out = rt.Leveler(target_lufs=-20.0, max_boost_db=30.0, max_cut_db=30.0)(x, rate)
    assert integrated(out[:, 12 * rate :], rate) == pytest.approx(-20.0, abs=0.1)


def test_the_gain_never_moves_faster_than_allowed():
    x = 0.01 * np.ones(10 * RATE) * np.sign(np.cos(np.arange(10 * RATE) / 7.0))
    out = rt.Leveler(target_lufs=-16.0, speed_db=2.0)(x, RATE)
    gain_db = 20 * np.log10(np.abs(out / x))
    assert np.diff(gain_db[::RATE]).max() <= 2.01
    assert gain_db[-1] == pytest.approx(12.0, abs=0.01)


def test_silence_and_what_is_below_the_gate_hold_the_gain():
    rng = np.random.default_rng(0)
    loud, faint = 0.05 * rng.standard_normal(8 * RATE), 1e-4 * rng.standard_normal(20 * RATE)
    out = rt.Leveler(target_lufs=-16.0)(np.concatenate([loud, faint]), RATE)
    gain = out[8 * RATE :] / faint
    # half a second of blocks still holds some of the loud sound
    np.testing.assert_allclose(gain[RATE:], gain[-1], rtol=1e-5)
    assert gain[-1] == pytest.approx(gain[0], rel=0.05)


def test_pauses_within_speech_change_nothing():
    rng = np.random.default_rng(0)
    words = np.where(np.arange(60 * RATE) // RATE % 3 < 2, 0.05, 0.0005)
    x = words * rng.standard_normal(60 * RATE)
    out = rt.Leveler(target_lufs=-18.0)(x, RATE)
    assert integrated(out[20 * RATE :]) == pytest.approx(-18.0, abs=0.5)


def test_a_sound_that_becomes_much_softer_is_followed_after_5_s():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(30 * RATE) * np.repeat([0.3, 0.03, 0.03], 10 * RATE)
    out = rt.Leveler(target_lufs=-18.0, max_boost_db=20.0)(x, RATE)
    assert integrated(out[-3 * RATE :]) == pytest.approx(-18.0, abs=0.2)


@pytest.mark.data
@pytest.mark.parametrize("gain_db", [-12.0, 3.0])
def test_music_is_within_half_a_loudness_unit(data_folder, gain_db):
    """From the tenth second on, for each song of at least 45 s."""
    errors = []
    for file in sorted((data_folder / "music" / "songs").glob("*.ogg")):
        x, rate = soundfile.read(file, frames=60 * 48000, always_2d=True)
        if len(x) < 45 * rate:
            continue
        out = rt.Leveler(target_lufs=-16.0, max_boost_db=30.0)(x.T * 10 ** (gain_db / 20), rate)
        errors.append(integrated(out[:, 10 * rate :], rate) + 16.0)
    assert errors
    print(f"errors in LU: {np.round(errors, 2)}")
    assert np.abs(errors).max() <= 0.5
