"""Open Sound Control, over real datagrams; a client of the same library at the other end."""

from __future__ import annotations

import socket
import time

import pytest

pytest.importorskip("pythonosc", reason="the extra `osc` is not installed")
from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.osc_packet import OscPacket

import rtaudio as rt
from rtaudio.control.osc import Osc
from rtaudio.control.session import Session
from rtaudio.errors import UsageError


@pytest.fixture(scope="module")
def session():
    chain = rt.Chain([rt.Gain(name="input"), rt.Limiter()], name="two")
    with rt.Host(chain, "clock") as host:
        yield Session(host)


@pytest.fixture
def osc(session):
    with Osc(session, 0) as osc:
        yield osc


@pytest.fixture
def peer(osc):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.settimeout(20)
        peer.connect((osc.address, osc.port))
        yield peer


def message(address, *values):
    builder = OscMessageBuilder(address)
    for value in values:
        builder.add_arg(value)
    return builder.build().dgram


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(0.005)
    return found


def answers(peer, address):
    while True:
        [timed] = OscPacket(peer.recv(8192)).messages
        if timed.message.address == address:
            return timed.message.params


def test_parameters_are_set_in_units_and_along_their_scale(session, peer):
    peer.send(message("/input/gain_db", 6.0))
    assert until(lambda: session.host.get("input.gain_db") == 6.0)
    knob = session.parameters()["input.gain_db"]
    peer.send(message("/input/gain_db/position", 0.25))
    expected = knob.value_at(0.25)
    assert until(lambda: abs(session.host.get("input.gain_db") - expected) < 1e-5)


def test_switches_are_set_and_flipped(session, peer):
    peer.send(message("/muted", 1))
    assert until(lambda: session.muted)
    peer.send(message("/muted"))
    assert until(lambda: not session.muted)
    peer.send(message("/side", "B"))
    assert until(lambda: session.side == "B")
    peer.send(message("/side", "A"))
    assert until(lambda: session.side == "A")


def test_changes_made_elsewhere_come_back_and_own_ones_do_not(session, peer):
    peer.send(message("/get"))
    assert answers(peer, "/input/mix") == [1.0]
    session.set("input.gain_db", 3.0)
    while answers(peer, "/input/gain_db") != [3.0]:
        pass  # the answer to /get has it, too
    peer.send(message("/input/gain_db", 1.0))
    session_is = until(lambda: session.host.get("input.gain_db") == 1.0)
    session.muted = True
    assert session_is
    seen = {}
    while "/muted" not in seen:  # the last answers to /get are in front of it
        heard = OscPacket(peer.recv(8192)).messages[0].message
        seen[heard.address] = heard.params
    assert seen.get("/input/gain_db") != [1.0]
    session.muted = False


@pytest.mark.parametrize(
    "packet",
    [
        b"", b"x", b"/", b"#bundle\0", b"#bundle\0" * 500, b"/a\0\0,f\0\0", b"\xff" * 400,
        message("/input/gain_db", 999.0), message("/input/gain_db", "loud"),
        message("/input/gain_db"), message("/nothing/here", 1.0), message("/a/b/c/d", 1.0),
        message("/preset", "/etc/passwd"), message("/preset", "../x"), message("/side", "C"),
        message("/preset"), message("/_lock", 1),
    ],
)  # fmt: skip
def test_damaged_and_unknown_messages_are_counted(session, osc, peer, packet):
    before = session.host.values()
    peer.send(packet)
    assert until(lambda: osc.refused == 1)
    assert session.host.values() == before
    peer.send(message("/muted", 0))
    peer.send(message("/get"))
    assert answers(peer, "/input/mix") == [1.0]  # it listens on


def test_a_port_that_is_taken_is_named(session, osc):
    with pytest.raises(UsageError, match=f"--osc {osc.port}: address already in use"):
        Osc(session, osc.port)
