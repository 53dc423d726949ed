"""Names: what ships and what the user has saved, found by name, by a part of it, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rtaudio.catalogue import catalogue, find_file, user_presets_folder
from rtaudio.preset.load import load_preset
from rtaudio.shipped import shipped_cabinets, shipped_codecs, shipped_models, shipped_presets

EVERY = [
    (name, kind)
    for kind, files in (
        ("preset", shipped_presets()),
        ("model", shipped_models()),
        ("cabinet", shipped_cabinets()),
        ("codec", shipped_codecs()),
    )
    for name in files
]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A user without presets or plugins, in an empty folder."""
    monkeypatch.setattr("rtaudio.catalogue.plugin_folders", list)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_a_part_of_a_name_is_the_name_if_no_other_has_it(name, kind):
    known = catalogue(kind)
    assert find_file(name, kind) == known[name]
    for start in range(len(name)):
        for stop in range(start + 1, len(name) + 1):
            part = name[start:stop].upper()
            having = [other for other in known if part.lower() in other.lower()]
            if len(having) == 1:
                assert find_file(part, kind) == known[having[0]]
            elif part not in known:
                with pytest.raises(FileNotFoundError, match="give more of the name"):
                    find_file(part, kind)


def test_a_name_that_nothing_has_suggests_the_nearest():
    with pytest.raises(FileNotFoundError, match="no cabinet 'brittish-4x12'; did you mean 'brit"):
        find_file("brittish-4x12", "cabinet")
    with pytest.raises(FileNotFoundError, match="no preset or model ''; known: backing-track"):
        find_file("", "preset", "model")


def test_the_earlier_kind_counts_then_a_file():
    assert find_file("crunch", "preset", "model").suffix == ".yaml"
    assert find_file("crunch", "model", "preset").suffix == ".onnx"
    Path("cru").touch()
    assert find_file("cru", "preset") == Path("cru")


def test_a_preset_of_the_user_has_a_name_but_not_that_of_a_shipped_one():
    folder = user_presets_folder()
    folder.mkdir(parents=True)
    for name in ("my-sound", "bypass"):
        (folder / f"{name}.yaml").write_text(f"name: {name}\nchain: [limiter]\n")
    assert load_preset("my-s").effects
    assert load_preset("bypass").effects == []


def test_a_preset_may_name_what_ships(tmp_path):
    path = tmp_path / "named.yaml"
    path.write_text("chain: [{model: {file: crunch}}, {cabinet: {file: bass-4x10}}]\n")
    model, cabinet = load_preset(path).effects
    assert model.file == shipped_models()["crunch"]
    assert cabinet.file == str(shipped_cabinets()["bass-4x10"])


# -- the verbs -------------------------------------------------------------------------------------


def test_every_name_has_one_line_that_fits(cli):
    folder = user_presets_folder()
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("description: loud\nchain: [limiter]\n")
    (folder / "torn.yaml").write_text("chain: [\n")
    answer = cli("presets")
    assert answer.status == 0
    lines = answer.out.splitlines()
    assert max(map(len, lines)) <= 80
    words = [line.split() for line in lines]
    for name, _ in EVERY:
        assert sum(word[0] == name for word in words) == sum(n == name for n, _ in EVERY)
    assert ["mine", "loud"] in words
    assert next(word for word in words if word[0] == "torn")[1:4] == ["cannot", "be", "played:"]


@pytest.mark.parametrize(
    "words",
    [
        ("run", "crunhc", "--device", "clock"),
        ("render", "crunhc", "a.wav", "b.wav"),
        ("inspect", "crunhc"),
        ("export", "crunhc", "a.nam"),
        ("denoise", "a.wav", "b.wav", "--preset", "crunhc"),
    ],
)
def test_every_verb_helps_with_a_misspelt_name(refused, words):
    assert "'crunhc'; did you mean 'crunch'" in refused(*words)


def test_verbs_take_a_part_of_a_name(cli, tmp_path):
    assert cli("run", "stereo", "--device", "clock", "--seconds", 0.05, "--json").status == 0
    assert cli("export", "bas", tmp_path / "bass.nam").status == 0
    assert cli("run", tmp_path / "bass.nam", "--cabinet", "4x10", "--device", "clock",
               "--seconds", 0.05, "--json").status == 0  # fmt: skip


def test_inspect_shows_a_preset_effect_by_effect(cli):
    answer = cli("inspect", "crunch", "--json")
    assert answer.status == 0, answer.err
    found = json.loads(answer.out)
    chain = load_preset("crunch")
    assert [part["name"] for part in found["effects"]] == [e.name or e.kind for e in chain.effects]
    assert found["latency_samples"] == chain.plan(48000, 64).latency_samples
    assert sum(part["latency_samples"] for part in found["effects"]) == found["latency_samples"]
    costs = {part["name"]: part["cost_us"] for part in found["effects"]}
    assert max(costs, key=costs.get) == "amp"
    assert found["cost_us"] > costs["amp"]
    text = cli("inspect", "crunch").out
    for word in ("noise_gate", "crunch.onnx", "british-4x12.wav", "Three tone knobs", "1.50"):
        assert word in text
