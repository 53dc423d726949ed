"""MIDI over JACK's dummy driver: another client is the controller."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.jack
pytest.importorskip("rtmidi", reason="python-rtmidi is not installed (extra midi)")

PLAY = """
import json, sys, time
from rtaudio.control.midi.midi_control import MidiControl
from rtaudio.control.session import Session
from rtaudio.effects.chain import Chain
from rtaudio.effects.gain import Gain
from rtaudio.live.host import Host

warnings = []
with Host(Chain([Gain(name="amp")]), "system", block=64) as host:
    session = Session(host)
    with MidiControl(session, ["knobs"], warnings.append) as midi:
        print("playing", flush=True)
        for line in sys.stdin:
            wanted = json.loads(line)
            end = time.monotonic() + 20
            while time.monotonic() < end and not (
                abs(host.get("amp.gain_db") - wanted["gain_db"]) < 1e-3
                and len(warnings) >= wanted["warnings"]
            ):
                time.sleep(0.005)
            print(json.dumps({"gain_db": host.get("amp.gain_db"), "warnings": warnings,
                              "counts": midi.counts}), flush=True)
"""

KNOBS = """
import sys, time
import rtmidi

def plugged():
    out = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name="Knobs")
    out.open_virtual_port("out")
    return out

out = plugged()
heard = rtmidi.MidiIn(rtmidi.API_UNIX_JACK, name="Knobs back")
heard.open_virtual_port("in")
print("plugged", flush=True)
for line in sys.stdin:
    word, *data = line.split()
    if word == "send":
        out.send_message([int(byte, 16) for byte in data])
    elif word == "unplug":
        out.delete()
    elif word == "plug":
        out = plugged()
    elif word == "hear":
        end, found = time.monotonic() + 20, None
        while found is None and time.monotonic() < end:
            found = heard.get_message()
            time.sleep(0.005)
        print(" ".join(f"{byte:02x}" for byte in found[0]) if found else "", flush=True)
"""


def test_a_controller_turns_is_shown_goes_and_comes_back(jack, tmp_path):
    server = jack()
    server.environment["XDG_CONFIG_HOME"] = str(tmp_path)
    folder = tmp_path / "rtaudio" / "midi"
    folder.mkdir(parents=True)
    (folder / "knobs.yaml").write_text(
        "map: [{control: 7, to: amp.gain_db, low: -20, high: 20, pickup: false}]\n"
    )
    knobs = server.script(KNOBS)
    assert knobs.stdout.readline() == "plugged\n"
    player = server.script(PLAY)
    assert player.stdout.readline() == "playing\n", player.stderr.read()

    def do(line):
        knobs.stdin.write(line + "\n")
        knobs.stdin.flush()

    def state(gain_db, warnings=0):
        player.stdin.write(json.dumps({"gain_db": gain_db, "warnings": warnings}) + "\n")
        player.stdin.flush()
        found = json.loads(player.stdout.readline())
        assert found["gain_db"] == pytest.approx(gain_db, abs=1e-3), found
        assert len(found["warnings"]) == warnings, found
        return found

    do("hear")
    assert knobs.stdout.readline() in ("b0 07 3f\n", "b0 07 40\n")  # the fader goes to 0 dB
    do("send b0 07 7f")
    state(20.0)
    do("send b0 07 00")
    do("send f6")
    state(-20.0)
    do("unplug")
    assert "is gone" in state(-20.0, 1)["warnings"][0]
    do("plug")
    assert "is back" in state(-20.0, 2)["warnings"][1]
    do("send b0 07 7f")
    assert state(20.0, 2)["counts"]["damaged"] == 0
    for process in (knobs, player):
        _, error = process.communicate(timeout=20)
        assert process.returncode == 0, error
