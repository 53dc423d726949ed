"""The MIDI parser: any bytes, in any pieces, and damage that costs one message."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from rtaudio.control.midi.events import Events
from rtaudio.control.midi.message import Message
from rtaudio.control.midi.parser import MidiParser

REAL_TIME = (0xF8, 0xFA, 0xFB, 0xFC, 0xFE, 0xFF)
channels, sevens = st.integers(1, 16), st.integers(0, 127)


@st.composite
def messages(draw):
    """A message and its bytes."""
    channel, number, value = draw(channels), draw(sevens), draw(sevens)
    low = channel - 1
    return draw(
        st.sampled_from(
            [
                (Message("note", channel, number, value), (0x90 | low, number, value)),
                (Message("note", channel, number, 0), (0x80 | low, number, value)),
                (Message("key pressure", channel, number, value), (0xA0 | low, number, value)),
                (Message("control", channel, number, value), (0xB0 | low, number, value)),
                (Message("program", channel, 0, value), (0xC0 | low, value)),
                (Message("pressure", channel, 0, value), (0xD0 | low, value)),
                (Message("bend", channel, 0, value * 128 + number - 8192),
                 (0xE0 | low, number, value)),
            ]
        )
    )  # fmt: skip


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_no_bytes_are_an_error_and_pieces_do_not_matter(pieces):
    parser, whole, events = MidiParser(), MidiParser(), Events()
    found = [message for piece in pieces for message in parser.feed(piece)]
    assert found == whole.feed(b"".join(pieces))
    assert (parser.unknown, parser.damaged) == (whole.unknown, whole.damaged)
    for number, message in enumerate(found):
        assert message.words
        for event in events.of(message, 0.02 * number):
            assert 0.0 <= event.position <= 1.0


@given(st.lists(messages(), min_size=1, max_size=20), st.data())
def test_running_status_and_real_time_bytes_in_between_change_nothing(sent, data):
    stream, status = [], None
    for _, (first, *rest) in sent:
        omitted = first == status and data.draw(st.booleans())
        for byte in rest if omitted else (first, *rest):
            stream += data.draw(st.lists(st.sampled_from(REAL_TIME), max_size=2))
            stream.append(byte)
        status = first
    parser = MidiParser()
    heard = [message for message in parser.feed(bytes(stream)) if message.channel]
    assert heard == [message for message, _ in sent]
    assert (parser.unknown, parser.damaged) == (0, 0)


@given(messages(), messages(), st.integers(1, 2))
def test_a_message_that_breaks_off_costs_only_itself(broken, after, kept):
    kept = min(kept, len(broken[1]) - 1)
    parser = MidiParser()
    assert parser.feed(bytes(broken[1][:kept] + after[1])) == [after[0]]
    assert parser.damaged == (kept > 1)


def test_unknown_messages_and_stray_data_are_counted():
    parser = MidiParser()
    assert parser.feed(bytes([0xF0, 1, 2, 3, 0xF7, 5, 0xF2, 1, 2, 0xF6, 0xF4, 0xF9])) == []
    assert (parser.unknown, parser.damaged) == (5, 1)
    assert parser.feed(bytes([0xF0, 1, 0x91, 60, 1])) == [Message("note", 2, 60, 1)]
    assert parser.damaged == 2


@given(channels, st.integers(0, 31), st.lists(st.integers(0, 16383), min_size=1))
def test_fourteen_bits_are_put_together(channel, number, values):
    events, found = Events(), []
    for value in values:
        for part in ((number, value >> 7), (number + 32, value & 127)):
            found += events.of(Message("control", channel, *part), 0.0)
    whole = [event.value for event in found if event.kind == "control 14"]
    assert whole[0] == values[0] & ~127  # the low part was not known yet
    assert whole[1:] == values
    assert all(event.number == number for event in found if event.kind == "control 14")


@given(channels, st.integers(0, 16382), st.lists(st.integers(0, 16383), min_size=1))
def test_an_nrpn_is_put_together(channel, number, values):
    events, found = Events(), []
    pairs = [(99, number >> 7), (98, number & 127)]
    for value in values:
        pairs += [(6, value >> 7), (38, value & 127)]
    pairs += [(96, 0), (97, 0), (101, 127), (100, 127), (6, 1)]
    for pair in pairs:
        found += events.of(Message("control", channel, *pair), 0.0)
    heard = [(e.number, e.value) for e in found if e.kind == "nrpn"]
    wanted = [values[0] & ~127, *values]
    wanted += [min(16383, values[-1] + 1), min(16383, values[-1] + 1) - 1]
    assert heard == [(number, value) for value in wanted]


def test_bank_and_program_make_a_place_of_the_set_list():
    events = Events()

    def place(*messages):
        found = [event for message in messages for event in events.of(message, 0.0)]
        return [int(event.value) for event in found if event.kind == "program"]

    assert place(Message("program", 1, 0, 5)) == [5]
    assert place(Message("control", 1, 0, 2), Message("program", 1, 0, 5)) == [2 * 128 + 5]
    assert place(Message("program", 2, 0, 5)) == [5]
    low = Message("control", 1, 32, 3)
    assert place(low, Message("program", 1, 0, 5)) == [(2 * 128 + 3) * 128 + 5]


@given(st.floats(40.0, 240.0), st.lists(st.floats(-0.002, 0.002), min_size=49, max_size=49))
def test_the_tempo_of_a_clock_survives_ticks_that_come_late(bpm, late):
    events, found = Events(), []
    for number, delay in enumerate(late):
        found += events.of(Message("clock"), number * 60.0 / bpm / 24 + delay)
    assert len(found) == 5
    # the worst case of the slope: early ticks all early, late ticks all late
    slack_ms = 24 * 1000 * 0.002 * 2 * sum(range(1, 13)) / (2 * sum(n * n for n in range(1, 13)))
    assert all(abs(event.value - 60000.0 / bpm) <= slack_ms + 1e-6 for event in found)


def test_a_clock_that_stops_begins_anew():
    events = Events()
    ticks = [0.02 * n for n in range(20)] + [5.0 + 0.02 * n for n in range(20)]
    assert [event for at in ticks for event in events.of(Message("clock"), at)] == []
    events.of(Message("stop"), 5.5)
    assert [e for n in range(24) for e in events.of(Message("clock"), 5.5 + 0.02 * n)] == []
