"""DNSMOS: the scores that are known of published recordings, and how recordings are cut."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import soundfile

from rtaudio.bench.dnsmos import WINDOW, Dnsmos, cut_windows
from rtaudio.errors import MetricsError
from rtaudio.shipped import shipped_models

SECOND = 16000


@pytest.mark.parametrize(
    ("samples", "count"),
    [(WINDOW, 1), (10 * SECOND, 1), (WINDOW + SECOND, 2), (30 * SECOND, 21), (5 * SECOND, 1)],
)
def test_windows_start_on_every_second_that_fills_one(samples, count):
    x = np.arange(samples, dtype=np.float32)
    cut = cut_windows(x)
    assert cut.shape == (count, WINDOW)
    np.testing.assert_array_equal(cut[-1], (np.arange(WINDOW) + (count - 1) * SECOND) % samples)


def test_a_short_clip_is_doubled_until_it_fills_a_window():
    x = np.arange(3 * SECOND, dtype=np.float32)  # 3 s -> 6 s -> 12 s: windows at 0, 1 and 2 s
    cut = cut_windows(x)
    assert cut.shape == (3, WINDOW)
    np.testing.assert_array_equal(cut[2], (np.arange(WINDOW) + 2 * SECOND) % x.size)


@pytest.mark.data
def test_the_published_recordings_have_their_known_scores(data_folder):
    """At 16 kHz within rounding; at 48 kHz the scores depend on the resampler."""
    folder = data_folder / "denoise_eval"
    dnsmos = Dnsmos(folder / "dnsmos" / "sig_bak_ovr.onnx")
    with open(folder / "reference_scores.csv", encoding="utf-8") as file:
        known = {(row["set"], row["system"], row["clip"]): row for row in csv.DictReader(file)}
    for group, clip, tolerance in (
        ("p287x6", "p287_004", 0.02),
        ("p287x6", "p287_006", 0.02),
        ("dns4x6", "04_m_chips_near", 0.05),
    ):
        row = known[group, "noisy", clip]
        x, rate_hz = soundfile.read(folder / group / "noisy" / f"{clip}.flac")
        for name, value in dnsmos(x, rate_hz).items():
            assert value == pytest.approx(float(row[f"dnsmos_{name}"]), abs=tolerance), clip


def test_another_model_is_refused(tmp_path):
    model = shipped_models()["crunch"]
    with pytest.raises(MetricsError, match=r"crunch\.onnx: not the model"):
        Dnsmos(model)
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"nothing")
    with pytest.raises(MetricsError, match=r"bad\.onnx: not an ONNX model"):
        Dnsmos(bad)
    with pytest.raises(FileNotFoundError):
        Dnsmos(tmp_path / "none.onnx")
