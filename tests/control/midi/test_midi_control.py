"""Controllers at a session: every way from a message to the sound, and back to lamps."""

from __future__ import annotations

import threading
import time

import pytest

from rtaudio.catalogue import user_sets
from rtaudio.control.midi.controller_file import controllers_folder
from rtaudio.control.midi.midi_control import MidiControl
from rtaudio.control.midi.ports import Port
from rtaudio.control.session import Session
from rtaudio.control.set_list import SetList
from rtaudio.errors import DeviceError
from rtaudio.live.host import Host
from rtaudio.preset.load import load_preset

KNOBS = Port(0, "Knobs:Knobs MIDI 1 20:0")


class Wires:
    """Ports in memory, which can be unplugged: what the tests send and hear."""

    def __init__(self, *ports):
        self.there, self.takers, self.sent = list(ports), {}, []

    def names(self, direction):
        return list(self.there)

    def find(self, part, direction):
        return next((port for port in self.there if part.lower() in port.name.lower()), None)

    def read(self, port, take):
        if port not in self.there:
            raise DeviceError("gone")
        self.takers[port] = take
        return self

    def write(self, port):
        return self

    def send_message(self, data):
        self.sent.append(bytes(data))

    def send(self, *data, port=KNOBS):
        self.takers[port]([bytes(data)])

    def close(self):
        pass

    def delete(self):
        pass


def until(condition, seconds=20.0):
    """Wait for a condition, however slow the machine is."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "config" / "rtaudio"
    for name in ("presets", "sets", "midi"):
        (folder / name).mkdir(parents=True)
    for name, gain_db in (("soft", -12), ("loud", 0)):
        text = f"name: {name}\nchain: [{{gain: {{name: amp, gain_db: {gain_db}}}}}]\n"
        (folder / "presets" / f"{name}.yaml").write_text(text)
    (folder / "midi" / "knobs.yaml").write_text(
        "map:\n  - {control: 7, to: amp.gain_db, low: -20, high: 20, pickup: false}\n"
        "  - {note: 36, to: mute}\n  - {note: 37, to: amp.bypass}\n  - {note: 38, to: undo}\n"
    )
    return folder


@pytest.fixture
def playing():
    """Return ``playing(file_or_name) -> (session, wires, warnings)`` with a controller."""
    opened = []

    def play(what, wires=None):
        wires = wires or Wires(KNOBS)
        presets = SetList(what)
        session = Session(Host(load_preset(presets.path), "clock", 48000, 64), presets)
        session.host.start()
        warnings = []
        control = MidiControl(session, ["knobs"], warnings.append, wires)
        opened.append((session, control))
        control.__enter__()
        return session, wires, warnings

    yield play
    for session, control in opened:
        control.__exit__(None, None, None)
        session.host.stop()


def test_knobs_switches_and_lamps(playing, home):
    session, wires, warnings = playing(home / "presets" / "soft.yaml")
    wires.send(0xB0, 7, 127)
    assert session.host.get("amp.gain_db") == 20.0
    wires.send(0x90, 36, 100)
    assert session.host.muted
    wires.send(0x90, 37, 100, 37, 0)
    assert session.parameters()["amp.bypass"].value == 1.0
    until(lambda: {bytes((0x90, 36, 127)), bytes((0x90, 37, 127))} <= set(wires.sent))
    wires.sent.clear()
    session.set("amp.gain_db", 10.0)  # by somebody else: the fader follows
    until(lambda: bytes((0xB0, 7, 95)) in wires.sent)
    wires.send(0x90, 38, 100)
    until(lambda: session.host.get("amp.gain_db") != 10.0)
    assert warnings == []


def test_of_many_messages_at_once_each_knob_keeps_its_last_value(playing, home):
    session, wires, _ = playing(home / "presets" / "soft.yaml")
    changes = []
    session.subscribe(changes.append)
    sweep = [bytes((0xB0, 7, value)) for value in range(128)]
    wires.takers[KNOBS]([*sweep, bytes((0x90, 37, 100)), *sweep[:65]])
    heard = [(c.name, c.value) for c in changes if c.kind == "parameter"]
    assert ("amp.bypass", 1.0) in heard
    gains = [value for name, value in heard if name == "amp.gain_db"]
    assert gains == [session.host.get("amp.gain_db")]
    assert abs(gains[0]) < 0.5


def test_messages_after_the_end_of_the_host_do_nothing(playing, home):
    session, wires, _ = playing(home / "presets" / "soft.yaml")
    session.host.stop()
    wires.send(0xB0, 7, 127)
    wires.send(0x90, 36, 100)
    wires.send(0xC0, 127)


def test_damage_is_counted_and_nothing_else(playing, home):
    session, wires, _ = playing(home / "presets" / "soft.yaml")
    for data in (b"\xb0", b"\x05\x05", b"\xf5", b"\xff\xfe", bytes(range(256)) * 3):
        wires.takers[KNOBS]([data])
    wires.send(0xB0, 7, 0)
    assert session.host.get("amp.gain_db") == -20.0


def test_a_mapping_onto_what_is_not_there_is_named_and_the_preset_plays(playing, home):
    preset = home / "presets" / "mapped.yaml"
    preset.write_text(
        "name: mapped\nchain: [gain]\nmidi:   # mine\n"
        "  - {control: 7, to: gain.gain_db, pickup: false}\n  - {control: 8, to: delay.time_ms}\n"
    )
    session, wires, warnings = playing(preset)
    [line] = warnings
    assert "mapped has no amp.bypass, delay.time_ms;" in line
    wires.send(0xB0, 7, 127)  # the preset's mapping, not the controller's
    assert session.host.get("gain.gain_db") == session.parameters()["gain.gain_db"].high
    wires.send(0xB0, 8, 127)
    assert session.host.running
    saved = session.save_as("kept")
    assert "midi:   # mine" in saved.read_text()
    assert load_preset(saved).effects[0].gain_db == session.host.get("gain.gain_db")


def test_a_damaged_midi_section_is_one_line_and_the_preset_plays(playing, home):
    preset = home / "presets" / "odd.yaml"
    preset.write_text("chain: [{gain: {name: amp}}]\nmidi: [{control: 700, to: amp.gain_db}]\n")
    session, _, warnings = playing(preset)
    assert warnings == [f"{preset}: midi: mapping 1: control = 700 is out of range 0 .. 127"]
    assert session.host.running


def test_programs_choose_from_the_set_list(playing, home):
    (home / "sets" / "gig.yaml").write_text("presets: [soft, gone, loud]\n")
    session, wires, _ = playing(user_sets()["gig"])
    assert "gone" in session.said
    wires.send(0xB0, 7, 127)
    wires.send(0xC0, 2)
    until(lambda: session.name == "loud")
    wires.send(0xC0, 127)
    until(lambda: "gone: this preset of the set list is not there" in session.said)
    wires.send(0xB0, 0, 1, 0xC0, 0)
    until(lambda: "program 129: the set list has 3 presets" in session.said)
    wires.send(0xB0, 0, 0, 0xC0, 0)
    until(lambda: session.name == "soft")
    assert session.host.get("amp.gain_db") == -12.0  # as in its file


def test_a_knob_is_learnt_and_kept(playing, home):
    session, wires, _ = playing(home / "presets" / "soft.yaml")
    changes = []
    session.subscribe(changes.append)
    session.learn("amp.mix")
    assert session.learning == "amp.mix"
    for value in (3, 5, 9, 14):
        wires.send(0xB3, 21, value)
    until(lambda: not session.learning)
    path = controllers_folder() / "knobs.yaml"
    assert session.said == f"control 21 of channel 4 turns amp.mix; kept in {path}"
    assert session.host.get("amp.mix") == 1.0  # learning turned nothing
    assert "- {control: 21, channel: 4, to: amp.mix}" in path.read_text()
    wires.send(0xB3, 21, 127)
    wires.send(0xB3, 21, 0)
    assert session.host.get("amp.mix") == 0.0
    heard = [(c.name, c.value) for c in changes if c.name in ("learning", "amp.mix")]
    assert heard == [("learning", "amp.mix"), ("learning", ""), ("amp.mix", 0.0)]
    with pytest.raises(ValueError, match="no effect is named"):
        session.learn("nobody.knows")


def test_a_port_that_goes_and_comes_back(playing, home):
    session, wires, warnings = playing(home / "presets" / "soft.yaml")
    wires.there.clear()
    until(lambda: len(warnings) == 1)
    assert "is gone" in warnings[0]
    again = Port(0, "Knobs:Knobs MIDI 1 24:0")  # with another number
    wires.there.append(again)
    until(lambda: len(warnings) == 2)
    assert "is back" in warnings[1]
    wires.send(0xB0, 7, 127, port=again)
    assert session.host.get("amp.gain_db") == 20.0


def test_an_unknown_port_is_refused_with_the_names(home):
    session = Session(Host(load_preset("bypass"), "clock", 48000, 64))
    with (
        pytest.raises(DeviceError, match=r"no MIDI port has 'pedal' in its name; .*Knobs MIDI 1"),
        MidiControl(session, ["pedal"], print, Wires(KNOBS)),
    ):
        pass
    session.host.stop()


def test_many_threads_turn_at_once(playing, home):
    session, wires, _ = playing(home / "presets" / "soft.yaml")
    faults = []

    def turn(job):
        try:
            for n in range(40):
                job(n)
        except Exception as error:
            faults.append(error)

    jobs = [
        lambda n: wires.send(0xB0, 7, n),
        lambda n: session.set("amp.mix", n / 40),
        lambda n: session.undo(),
        lambda n: n % 20 or session.step_preset(1),
        lambda n: session.parameters() and session.chain() and session.read(),
    ]
    threads = [threading.Thread(target=turn, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert session.host.running
