"""Configurations: a wrong one is refused in one line that names file and key."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from training.config import ConfigError, load_config

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("RTAUDIO_DATA") or ROOT.parent / "shared" / "data")


def test_a_configuration_is_read(workspace):
    config = load_config(workspace.path)
    assert config.data.root == str(workspace.folder)
    assert config.run_folder == workspace.folder / "run"


def test_the_environment_names_the_data(workspace, monkeypatch):
    path = workspace.section("data", root="/nowhere")
    monkeypatch.setenv("RTAUDIO_DATA", str(workspace.folder))
    assert load_config(path).data.root == str(workspace.folder)


@pytest.mark.parametrize(("section", "changes", "reason"), [
    (None, {"name": "No Spaces"}, "name"),
    (None, {"colour": 1}, "colour"),
    (None, {"threads": 0}, "threads"),
    ("net", {"type": "transformer"}, "net.type"),
    ("net", {"hidden": "many"}, "net.hidden"),
    ("schedule", {"epochs": 0}, "schedule.epochs"),
    ("schedule", {"learning_rate": float("nan")}, "schedule.learning_rate"),
    ("schedule", {"truncate_samples": 100}, "multiple of truncate_samples"),
    ("data", {"train": ["one", "four"]}, "'four' occurs twice"),
    ("data", {"train": ["one", "one"]}, "'one' occurs twice"),
    ("data", {"train": []}, "data.train"),
    ("data", {"test": ["five"]}, "data.test: no take 'five'"),
    ("data", {"takes": "nowhere"}, "data.takes"),
    ("data", {"teacher": "nothing.nam"}, "data.teacher"),
    ("data", {"root": "nowhere"}, "data.root"),
])
def test_a_wrong_key_is_named(section, changes, reason, workspace):
    path = workspace.section(section, **changes) if section else workspace.rewrite(**changes)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert reason in message
    assert "\n" not in message


@pytest.mark.parametrize("text", ["", "- 1\n", "a: [", "\x00"])
def test_no_yaml_is_refused(text, tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"run\.yaml"):
        load_config(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"run\.yaml"):
        load_config(tmp_path / "run.yaml")


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason=f"no recordings in {DATA}")
@pytest.mark.parametrize("path", sorted((ROOT / "training" / "configs").glob("*.yaml")),
                         ids=lambda path: path.stem)
def test_the_shipped_configurations_hold(path, monkeypatch):
    monkeypatch.setenv("RTAUDIO_DATA", str(DATA))
    config = load_config(path)
    assert config.name == path.stem
    held_out = {*config.data.validation, *config.data.test}
    assert not held_out & set(config.data.train)
    assert len(config.data.test) >= 3
