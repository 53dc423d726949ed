"""Pictures of a run: drawn for any take, and what they say in words is true."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from matplotlib.image import imread

from training.guitar.data import Take
from training.guitar.plots import _level_db, _third_octaves, comparison, esr_in_words
from training.guitar.plots import loss_curve as draw_loss

NAMES = {"waveform.png", "spectrogram.png", "transfer.png"}


def ink(path):
    """Share of a picture that is not white."""
    return float((imread(path)[..., :3].min(axis=-1) < 0.99).mean())


@pytest.mark.parametrize("samples", [30, 3000, 300_000])
@pytest.mark.parametrize("kind", ["noise", "silence"])
def test_any_take_is_drawn(samples, kind, tmp_path):
    dry = np.random.default_rng(0).standard_normal(samples).astype(np.float32)
    dry *= kind == "noise"
    comparison(Take("x", dry, np.tanh(dry)), 0.9 * np.tanh(dry), 48000, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == NAMES
    assert all(ink(path) > 0.01 for path in tmp_path.iterdir())


@pytest.mark.parametrize("esr", [[0.5, 0.1, 0.2], [0.5], [float("nan")] * 2, [0.5, float("nan")]])
def test_any_history_is_drawn(esr, tmp_path):
    rows = [
        {"epoch": k, "loss": 0.5, "val_esr": v, "learning_rate": 0.1} for k, v in enumerate(esr)
    ]
    draw_loss(rows, tmp_path / "loss.png")
    assert ink(tmp_path / "loss.png") > 0.01


@pytest.mark.parametrize(
    ("esr", "word"),
    [
        (0.001, "excellent"),
        (0.005, "very good"),
        (0.02, "good"),
        (0.05, "fair"),
        (0.2, "rough"),
        (1.0, "poor"),
        (4.0, "poor"),
        (0.0, "excellent"),
    ],
)
def test_a_ratio_in_words(esr, word):
    assert f", {word}: " in esr_in_words(esr)


def test_decibels_in_words_are_right():
    assert "20 dB below" in esr_in_words(0.01)
    assert "no lower than" in esr_in_words(1.0)
    assert "not a number" in esr_in_words(float("nan"))


def test_levels_are_root_mean_squares():
    sine = np.sin(2 * np.pi * np.arange(9600) / 96).astype(np.float32)
    np.testing.assert_allclose(_level_db(sine, 960), 10 * np.log10(0.5), atol=1e-3)


def test_third_octaves_average_the_power():
    hertz = np.arange(0, 24_000, 10.0)
    centres, power = _third_octaves(np.where(hertz < 2000, 3.0, 5.0), hertz)
    np.testing.assert_allclose(power[centres < 1700], 3.0)
    np.testing.assert_allclose(power[centres > 2300], 5.0)
    assert centres[0] >= 50
