"""Files of controllers: read strictly, and written without losing a comment."""

from __future__ import annotations

import pytest
import yaml

from rtaudio.control.midi.controller_file import ControllerFile, controllers_folder
from rtaudio.control.midi.mapping import Mapping
from rtaudio.errors import SettingsError

PORT = "nanoKONTROL2:nanoKONTROL2 _ CTRL 20:0"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def written(text):
    path = controllers_folder() / "knobs.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


BLOCK = """# my knobs
port: Nano   # the small one
map:
  # first row
  - {control: 1, to: amp.gain_db}   # left
  - control: 2   # second
    to: tone.bass
# the end
"""
SHAPES = [
    BLOCK,
    "port: nano\nmap: [{control: 1, to: amp.gain_db}, {control: 2, to: tone.bass}]\n",
    "map:\n- control: 1\n  to: amp.gain_db\n- control: 2\n  to: tone.bass",
    "port: nano\n",
    "port: nano\nmap:\n",
    "map: []\nport: nano\n",
    "",
]


@pytest.mark.parametrize("text", SHAPES)
def test_what_is_learnt_replaces_the_control_and_the_target(text):
    file = ControllerFile(written(text))
    before = {m.control: m.to for m in file.mappings}
    file.learn(Mapping(control=9, channel=1, to="tone.middle"))
    assert {m.control: m.to for m in file.mappings} == before | {9: "tone.middle"}
    file.learn(Mapping(control=2, channel=1, to="tone.middle"))  # both are taken
    expected = {c: to for c, to in before.items() if c != 2} | {2: "tone.middle"}
    assert {m.control: m.to for m in ControllerFile(file.path).mappings} == expected
    for comment in ("# my knobs", "# the small one", "# first row", "# left", "# the end"):
        assert (comment in file.path.read_text()) == (comment in text)


def test_a_port_finds_its_file_or_gets_one():
    written(BLOCK)
    assert ControllerFile.of_port(PORT).path.name == "knobs.yaml"
    new = ControllerFile.of_port("Launch/Pad:Launch/Pad MIDI 1 24:0")
    assert new.path.name == "Launch-Pad.yaml"
    new.learn(Mapping(note=36, to="mute"))
    assert yaml.safe_load(new.path.read_text())["port"] == "Launch/Pad"
    assert ControllerFile.of_port("Launch/Pad:Launch/Pad MIDI 1 28:0").mappings == new.mappings


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("map: {", "not valid YAML"),
        ("[1]", "a controller is a mapping"),
        ("prot: x", "unknown key 'prot'; did you mean 'port'?"),
        ("port: 3", "port is not a part of the name"),
        ("map: 3", "is not a list of mappings"),
        ("map: [{control: 1}]", "mapping 1: to is missing"),
    ],
)
def test_a_damaged_file_is_one_line(text, fault):
    path = written(text)
    with pytest.raises(SettingsError) as error:
        ControllerFile.of_port("knobs")
    assert str(error.value).startswith(f"{path}: ")
    assert fault in str(error.value)
