"""Pictures: the scale follows the sound, no legend lies on a curve, and no frame is empty."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

from rtaudio.analysis.overview import Overview
from rtaudio.view import denoisers, sound
from rtaudio.view.spectrogram import BANDS, draw_spectrogram

RATE = 16_000


@pytest.fixture
def figures(monkeypatch):
    """Return the figures that are drawn, kept open."""
    kept = []
    monkeypatch.setattr(plt, "close", kept.append)
    return kept


def overview(x):
    view = Overview(x.shape[1], x.shape[0], RATE)
    view.add(x.astype(np.float32))
    return view


def legends_beside(figure):
    figure.canvas.draw()
    return [
        axis.get_legend().get_window_extent().y0 >= axis.get_window_extent().y1 - 2
        for axis in figure.axes
        if axis.get_legend()
    ]


@pytest.mark.parametrize("peak", [1.0, 0.01])
def test_the_waveform_fills_its_frame_and_both_have_one_scale(tmp_path, figures, peak):
    x = peak * np.sin(np.arange(RATE) / 20)[None].repeat(2, 0)
    sound.draw(tmp_path / "a.png", overview(x), overview(x / 2), "speech.wav: denoise")
    (figure,) = figures
    before, after = figure.axes[0], figure.axes[2]
    assert before.get_ylim() == after.get_ylim()
    assert peak < before.get_ylim()[1] < 1.3 * peak
    assert legends_beside(figure) == [True, True]
    assert figure.get_suptitle() == "speech.wav: denoise"


def test_a_spectrogram_has_the_scale_that_it_says(tmp_path, figures):
    x = np.random.default_rng(0).standard_normal((1, RATE))
    x[:, RATE // 2 :] = 0.0
    axis = plt.figure().subplots()
    for loudest in (1.0, 1e-6):
        mesh = draw_spectrogram(axis, overview(x).spectrogram(BANDS), 80.0, loudest)
        assert mesh.get_clim() == (-80.0, 0.0)
        assert -80.0 == mesh.get_array().min() < mesh.get_array().max() <= 0.0


def test_silence_is_named(tmp_path, figures):
    x = np.zeros((1, RATE))
    sound.draw(tmp_path / "a.png", overview(x), overview(x), "silence")
    assert [axis.texts[0].get_text() for axis in figures[0].axes[:3:2]] == ["silence"] * 2


def test_what_was_not_measured_is_no_empty_frame(tmp_path, figures):
    denoisers.draw(
        tmp_path / "a.png", [{"system": "denoise", "cost": None, "groups": {}, "snr_curve": {}}]
    )
    (figure,) = figures
    assert figure.get_suptitle()
    for axis in figure.axes:
        assert axis.get_title(loc="left")
        assert axis.get_legend() is None
        assert any(len(line.get_xdata()) for line in axis.lines) or axis.texts
