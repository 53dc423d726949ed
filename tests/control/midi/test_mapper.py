"""The mapper: from events to actions, against small models of the same rules."""

from __future__ import annotations

import math
from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from rtaudio.control.midi.events import Event, Events
from rtaudio.control.midi.learner import Learner
from rtaudio.control.midi.mapper import Mapper, Press, Turn, decode_clicks
from rtaudio.control.midi.mapping import Mapping, beats_of, read_mappings
from rtaudio.control.midi.message import Message
from rtaudio.control.midi.parser import MidiParser
from rtaudio.control.parameter import Parameter
from rtaudio.errors import SettingsError

GAIN = Parameter("amp.gain_db", "amp", "gain", 0.0, -12.0, 12.0, 0.0, "dB", "db")
CUT = Parameter("cut.hz", "cut", "cut", 1000.0, 20.0, 20000.0, 1000.0, "Hz", "log")
TIME = Parameter("delay.time_ms", "delay", "time", 350.0, 1.0, 2000.0, 350.0, "ms", "log")
BYPASS = Parameter("amp.bypass", "amp", "bypass", 0.0, 0.0, 1.0, 0.0, "", "switch")
shares = st.floats(0.0, 1.0)


class Knobs:
    """Parameters that a mapper turns."""

    def __init__(self, *mappings):
        self.mapper = Mapper(mappings)
        self.known = {each.name: each for each in (GAIN, CUT, TIME, BYPASS)}

    def do(self, event, now_s=0.0):
        actions = self.mapper.actions(event, self.known.get, now_s)
        for action in actions:
            if isinstance(action, Turn):
                assert self.known[action.name].low <= action.value <= self.known[action.name].high
                self.set(action.name, action.value)
        return actions

    def set(self, name, value):
        self.known[name] = replace(self.known[name], value=value)

    def __getitem__(self, name):
        return self.known[name].value


def knob(number, value):
    return Event("control", 1, number, value, 127)


def note(velocity):
    return Event("note", 1, 36, velocity, 127)


@given(st.integers(0, 127), shares, shares, st.booleans(), st.floats(0.2, 5.0))
def test_range_curve_and_inversion(value, low, high, invert, curve):
    low_hz, high_hz = CUT.value_at(low), CUT.value_at(high)
    knobs = Knobs(
        Mapping(control=1, to="cut.hz", low=low_hz, high=high_hz, invert=invert, curve=curve,
                pickup=False)
    )  # fmt: skip
    knobs.do(knob(1, value))
    share = ((127 - value) / 127 if invert else value / 127) ** curve
    octaves = math.log2(low_hz) + share * (math.log2(high_hz) - math.log2(low_hz))
    assert knobs["cut.hz"] == pytest.approx(2.0**octaves, rel=1e-9)


@given(st.integers(0, 127), shares, shares, st.booleans(), st.floats(0.5, 2.0))
def test_feedback_moves_a_fader_to_where_it_would_have_been_put(value, low, high, invert, curve):
    if abs(low - high) < 0.1:
        return
    mapping = Mapping(control=1, bits=14, channel=3, to="amp.gain_db", low=GAIN.value_at(low),
                      high=GAIN.value_at(high), invert=invert, curve=curve)  # fmt: skip
    knobs = Knobs(mapping.model_copy(update={"pickup": False}))
    wanted = value << 7 | value
    knobs.do(Event("control 14", 3, 1, wanted, 16383))
    sent = b"".join(knobs.mapper.feedback("amp.gain_db", knobs.known["amp.gain_db"], own=False))
    heard = [e for m in MidiParser().feed(sent) for e in Events().of(m, 0.0)]
    assert len(sent) == 6
    assert {event.channel for event in heard} == {3}
    assert (sent[2] << 7 | sent[5]) == pytest.approx(wanted, abs=2)
    assert not knobs.mapper.feedback("amp.gain_db", knobs.known["amp.gain_db"], own=True)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 127)), max_size=40))
def test_soft_take_over_never_jumps(moves):
    """Whoever else turns the parameter: the knob moves it by no more than it moves itself."""
    knobs, before = Knobs(Mapping(control=1, to="amp.gain_db")), None
    for by_knob, value in moves:
        was = knobs["amp.gain_db"]
        if not by_knob:
            knobs.set("amp.gain_db", GAIN.value_at(value / 127))
            continue
        moved = knobs.do(knob(1, value))
        if moved:
            way = abs(GAIN.position(knobs["amp.gain_db"]) - GAIN.position(was))
            reach = 0.0 if before is None else abs(value - before) / 127
            assert way <= reach + 2 / 127 + 1e-9
        before = value


def test_soft_take_over_begins_where_the_knob_comes_by():
    knobs = Knobs(Mapping(control=1, to="amp.gain_db"))
    assert [bool(knobs.do(knob(1, value))) for value in (10, 30, 50, 70, 90, 20)] == [
        False, False, False, True, True, True,
    ]  # fmt: skip
    knobs.set("amp.gain_db", 12.0)
    assert [bool(knobs.do(knob(1, value))) for value in (30, 100, 126, 100)] == [
        False, False, True, True,
    ]  # fmt: skip


@pytest.mark.parametrize("coding", ["twos", "offset", "sign"])
@given(clicks=st.lists(st.integers(-20, 20), max_size=30))
def test_encoders_count_clicks(coding, clicks):
    knobs = Knobs(Mapping(control=1, to="amp.gain_db", relative=coding, step=0.01))
    position = 0.5
    for count in clicks:
        value = {
            "twos": count % 128,
            "offset": count + 64,
            "sign": count if count >= 0 else 64 - count,
        }[coding]
        assert decode_clicks(value, coding) == count
        knobs.do(knob(1, value))
        position = min(1.0, max(0.0, position + 0.01 * count))
        assert knobs["amp.gain_db"] == pytest.approx(GAIN.value_at(position), abs=1e-6)


def test_switches_toggle_hold_and_turn():
    toggle = Knobs(Mapping(note=36, to="amp.bypass"))
    assert [toggle.do(note(v)) and toggle["amp.bypass"] for v in (90, 0, 90, 0)] == [1, [], 0, []]
    held = Knobs(Mapping(note=36, to="amp.gain_db", low=-6, high=3, **{"as": "momentary"}))
    assert [held.do(note(v)) and held["amp.gain_db"] for v in (90, 0, 5)] == [3, -6, 3]
    either = Knobs(Mapping(note=36, to="amp.gain_db", low=-6, high=3))
    heard = [either.do(note(v)) and either["amp.gain_db"] for v in (1, 0, 1, 0)]
    assert heard == [3, [], -6, []] or heard == [-6, [], 3, []]
    latch = Knobs(Mapping(control=64, to="amp.bypass"))
    assert [latch.do(knob(64, v)) and latch["amp.bypass"] for v in (127, 0)] == [1, 0]


def test_words_are_pressed():
    words = [
        Mapping(note=36, to="mute"),
        Mapping(note=36, to="talk"),
        Mapping(note=36, to="next"),
        Mapping(control=64, to="compare"),
        Mapping(control=64, to="save"),
    ]
    knobs = Knobs(*words)
    assert knobs.do(note(9)) == [Press("mute"), Press("talk", True), Press("next")]
    assert knobs.do(note(0)) == [Press("talk", False)]
    assert knobs.do(knob(64, 127)) == [Press("compare", True), Press("save")]
    assert knobs.do(knob(64, 0)) == [Press("compare", False)]
    assert knobs.mapper.feedback("mute", True, own=True)[0] == bytes((0x90, 36, 127))


@given(st.floats(0.2, 1.5), st.sampled_from(["1/4", "1/8", "1/8.", "1/4t"]))
def test_taps_set_a_time(beat_s, length):
    knobs = Knobs(Mapping(note=36, to="delay.time_ms", length=length, **{"as": "tap"}))
    for n in range(4):
        knobs.do(note(90), n * beat_s)
        knobs.do(note(0), n * beat_s + 0.05)
    time_ms = 1000 * beat_s * beats_of(length)
    while time_ms > 2000:
        time_ms /= 2
    assert knobs["delay.time_ms"] == pytest.approx(time_ms, rel=0.006)
    assert knobs.do(note(90), 4 * beat_s + 5.0) == []  # a tap alone has no time


@given(st.floats(40.0, 240.0), st.sampled_from(["1/16", "1/8.", "1/4", "1/2", "1/1"]))
@example(119.0, "1/1")  # just above the longest time of the delay
def test_the_clock_sets_a_time_that_fits(bpm, length):
    knobs, events = Knobs(Mapping(clock=length, to="delay.time_ms")), Events()
    changes = 0
    for tick in range(100):
        for event in events.of(Message("clock"), tick * 60 / bpm / 24):
            changes += len(knobs.do(event))
    octaves = math.log2(knobs["delay.time_ms"] / (60000 / bpm * beats_of(length)))
    assert octaves == pytest.approx(round(octaves), abs=0.02)
    assert round(octaves) == 0 or 60000 / bpm * beats_of(length) > 2000
    assert changes <= 1  # each would be a cross-fade


@pytest.mark.parametrize("high", [-5.0, 0.0, 12.0])
def test_what_is_no_time_follows_no_clock(high):
    knobs = Knobs(Mapping(clock="1/4", to="amp.gain_db"))
    knobs.known["amp.gain_db"] = replace(GAIN, value=high - 6.0, low=high - 40.0, high=high)
    assert knobs.do(Event("tempo", 0, 0, 500.0, 0)) == []


def test_a_clock_at_the_limit_of_a_time_does_not_make_it_jump():
    knobs = Knobs(Mapping(clock="1/2", to="delay.time_ms"))
    times = []
    for beat_ms in (1000.0, 1009.0, 1011.0, 1009.0, 1007.0, 900.0):
        knobs.do(Event("tempo", 0, 0, beat_ms, 0))
        times.append(round(knobs["delay.time_ms"]))
    assert times == [2000, 2000, 1011, 1011, 1011, 1800]


@pytest.mark.parametrize(
    ("item", "fault"),
    [
        ({"control": 7}, "to is missing"),
        ({"to": "amp.gain"}, "give exactly one of control, nrpn"),
        ({"control": 7, "note": 1, "to": "amp.gain"}, "give exactly one of control, nrpn"),
        ({"control": 128, "to": "amp.gain"}, "control = 128 is out of range 0 .. 127"),
        ({"control": 1, "to": "mutt"}, "'mutt' is no effect.parameter"),
        ({"control": 1, "too": "mute", "to": "mute"}, "too: unknown key; did you mean 'to'?"),
        ({"control": 40, "bits": 14, "to": "a.b"}, "bits: 14 is for a control from 0 to 31"),
        ({"clock": "1/0", "to": "a.b"}, "'1/0' is no note value"),
        ({"clock": "1/8", "to": "mute"}, "sets a time"),
        ("mute", "is no mapping"),
    ],
)
def test_a_faulty_mapping_is_one_line(item, fault):
    with pytest.raises(SettingsError, match=r"^pedal\.yaml: mapping 2: ") as error:
        read_mappings([{"note": 1, "to": "mute"}, item], "pedal.yaml")
    assert fault in str(error.value)
    assert "\n" not in str(error.value)


# -- learning --------------------------------------------------------------------------------------


def learnt(*messages, to="amp.gain_db"):
    learner, events = Learner(to), Events()
    for number, message in enumerate(messages):
        assert learner.mapping(0.02 * number) is None
        for event in events.of(message, 0.02 * number):
            learner.take(event, 0.02 * number)
    return learner.mapping(100.0).plain()


def controls(number, *values):
    return [Message("control", 2, number, value) for value in values]


def test_learning_knows_what_moves():
    base = {"channel": 2, "to": "amp.gain_db"}
    assert learnt(*controls(21, 3, 4, 6, 9)) == base | {"control": 21}
    fine = [m for n in range(4) for m in controls(1, 60 + n) + controls(33, 5 * n)]
    assert learnt(*fine) == base | {"control": 1, "bits": 14}
    nrpn = controls(99, 3) + controls(98, 1) + [m for n in (1, 2) for m in controls(6, n)]
    assert learnt(*nrpn) == base | {"nrpn": 385}
    assert learnt(*controls(16, 1, 1, 1, 127, 127)) == base | {"control": 16, "relative": "twos"}
    assert learnt(*controls(16, 65, 65, 63, 63)) == base | {"control": 16, "relative": "offset"}
    assert learnt(*controls(16, 1, 1, 2, 65, 65, 66)) == base | {
        "control": 16, "relative": "sign",
    }  # fmt: skip
    assert learnt(Message("note", 2, 36, 90), Message("note", 2, 36, 0)) == base | {"note": 36}
    assert learnt(*controls(64, 127, 0)) == base | {"control": 64, "as": "toggle"}
    assert learnt(*controls(64, 127)) == base | {"control": 64}
    assert learnt(Message("bend", 2, 0, 5)) == base | {"bend": True}
