"""Configurations: a wrong one is refused in one line that names file and key."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import yaml

pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from training.config import ConfigError, load_config
from training.denoise.config import DenoiseConfig
from training.denoise.scene_config import SceneConfig
from training.guitar.config import GuitarConfig, TeacherData
from training.guitar.sweep import load_sweep

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("RTAUDIO_DATA") or ROOT.parent / "shared" / "data")


def test_a_configuration_is_read(workspace):
    config = load_config(workspace.path, GuitarConfig)
    assert config.data.root == str(workspace.folder)
    assert config.run_folder == workspace.folder / "run"


def test_the_environment_names_the_data(workspace, monkeypatch):
    path = workspace.section("data", root="/nowhere")
    monkeypatch.setenv("RTAUDIO_DATA", str(workspace.folder))
    assert load_config(path, GuitarConfig).data.root == str(workspace.folder)


@pytest.mark.parametrize(
    ("section", "changes", "reason"),
    [
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
    ],
)
def test_a_wrong_key_is_named(section, changes, reason, workspace):
    path = workspace.section(section, **changes) if section else workspace.rewrite(**changes)
    with pytest.raises(ConfigError) as caught:
        load_config(path, GuitarConfig)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert reason in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("form", "data", "key"),
    [
        (GuitarConfig, {"root": ".", "takes": "t"}, "data.teacher"),
        (GuitarConfig, {"root": ".", "captures": []}, "data.license"),
        (DenoiseConfig, {"root": ".", "excerpt_samples": 1}, "data.excerpt_samples"),
        (SceneConfig, {"root": ".", "rate_hz": 1}, "data.rate_hz"),
    ],
)
def test_a_key_of_the_data_is_named_as_the_file_has_it(form, data, key, tmp_path):
    path = tmp_path / "run.yaml"
    fields = {"name": "x", "description": "", "license": "", "source": "", "data": data}
    if form is not GuitarConfig:
        fields["task"] = form.model_fields["task"].annotation.__args__[0]
    else:
        del fields["source"]
    path.write_text(yaml.safe_dump(fields))
    with pytest.raises(ConfigError, match=rf"run\.yaml: {re.escape(key)}: "):
        load_config(path, form)


@pytest.mark.parametrize("text", ["", "- 1\n", "a: [", "\x00"])
def test_no_yaml_is_refused(text, tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"run\.yaml"):
        load_config(path, GuitarConfig)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"run\.yaml"):
        load_config(tmp_path / "run.yaml", GuitarConfig)


CONFIGS = sorted(
    path
    for path in (ROOT / "training" / "configs").glob("*.yaml")
    if yaml.safe_load(path.read_text("utf-8")).get("task", "guitar") == "guitar"
)


def test_no_knob_of_a_configuration_lies_outside_of_the_registries(workspace):
    for loss in ({"esr": 1, "loudness": 1}, {"esr": 0}, {}):
        with pytest.raises(ConfigError, match="loss"):
            load_config(workspace.rewrite(loss=loss), GuitarConfig)
    workspace.rewrite(loss={"mse": 1, "mrstft": 0.001})
    assert load_config(workspace.path, GuitarConfig).loss == {"mse": 1, "mrstft": 0.001}
    with pytest.raises(ConfigError, match=r"schedule\.shape"):
        load_config(workspace.section("schedule", shape="exponential"), GuitarConfig)


@pytest.mark.data
@pytest.mark.parametrize(
    "path",
    [path for path in CONFIGS if not path.stem.endswith("_study")],
    ids=lambda path: path.stem,
)
def test_the_shipped_configurations_hold(path, monkeypatch):
    monkeypatch.setenv("RTAUDIO_DATA", str(DATA))
    config = load_config(path, GuitarConfig)
    assert config.name == path.stem
    if isinstance(config.data, TeacherData):
        held_out = {*config.data.validation, *config.data.test}
        assert not held_out & set(config.data.train)
        assert len(held_out) >= 3
    else:
        assert all(config.data.parts_of(pair).test for pair in config.data.pairs)


@pytest.mark.data
@pytest.mark.parametrize(
    "path", [path for path in CONFIGS if path.stem.endswith("_study")], ids=lambda path: path.stem
)
def test_the_shipped_studies_hold(path, monkeypatch):
    monkeypatch.setenv("RTAUDIO_DATA", str(DATA))
    assert load_sweep(path)
