"""The amps in presets/models: what their cards say is so."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import soundfile

from rtaudio.models.contract import read_model
from rtaudio.models.nam import read_nam

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("RTAUDIO_DATA") or ROOT.parent / "shared" / "data")
MODELS = sorted((ROOT / "presets" / "models").glob("*.onnx"))


@pytest.fixture(params=MODELS, ids=lambda path: path.stem)
def model(request):
    return read_model(request.param)


def play(model, dry):
    session = onnxruntime.InferenceSession(model.data, providers=["CPUExecutionProvider"])
    feeds = {s.input_name: s.zeros() for s in model.states}
    return session.run(["audio_out"], {"audio": dry[None], **feeds})[0][0]


def test_there_is_a_clean_and_a_crunch():
    assert {"clean", "crunch"} <= {path.stem for path in MODELS}


def test_the_card_is_complete(model):
    card = model.card
    assert len(model.data) < 200_000
    assert (card.sample_rate, card.channels, card.latency) == (48000, (1, 1), 0)
    assert card.license == "Apache-2.0"
    assert card.metrics["esr_max"] <= 0.01
    held_out = {name for part in card.metrics["esr"].values() for name in part}
    assert len(held_out) >= 5
    assert not held_out & set(card.provenance["data"]["train"])
    assert {"data", "teacher", "config", "code", "date"} == set(card.provenance)


def test_it_plays_its_golden_vector_and_stays_silent(model):
    np.testing.assert_allclose(play(model, model.golden_input), model.golden_output, atol=1e-5)
    assert not play(model, np.zeros((1, 4800), np.float32)).any()


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason=f"no recordings in {DATA}")
def test_it_sounds_like_its_teacher(model):
    """Three seconds from the middle of a take that was held out."""
    pytest.importorskip("torch", reason="torch is not installed (extra: train)")
    from training.teacher import Teacher

    source = model.card.provenance
    capture = read_nam(DATA / source["teacher"]["teacher"])
    name = source["data"]["test"][0]
    dry, _ = soundfile.read(
        DATA / source["data"]["takes"] / f"{name}.flac", dtype="float32", start=480_000,
        frames=168_000,
    )
    advance = source["teacher"]["advance_samples"]
    wanted = Teacher(capture)(dry)[24_000 + advance :]
    found = play(model, dry[None])[0, 24_000 : len(dry) - advance]
    assert ((found - wanted) ** 2).sum() / (wanted**2).sum() <= 0.02
