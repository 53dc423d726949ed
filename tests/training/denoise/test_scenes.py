"""A feature net's training: it learns, resumes to the bit, and never hears what is held out."""

from __future__ import annotations

import csv
import json
from types import MappingProxyType

import numpy as np
import pytest
import yaml

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from training.checkpoint import CheckpointError, load_checkpoint  # noqa: E402
from training.cli import train  # noqa: E402
from training.config import ConfigError, load_config  # noqa: E402
from training.denoise import scene_task  # noqa: E402
from training.denoise.corpus import load_corpus  # noqa: E402
from training.denoise.features import load_features  # noqa: E402
from training.denoise.scene_config import SceneConfig  # noqa: E402
from training.denoise.scene_task import SceneTask  # noqa: E402
from training.denoise.scenes import Scenes  # noqa: E402
from training.engine import train_run  # noqa: E402


@pytest.fixture
def scene_file(tmp_path, small_corpus, corpus_cache, monkeypatch):
    monkeypatch.delenv("RTAUDIO_DATA", raising=False)

    def written(folder="scenes", data=MappingProxyType({}), **schedule):
        path = tmp_path / "scenes.yaml"
        path.write_text(
            yaml.safe_dump(
                {
                    "task": "denoise-features",
                    "name": "scenes",
                    "description": "",
                    "license": "Apache-2.0",
                    "source": "noise",
                    "folder": str(tmp_path / folder),
                    "data": {
                        "root": str(small_corpus),
                        "cache": str(corpus_cache),
                        "rate_hz": 48_000,
                        "excerpt_samples": 4096,
                        "held_out": 0.4,
                        **data,
                    },
                    "schedule": {"steps": 2, "batch": 8, **schedule},
                }
            )
        )
        return path

    return written


def test_scenes_are_learnt_by_command(scene_file, tmp_path, capsys):
    """Hiss to 24 kHz and murmur to 6 kHz are classified; the file then serves the loss."""
    train([scene_file(steps=40, learning_rate=0.003)])
    metrics = json.loads((tmp_path / "scenes/metrics.json").read_text())
    assert metrics["kinds"] == 2
    assert metrics["scene_accuracy"] > 0.8
    assert str(tmp_path / "scenes/features.pt") in capsys.readouterr().out
    assert not load_features(tmp_path / "scenes/features.pt").training
    with pytest.raises(ConfigError, match="holds a run already"):
        train_run(load_config(scene_file(), SceneConfig), SceneTask, show=False)
    for options in ({"seeds": 2}, {"epochs": 3}, {"checkpoint": tmp_path / "best.pt"}):
        with pytest.raises(ConfigError, match="trained once"):
            train([scene_file()], **options)


def test_what_is_held_out_is_never_trained_on(small_corpus, corpus_cache):
    corpus = load_corpus(small_corpus, 16_000, "train", corpus_cache)
    scenes = Scenes(corpus.noise, 4096, 0.4)
    whole = {s.name: sum(c.stop - c.start for c in s.clips) for s in corpus.noise.sources}
    for kind in scenes.kinds:
        heard = {n for clip in kind.train for n in range(clip.start, clip.stop)}
        kept = {n for clip in kind.held_out for n in range(clip.start, clip.stop)}
        assert not heard & kept
        assert 0.3 < len(kept) / whole[kind.name] <= 0.41
    sounds, present = scenes.batch(np.random.default_rng(0), 8)
    assert sounds.shape == (8, 1, 4096)
    assert present.sum(dim=1).tolist() == [1] * 4 + [2] * 4


def test_a_run_killed_at_any_point_goes_on_bit_for_bit(scene_file, tmp_path, killed, monkeypatch):
    """After each file that it writes: net, optimiser, history and drawn excerpts go on."""
    monkeypatch.setattr(scene_task, "EPOCH_STEPS", 2)
    small = {"data": {"excerpt_samples": 256}, "steps": 5, "batch": 2}
    whole = load_config(scene_file(**small), SceneConfig)
    metrics = train_run(whole, SceneTask, show=False)
    wanted = torch.load(tmp_path / "scenes/last.pt", weights_only=True)
    features = torch.load(tmp_path / "scenes/features.pt", weights_only=True)["features"]
    writes = 0
    while True:
        config = load_config(scene_file(folder=f"killed-{writes}", **small), SceneConfig)
        left = iter(range(writes, -1, -1))
        if not killed(
            lambda config=config: train_run(config, SceneTask, show=False),
            lambda path, left=left: next(left) == 0,
        ):
            break
        again = train_run(config, SceneTask, resume=True, show=False)
        assert {**again, "wall_minutes": 0, "cpu_minutes": 0} == {
            **metrics,
            "wall_minutes": 0,
            "cpu_minutes": 0,
        }
        found = torch.load(config.run_folder / "last.pt", weights_only=True)
        for name, value in wanted["task"]["net"].items():
            assert torch.equal(found["task"]["net"][name], value), name
        assert found["task"]["generator"] == wanted["task"]["generator"]
        assert found["task"]["scheduler"] == wanted["task"]["scheduler"]
        assert [row["loss"] for row in found["rows"]] == [row["loss"] for row in wanted["rows"]]
        again = torch.load(config.run_folder / "features.pt", weights_only=True)["features"]
        assert all(torch.equal(again[name], value) for name, value in features.items())
        writes += 1
    # config.json, three epochs of best.pt, history.csv and last.pt, and best.pt, metrics.json and
    # features.pt in the end.
    assert writes == 1 + 3 * 3 + 3
    with (tmp_path / "scenes/history.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["2", "4", "5"]


def test_a_classifier_is_not_exported(scene_file, tmp_path):
    train_run(load_config(scene_file(), SceneConfig), SceneTask, show=False)
    with pytest.raises(CheckpointError, match="does not stream"):
        load_checkpoint(tmp_path / "scenes/best.pt")
