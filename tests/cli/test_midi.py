"""``rtaudio midi`` and ``rtaudio run --midi``: names, words, and what is refused."""

from __future__ import annotations

import json
import sys

import pytest

from rtaudio.control.midi import ports
from rtaudio.control.midi.ports import Port

KNOBS, PADS = Port(0, "Knobs MIDI 1 20:0"), Port(0, "Pads MIDI 1 24:0")
BYTES = (b"\xb0\x07\x40", b"\x90\x3c\x64", b"\xf8", b"\xc1\x05", b"\xf6", b"\x01")


class Wires(ports.Ports):
    """Two controllers, of which one sends a few messages as soon as it is read."""

    def __init__(self):
        pass

    def names(self, direction):
        return [KNOBS, PADS] if direction == "in" else [PADS]

    def read(self, port, take):
        take(list(BYTES))
        return self

    def close(self):
        pass


@pytest.fixture
def wires(monkeypatch):
    monkeypatch.setattr(ports, "Ports", Wires)


def test_ports_are_listed(cli, wires):
    answer = cli("midi")
    assert answer.status == 0
    rows = [line.split("  ") for line in answer.out.splitlines() if " MIDI 1 " in line]
    ways = [(words[0], words[-1]) for row in rows if (words := " ".join(row).split())]
    assert ways == [("Knobs", "in"), ("Pads", "in"), ("Pads", "out")]
    assert json.loads(cli("midi", "--json").out) == {
        "in": [KNOBS.name, PADS.name], "out": [PADS.name],
    }  # fmt: skip


def test_what_arrives_is_told_in_words(cli, wires):
    answer = cli("midi", "knobs", "--seconds", "0.5")
    assert [line.rpartition("  ")[2] for line in answer.out.splitlines()] == [
        "control 7 = 64", "note 60 (C4) on, velocity 100", "program 5",
    ]  # fmt: skip
    assert "1 unknown and 1 damaged messages" in answer.err
    first = json.loads(cli("midi", "knobs", "--seconds", "0.5", "--json").out.splitlines()[0])
    assert first == {"kind": "control", "channel": 1, "number": 7, "value": 64}


def test_unknown_and_ambiguous_ports_are_refused(refused, wires):
    assert "no MIDI port has 'organ' in its name; there are: 'Knobs" in refused("midi", "organ")
    assert "'midi' is a part of 'Knobs MIDI 1 20:0', 'Pads" in refused("midi", "midi")


def test_without_python_rtmidi_the_remedy_is_named(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "rtmidi", None)
    for words in (("midi",), ("run", "bypass", "--device", "clock", "--midi", "knobs", "--json")):
        assert refused(*words).endswith("not installed; pip install 'rtaudio[midi]'")
