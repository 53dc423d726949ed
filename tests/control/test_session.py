"""A session: presets, two settings, tuner and saving while a host plays, without a gap."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from rtaudio.catalogue import user_presets_folder
from rtaudio.control.balance import loudness_lufs
from rtaudio.control.controls import Controls
from rtaudio.control.session import Session
from rtaudio.control.set_list import SetList
from rtaudio.effects.gain import Gain
from rtaudio.live.host import Host
from rtaudio.preset.load import load_preset
from rtaudio.preset.rewrite import rewritten
from rtaudio.preset.save_copy import save_copy
from rtaudio.shipped import shipped_models, shipped_presets

RATE = 48000


@pytest.fixture(scope="module", autouse=True)
def compiled():
    """What compares A and B is compiled before a sound plays that would end meanwhile."""
    loudness_lufs(Gain(), {}, np.zeros(480, np.float32), RATE, 1)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def folder(tmp_path):
    """Presets of three levels, and one that cannot be played."""
    folder = tmp_path / "presets"
    folder.mkdir()
    for name, gain_db in (("a", -6), ("b", -12), ("d", -9)):
        text = f"name: {name}   # {name}!\nchain:\n  - gain: {{name: in, gain_db: {gain_db}}}\n"
        (folder / f"{name}.yaml").write_text(text)
    (folder / "c.yaml").write_text("chain: [nothing]\n")
    return folder


def playing(path, **options):
    """Return the keys of a host that plays a preset."""
    presets = SetList(Path(path))
    host = Host(load_preset(presets.path), "clock", RATE, 64, **options)
    return host, Controls(Session(host, presets))


def test_brackets_step_through_the_presets_without_a_gap(folder, tmp_path):
    record = tmp_path / "record.wav"
    tone = np.sin(2 * np.pi * 1000 * np.arange(6 * RATE) / RATE).astype(np.float32)
    host, controls = playing(folder / "a.yaml", source=tone, record=record)
    names, said = [], []
    with host:
        for key in "]]][[[":
            controls.press(key, 0.0)
            names.append(controls.session.name)
            said.append(controls.session.said)
            host.wait(0.15)
    assert names == ["b", "b", "d", "d", "b", "a"]
    assert ["c.yaml cannot be played" in text for text in said] == [0, 1, 0, 1, 0, 0]
    sound = soundfile.read(record)[0]
    periods = np.abs(sound[2400 : len(sound) - 4800 - len(sound) % 48].reshape(-1, 48)).max(axis=1)
    assert periods.min() > 0.24
    assert periods.max() < 0.51
    assert np.ptp(periods) > 0.2


def test_a_and_b_are_two_settings_that_cross_fade(folder, tmp_path):
    record = tmp_path / "record.wav"
    ones = np.full(4 * RATE, 0.5, np.float32)
    host, controls = playing(folder / "a.yaml", source=ones, record=record)
    heard = []
    with host:
        for key in ("a", "up", "up", "a", "a", "b", "a"):
            controls.press(key, 0.0)
            host.wait(0.1)
            heard.append((controls.session.side, host.values()["in.gain_db"]))
    assert heard == [("B", -6), ("B", -5), ("B", -4), ("A", -6), ("B", -4), ("B", -4), ("A", -6)]
    assert controls.session.comparing
    sound = soundfile.read(record)[0]
    # from 0.5 of a cross-fade of 50 ms no step is larger than its share of a sample
    assert np.abs(np.diff(sound[4800:-4800])).max() < 1e-3


def test_the_tuner_mutes_and_gives_the_sound_back(folder):
    host, controls = playing(folder / "a.yaml")
    with host:
        controls.press("t", 0.0)
        assert host.muted
        assert "TUNER" in controls.text()
        controls.press("m", 0.0)
        controls.press("t", 0.0)
        assert host.muted
        controls.press("m", 0.0)
        assert not host.muted


def test_a_master_is_compared_by_its_intensity_and_saved_without_the_comparison(folder):
    path = folder / "m.yaml"
    path.write_text(shipped_presets()["master"].read_text("utf-8"), "utf-8")
    host, controls = playing(path)
    with host:
        for key in ("b", "s"):
            controls.press(key, 0.0)
        assert host.get("intensity.bypass") == 1.0
        assert host.get("master.bypass") == 0.0
    [saved] = controls.session.saved
    assert [*load_preset(saved)] == [*load_preset(path)]


def test_s_saves_what_was_dialled_in_with_the_comments_of_its_author(folder):
    host, controls = playing(folder / "a.yaml")
    with host:
        for key in ("up", "b", "s", "up", "s"):
            controls.press(key, 0.0)
    first, second = controls.session.saved
    assert (first.name, second.name) == ("a-2.yaml", "a-3.yaml")
    assert str(second) in controls.session.said
    assert first.read_text() == ("name: a-2   # a!\nchain:\n  - gain: {name: in, gain_db: -5.0}\n")
    assert load_preset(second).effects[0].gain_db == -4.0
    assert "gain_db: -6}" in (folder / "a.yaml").read_text()
    assert not load_preset(first).bypass


def test_a_shipped_preset_and_a_model_are_saved_among_the_users(tmp_path):
    for path, name in (
        (shipped_presets()["crunch"], "crunch-2"),
        (shipped_models()["edge"], "edge-2"),
    ):
        host, controls = playing(path)
        with host:
            controls.press("right", 0.0)
            controls.press("s", 0.0)
            [saved] = controls.session.saved
            assert saved == user_presets_folder() / f"{name}.yaml"
        assert load_preset(name).effects[2].file == load_preset(path).effects[2].file
        assert str(tmp_path) not in saved.read_text()


def test_a_preset_that_cannot_be_saved_is_said(tmp_path):
    host, controls = playing(shipped_presets()["bypass"])
    (tmp_path / "config").write_text("a file, where the folder should be")
    with host:
        controls.press("s", 0.0)
    assert controls.session.said.startswith("not saved: ")
    assert controls.session.saved == []


# -- set lists -------------------------------------------------------------------------------------


def test_a_set_list_is_what_belongs_together(folder, tmp_path):
    assert SetList(shipped_presets()["crunch"]).paths == list(shipped_presets().values())
    assert [p.name for p in SetList(folder).paths] == ["a.yaml", "b.yaml", "c.yaml", "d.yaml"]
    models = SetList(shipped_models()["crunch"])
    assert models.paths == list(shipped_models().values())
    assert models.step(1).stem == "crunch-light"
    assert SetList(folder / "d.yaml").step(1) == folder / "a.yaml"
    user_presets_folder().mkdir(parents=True)
    (user_presets_folder() / "mine.yaml").write_text("chain: []\n")
    assert SetList(shipped_presets()["crunch"]).paths[-1].stem == "mine"
    with pytest.raises(FileNotFoundError, match="no preset and no model file"):
        SetList(tmp_path)


# -- rewriting -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", shipped_presets())
def test_an_unchanged_preset_keeps_every_letter(name):
    path = shipped_presets()[name]
    text = path.read_text("utf-8")
    assert rewritten(text, load_preset(path), path.parent) == text


SHAPES = [
    "chain: [limiter, {gain: {name: in}}, {parallel: [{chain: []}, {pan: 0.5, chain: [gain]}]}]\n",
    "# first\nchain:\n  - limiter:   # bare\n  - gain:\n      name: in   # words\n"
    "  - parallel:\n      - chain: []\n"
    "      - pan: 0.5   # right\n        chain:\n        - gain\n",
    "chain:\n- limiter: {}\n- gain: {\n    name: in,\n  }\n- parallel:\n    mix: 1\n    paths:\n"
    "    - {chain: []}\n    - {pan: 0.5, chain: [gain: ]}\n",
]


@pytest.mark.parametrize("text", SHAPES)
def test_any_shape_of_a_preset_takes_any_change(text, tmp_path):
    path = tmp_path / "shape.yaml"
    path.write_text(text)
    chain = load_preset(path)
    limiter, gain, parallel = chain.effects
    limiter.ceiling_db, gain.gain_db, gain.mix, parallel.mix, chain.mix = -3.0, 2.5, 0.5, 0.25, 0.75
    parallel.branches[0].pan, parallel.branches[1].pan = -1.0, 1.0
    parallel.branches[1].effects[0].bypass = True
    new = rewritten(text, chain, tmp_path)
    path.write_text(new)
    assert load_preset(path) == chain
    for comment in ("# first", "# bare", "# words", "# right"):
        assert (comment in new) == (comment in text)


def test_a_preset_of_other_effects_keeps_its_other_comments(folder):
    chain = load_preset("bypass")
    path = save_copy(chain, folder, folder / "a.yaml")
    assert path.read_text() == f"name: {path.stem}   # a!\nchain:\n  []\n"
    assert load_preset(path).effects == []


def test_a_preset_of_other_branches_is_written_anew(tmp_path):
    text = "chain: [{parallel: [{chain: []}, {pan: 0.5, chain: []}]}]   # wide\n"
    path = tmp_path / "wide.yaml"
    path.write_text(text)
    chain = load_preset(path)
    chain.effects[0].branches = chain.effects[0].branches[:1]
    assert rewritten(text, chain, tmp_path) is None
    assert load_preset(save_copy(chain, tmp_path, path)).effects == chain.effects


def test_keys_undo_and_learn(folder):
    host, controls = playing(folder / "a.yaml")
    with host:
        controls.press("up", 0.0)
        assert host.get("in.gain_db") == -5.0
        controls.press("u", 0.0)
        assert host.get("in.gain_db") == -6.0
        assert controls.session.said == "undone: in.gain_db = -5 dB"
        controls.press("U", 0.0)
        assert host.get("in.gain_db") == -5.0
        controls.press("U", 0.0)
        assert controls.session.said == "nothing to be done again"
        controls.press("l", 0.0)  # without a controller nothing is learnt
        assert not controls.session.learning
        asked = []
        controls.session.learner = asked.append
        controls.press("l", 0.0)
        assert (asked, controls.session.learning) == (["in.gain_db"], "in.gain_db")
        assert "l learn" in controls.help
