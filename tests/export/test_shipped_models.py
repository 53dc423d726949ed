"""The models in presets/models: their cards tell the truth."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import soundfile

from rtaudio.models.contract.check import read_model
from rtaudio.models.formats.nam.reader import read_nam

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("RTAUDIO_DATA") or ROOT.parent / "shared" / "data")
MODELS = sorted(
    path
    for path in (ROOT / "presets" / "models").glob("*.onnx")
    if not path.stem.startswith("denoise")
)
DENOISERS = {"denoise": 960, "denoise-low-latency": 480}
"""Latency in samples."""


@pytest.fixture(params=MODELS, ids=lambda path: path.stem)
def model(request):
    return read_model(request.param)


LARGEST_ESR = {"high-gain": 0.035, "high-gain-light": 0.06, "crunch-light": 0.02}
"""On any held-out take; 0.01 for all others."""


def play(model, dry):
    session = onnxruntime.InferenceSession(model.data, providers=["CPUExecutionProvider"])
    feeds = {s.input_name: s.zeros() for s in model.states}
    if model.has_params:
        feeds["params"] = np.array([[p.default for p in model.card.parameters]], np.float32)
    return session.run(["audio_out"], {"audio": dry[None], **feeds})[0][0]


def test_every_amp_is_there():
    amps = {"clean", "edge", "crunch", "high-gain", "bass", "overdrive"}
    assert amps <= {path.stem for path in MODELS}


def test_the_card_is_complete(model):
    card = model.card
    assert len(model.data) < 200_000
    assert (card.channels, card.latency_samples, card.name) == ((1, 1), 0, model.path.stem)
    assert card.license == "Apache-2.0"
    assert card.metrics["esr_max"] <= LARGEST_ESR.get(card.name, 0.01)
    held_out = {name for part in card.metrics["esr"].values() for name in part}
    assert not held_out & set(card.provenance["data"].get("train", ()))
    assert set(card.provenance) - {"teacher"} == {"data", "config", "code", "date"}


def test_a_knob_is_right_where_it_was_not_trained_too():
    card = read_model(ROOT / "presets" / "models" / "overdrive.onnx").card
    assert [p.name for p in card.parameters] == ["gain"]
    scores = card.metrics["esr"]["test"]
    assert {"gain=0.1", "gain=0.4", "gain=0.9"} <= {name.split()[-1] for name in scores}
    assert max(scores.values()) <= 0.03


def test_it_plays_its_golden_vector_and_stays_silent(model):
    np.testing.assert_allclose(play(model, model.golden_input), model.golden_output, atol=1e-5)
    assert not play(model, np.zeros((1, 4800), np.float32)).any()


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason=f"no recordings in {DATA}")
def test_it_sounds_like_its_teacher(model):
    """Three seconds from the middle of a held-out take."""
    pytest.importorskip("torch", reason="torch is not installed (extra: train)")
    from training.guitar.teacher import Teacher
    from training.models import imported

    card = model.card
    source = card.provenance
    if "teacher" not in source:
        pytest.skip("learnt from recordings, not from a teacher")
    name, take = source["teacher"]["teacher"], source["data"]["test"][0]
    dry, _ = soundfile.read(
        DATA / source["data"]["takes"] / f"{take}.flac",
        dtype="float32",
        start=480_000,
        frames=168_000,
    )
    dry *= 10 ** (source["teacher"].get("gain_db", 0) / 20)
    if ":" in name:
        knobs = {p.name: p.default for p in card.parameters}
        wet = imported(name)(dry, card.rate_hz, **knobs)
    else:
        wet = Teacher(read_nam(DATA / name))(dry)
    advance = source["teacher"]["advance_samples"]
    wanted = wet[24_000 + advance :]
    found = play(model, dry[None])[0, 24_000 : len(dry) - advance]
    esr = ((found - wanted) ** 2).sum() / (wanted**2).sum()
    assert esr <= 2 * LARGEST_ESR.get(card.name, 0.01)


@pytest.mark.parametrize("name", DENOISERS)
def test_a_denoiser_is_small_and_says_what_it_is(name):
    file = ROOT / "presets" / "models" / f"{name}.onnx"
    card = read_model(file).card
    assert file.stat().st_size < 3_000_000
    assert (card.channels, card.name) == ((1, 1), name)
    assert (card.rate_hz, card.hop, card.latency_samples) == (48000, 480, DENOISERS[name])
    assert card.metrics["weights"] <= 1_000_000
    assert set(card.provenance) == {"data", "config", "code", "date"}
    # The knob for the room is learnt on top of a mean of runs.
    assert card.architecture["type"] == "room-denoiser"
    assert len(card.provenance["config"]["start"]["config"]["mean_of"]) > 1


@pytest.mark.skipif(not (DATA / "denoise_eval").is_dir(), reason="no folder denoise_eval (data)")
@pytest.mark.parametrize("name", DENOISERS)
def test_a_denoiser_is_as_good_as_it_was_said_to_be(name):
    """Lower limits for two sets of pairs; ``rtaudio bench denoise`` gives the whole table.

    Each recording has the score of its limit alone: all of them take longer than the denoiser.
    """
    pytest.importorskip("pesq", reason="pesq is not installed (extra: metrics)")
    from rtaudio.analysis.speech import pesq_wb, si_sdr_db
    from rtaudio.bench.denoise import System, enhance
    from rtaudio.bench.recordings import recordings

    limits = {"dfns6": 15.8, "vbd17": 2.75, "clean": 22.0}
    system = System(name, ROOT / "presets" / "models" / f"{name}.onnx")
    found = {group: [] for group in limits}
    for clip in recordings(DATA):
        if clip.group in limits:
            noisy, clean, rate_hz = clip.read()
            y = enhance(system, noisy, rate_hz)
            by_pesq = clip.group == "vbd17"
            score = pesq_wb(clean, y, rate_hz) if by_pesq else si_sdr_db(clean, y)
            found[clip.group].append(score)
    for group, least in limits.items():
        assert np.nanmean(found[group]) >= least, group
