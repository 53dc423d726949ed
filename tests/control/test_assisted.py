"""The assistant while a host plays: ordinary parameters, one step back, and nothing by mistake."""

from __future__ import annotations

import time

import numpy as np
import pytest

from rtaudio.control.controls import Controls
from rtaudio.control.session import Session
from rtaudio.effects.chain import Chain
from rtaudio.effects.gain import Gain
from rtaudio.effects.tilt import Tilt
from rtaudio.errors import AudioError, UsageError
from rtaudio.live.host import Host
from rtaudio.mastering.assistant import propose
from rtaudio.preset.load import load_preset

RATE = 48000
PATIENCE_S = 60


def dark(seconds=4.0, level=0.05):
    """Return noise that falls by 6 dB per octave, wider than mono."""
    noise = np.random.default_rng(0).standard_normal((2, round(seconds * RATE)))
    falling = Tilt(db_per_octave=-6)(noise, RATE)
    return np.asarray(level * falling / falling.std(), np.float32)


@pytest.fixture
def session():
    return Session(Host(load_preset("master"), "clock", RATE))


def test_a_proposal_is_set_as_for_a_file_and_undone_in_one_step(session):
    before = session.host.values()
    told = session.propose(dark())
    found = propose(dark(), RATE).chain
    assert session.host.get("tilt.db_per_octave") == found["tilt"].db_per_octave > 0.5
    assert session.host.get("bands.high_shelf_db") == found["bands"].high_shelf_db
    assert "too dark" in told
    after = session.host.values()
    assert session.undo() == "the proposal of the assistant"
    assert session.host.values() == before
    session.redo()
    assert session.host.values() == after
    assert session.propose(dark()) == told
    session.undo()  # the same again is no second step
    assert session.host.values() == before


def test_another_proposal_takes_the_last_one_back(session):
    session.propose(dark())
    first = session.host.get("tilt.db_per_octave")
    session.propose(Tilt(db_per_octave=6)(dark(), RATE))
    assert session.host.get("tilt.db_per_octave") < 0.0 < first


def test_a_leveler_in_front_makes_the_level_of_the_passage_no_matter(session):
    clicks = dark()
    clicks[:, :: RATE // 2] += 1.0
    session.propose(clicks)
    values = session.host.values()
    assert values["compressor.ratio"] > 1.0
    assert values["compressor.threshold_db"] == -18.0 + 6.0
    session.propose(clicks / 8)
    assert session.host.values() == values
    session.host.effects()["input"].bypass = True
    session.propose(clicks / 8)
    assert session.host.get("compressor.threshold_db") < -20.0


def test_silence_or_too_little_changes_nothing(session):
    before = session.host.values()
    for passage, told in ((0.0 * dark(), "silent"), (dark(2.0), "3 s or more")):
        with pytest.raises(AudioError, match=told):
            session.propose(passage)
    assert session.host.values() == before
    assert session.undo() is None


def test_a_chain_without_its_effects_is_said():
    session = Session(Host(Chain([Gain()], name="plain"), "clock", RATE))
    assert not session.assists
    with pytest.raises(UsageError, match="plain has none; open the preset master"):
        session.assisting = True
    keys = Controls(session)
    keys.press("p", 0.0)
    assert "propose" not in keys.help
    assert not session.assisting


def heard(session):
    """Wait until the assistant listens no longer."""
    end = time.monotonic() + PATIENCE_S
    while session.assisting:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_it_hears_what_is_played_and_says_why():
    host = Host(load_preset("master"), "clock", RATE, source=dark(30.0))
    session = Session(host)
    changes = []
    session.subscribe(changes.append)
    with host:
        session.assist(3.0)
        assert "LISTENING" in Controls(session).text()
        heard(session)
        assert host.get("tilt.db_per_octave") > 0.5
        assert "too dark" in session.said
    switched = [change.value for change in changes if change.name == "assisting"]
    assert switched == [True, False]
    assert any(change.name == "tilt.db_per_octave" for change in changes)


def test_it_changes_nothing_when_it_is_stopped_or_hears_too_little():
    host = Host(load_preset("master"), "clock", RATE, source=dark(1.0))
    session = Session(host)
    before = host.values()
    with host:
        keys = Controls(session)
        for key in "pp":
            keys.press(key, 0.0)
        heard(session)
        assert session.said == ""
        session.assisting = True
        heard(session)
        assert "changes nothing: the passage is" in session.said
        assert host.values() == before
