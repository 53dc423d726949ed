"""``rtaudio bench denoise``: all that it measures of one model, and how it refuses."""

from __future__ import annotations

import base64
import io
import json
import re
from importlib.util import find_spec

import numpy as np
import pytest
import soundfile

from rtaudio.analysis.programme_loudness import programme_loudness
from rtaudio.bench import denoise
from rtaudio.cli.bench_denoise import denoise_tables
from rtaudio.shipped import shipped_models

AMP = shipped_models()["crunch-light"]
"""Not a denoiser, but a model as good as any to be measured."""

needs_pesq = pytest.mark.skipif(
    find_spec("pesq") is None, reason="pesq is not installed: pip install 'rtaudio[metrics]'"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A data folder with one pair: pulses in syllables, and hiss."""
    time = np.arange(96000) / 48000
    clean = 0.3 * np.diff(np.floor(120.0 * time), prepend=0.0) * (np.sin(15.0 * time) > 0)
    noisy = clean + 0.01 * np.random.default_rng(0).standard_normal(clean.size)
    root = tmp_path_factory.mktemp("data")
    for kind, x in (("clean", clean), ("noisy", noisy)):
        file = root / "denoise_eval" / "dfns6" / kind / "a.flac"
        file.parent.mkdir(parents=True)
        soundfile.write(file, x, 48000, "PCM_24")
    return root


@needs_pesq
def test_it_measures_a_model_beside_the_noise_draws_and_lets_listen(
    cli, folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(denoise, "OURS", ())
    picture, page = tmp_path / "picture.png", tmp_path / "page.html"
    words = ["bench", "denoise", "--data", folder, "--quick", "--model", AMP]
    answer = cli(*words, "--json", "--picture", picture, "--page", page)
    assert answer.status == 0, answer.err
    assert "DTLN is left out" in answer.err
    assert "DNSMOS is left out" in answer.err
    found = json.loads(answer.out)
    assert [row["system"] for row in found["denoise"]] == ["noisy", "crunch-light"]
    noisy, amp = found["denoise"]
    assert noisy["cost"] is None
    assert noisy["groups"]["dfns6"]["si_sdr_gain_db"] == 0
    # an amplifier distorts, and the less it gets the less it does
    assert amp["robustness"]["clean_si_sdr_db"] < 20
    assert amp["cost"]["latency_ms"] == 0
    assert picture.stat().st_size > 10_000
    sounds = re.findall('data-sound="([^"]+)"', page.read_text())
    assert len(sounds) == 3  # noisy, amplifier, clean
    levels = []
    for sound in sounds:
        x, rate_hz = soundfile.read(io.BytesIO(base64.b64decode(sound)))
        levels.append(programme_loudness(x, rate_hz).integrated_lufs)
    assert max(levels) - min(levels) < 0.1
    tables = denoise_tables(found["denoise"])
    assert len(tables) == 3  # one group, no mixtures
    for _, columns, rows in tables:
        assert rows
        assert all(len(row) == len(columns) for row in rows)


def test_it_says_what_it_needs(refused, folder, tmp_path, monkeypatch):
    monkeypatch.delenv("RTAUDIO_DATA", raising=False)
    assert "--data or RTAUDIO_DATA" in refused("bench", "denoise")
    assert "holds no recordings" in refused("bench", "denoise", "--data", tmp_path)
    words = ["bench", "denoise", "--data", folder, "--model", tmp_path / "none.onnx"]
    assert "none.onnx: no such model" in refused(*words)
    assert "no such folder" in refused(*words[:-2], "--page", tmp_path / "none" / "page.html")
