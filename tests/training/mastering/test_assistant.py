"""The assistant's regression: what effects do is measured right, and the guess is the best one."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra: train)")

import rtaudio as rt
from rtaudio.mastering.assistant import OUTPUTS
from rtaudio.mastering.features import FEATURES, features
from training.config import load_config
from training.mastering.assistant import (
    estimator,
    influence,
    settings_covariance,
    train_assistant,
)
from training.mastering.config import MasteringConfig
from training.mastering.degradation import BAND_DB, TILT_DB, draw_degradation

RATE = 44100


def test_what_effects_do_is_what_is_measured_of_them():
    x = (0.1 * np.random.default_rng(0).standard_normal((2, 4 * RATE))).astype(np.float32)
    matrix = influence(RATE)
    before = features(x, RATE)
    cases = [
        ("tilt.db_per_octave", 1.0, rt.Tilt(db_per_octave=1.0)),
        ("bands.peak2_db", 4.0, rt.Equalizer(peak2_db=4.0)),
        ("bands.high_shelf_db", -4.0, rt.Equalizer(high_shelf_db=-4.0)),
        ("width.low_width_db", 20 * np.log10(0.5), rt.Width(low_width=0.5)),
    ]
    for name, amount, effect in cases:
        change = features(effect(x, RATE), RATE) - before
        wanted = amount * matrix[:, OUTPUTS.index(name)]
        if name.startswith("width"):
            assert change[FEATURES.index("low width")] == pytest.approx(amount, abs=0.5)
        else:
            np.testing.assert_allclose(change[5:29], wanted[5:29], atol=0.6)


def test_the_guess_is_the_regression_on_drawn_settings():
    generator = np.random.default_rng(0)
    music = generator.standard_normal((40, 5)) @ generator.standard_normal((5, 5))
    effect, settings = generator.standard_normal((5, 3)), np.diag([1.0, 4.0, 0.5])
    weights = estimator(music, effect, settings, 0.0)
    drawn = generator.standard_normal((200_000, 3)) * np.sqrt(np.diag(settings))
    rows = music[generator.integers(len(music), size=len(drawn))] - music.mean(axis=0)
    found, *_ = np.linalg.lstsq(rows + drawn @ effect.T, -drawn, rcond=None)
    np.testing.assert_allclose(weights, found.T, atol=0.02)
    held = estimator(music, effect, settings, 1e6)
    assert np.abs(held).max() < 1e-4  # a strong ridge trusts nothing


def test_the_covariance_is_that_of_drawn_degradations():
    generator = np.random.default_rng(0)
    kinds = ("tilt", "bands", "width")
    drawn = [draw_degradation(generator, kinds).settings for _ in range(3000)]
    variances = np.diag(settings_covariance())
    slopes = [each.get("tilt", {}).get("db_per_octave", 0.0) for each in drawn]
    peaks = [each.get("bands", {}).get("peak1_db", 0.0) for each in drawn]
    # One of three occurs at least, so each a little more often than its chance.
    assert np.var(slopes) == pytest.approx(variances[0], rel=0.25)
    assert np.var(peaks) == pytest.approx(variances[2], rel=0.25)
    assert np.abs(slopes).max() <= TILT_DB
    assert np.abs(peaks).max() <= BAND_DB


def test_it_is_written_as_plain_arrays_with_a_card(write, tmp_path):
    card = train_assistant(load_config(write(), MasteringConfig), tmp_path / "a.npz")
    assert json.loads((tmp_path / "a.json").read_text()) == card
    with np.load(tmp_path / "a.npz", allow_pickle=False) as stored:
        assert stored["weights"].shape == (len(OUTPUTS), len(FEATURES))
        assert set(stored) == {"mean", "weights", "peaks_db", "crest_db"}
    assert card["provenance"]["tracks"] == 5  # six, and one is for the test
    again = train_assistant(load_config(write(), MasteringConfig), tmp_path / "b.npz")
    assert again == card
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
