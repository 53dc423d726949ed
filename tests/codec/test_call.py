"""A call on this machine: real sockets, the virtual clock, and a network as bad as asked."""

from __future__ import annotations

import itertools
import socket
import threading
import time

import numpy as np
import pytest

from rtaudio.codec.network import Conditions
from rtaudio.codec.sender import Sender
from rtaudio.errors import DeviceError, ParameterError
from rtaudio.live.incoming import Incoming
from rtaudio.live.outgoing import Outgoing
from rtaudio.live.relay import Relay

HOP, RATE = 320, 16000
ALL_KBPS = 1.0
"""Five books of 4 bits, 50 times a second."""
TRIES = 4


def steps(frames, seed=0):
    """Sound that is constant for each frame, as the codec of these tests codes it."""
    values = np.random.default_rng(seed).uniform(-0.4, 0.4, frames)
    return np.repeat(values, HOP).astype(np.float32)


def call(codec, sound, seconds, conditions=None, **options):
    """Play a sound through a call; return what was heard, and both statistics."""
    incoming = Incoming(codec, 0, device="clock", block=80)
    heard = incoming.host.output()
    with incoming:
        relay = Relay(incoming.address, conditions or Conditions(delay_ms=0.0), seed=1)
        with (
            relay,
            Outgoing(
                codec, relay.address, device="clock", block=80, source=sound, **options
            ) as outgoing,
        ):
            time.sleep(seconds)
            sent, received = outgoing.stats(), incoming.stats()
    return np.concatenate(list(heard), axis=1)[0], sent, received


def lag_of(heard, wanted):
    """Return where a sound is found in what was heard."""
    size = 1 << (heard.size + wanted.size).bit_length()
    product = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(wanted, size))
    return int(np.argmax(np.fft.irfft(product)[: heard.size]))


def test_what_is_spoken_is_heard(calls_codec):
    sound = steps(150)
    # The codec of the tests averages two frames and adds a tenth: its linear response.
    values = sound[::HOP]
    mean = 0.5 * (values + np.concatenate([[0.0], values[:-1]]))
    wanted = mean + 0.1 * np.concatenate([[0.0], mean[:-1]])
    wanted = wanted[30:110]
    for _ in range(TRIES):
        heard, sent, received = call(calls_codec, sound, 2.5, bitrate_kbps=ALL_KBPS, pauses=False)
        assert received.books == 5
        assert sent.failed == 0
        # The receiver follows the sender's clock, so frames are some samples longer or shorter, and
        # steps ring: the middle of each frame has its value.
        start = lag_of(heard, np.repeat(wanted, HOP))
        frames = np.resize(heard[start:], (wanted.size, HOP))
        error = np.abs(frames[:, 130:190].mean(1) - wanted).max()
        missing = received.host.source_missing
        # Where a machine is too busy to play every block in time, all that follows is displaced.
        if error > 1e-3 or received.concealed_frames > 2 or missing > 0.02 * received.frames * HOP:
            assert sent.host.missed + received.host.missed > 0, (error, missing)
            continue
        assert sent.packets == pytest.approx(125, abs=12)
        assert received.packets == pytest.approx(sent.packets, abs=2)
        return
    pytest.skip("this machine misses blocks")


def test_losses_are_concealed_and_counted(calls_codec):
    bad = Conditions(loss=0.2, burst=2.0, delay_ms=10.0, jitter_ms=10.0)
    heard, sent, received = call(
        calls_codec, steps(300), 4.0, bad, bitrate_kbps=ALL_KBPS, pauses=False
    )
    jitter = received.receiver.jitter
    assert 0.05 * sent.packets < received.concealed_frames < 0.4 * sent.packets
    assert jitter.received == received.packets < sent.packets
    assert np.isfinite(heard).all()
    assert np.abs(heard).max() <= 0.6


def test_statistics_are_of_one_moment(calls_codec):
    (datagram,) = Sender().frame(np.zeros(5, np.int64))
    enough = threading.Event()

    def flood(address):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            while not enough.is_set():
                sock.sendto(datagram, address)
                time.sleep(1e-4)

    with Incoming(calls_codec, 0, device="clock", block=80) as incoming:
        thread = threading.Thread(target=flood, args=(incoming.address,))
        thread.start()
        found = [incoming.stats()]
        while len(found) < 100 or found[-1].packets < found[0].packets + 100:
            found.append(incoming.stats())
        enough.set()
        thread.join()
    for stats in found:
        assert stats.receiver.jitter.received == stats.packets


def test_a_pause_costs_next_to_nothing_and_is_no_loss(calls_codec):
    rng = np.random.default_rng(0)
    silence = 1e-3 * rng.standard_normal(RATE * 3)
    sound = np.concatenate([steps(50), silence.astype(np.float32)])
    _, sent, received = call(calls_codec, sound, 3.5, bitrate_kbps=ALL_KBPS)
    assert 60 < sent.pauses < 120
    assert sent.packets < 50 + 15 + 25
    assert received.concealed_frames <= 3


def test_the_bitrate_changes_while_it_plays(calls_codec):
    incoming = Incoming(calls_codec, 0, device="clock", block=80)
    with (
        incoming,
        Outgoing(
            calls_codec,
            incoming.address,
            device="clock",
            block=80,
            source=steps(400),
            pauses=False,
            bitrate_kbps=ALL_KBPS,
        ) as outgoing,
    ):
        found = []
        for kbps in (1.0, 0.2, 0.6):
            outgoing.bitrate_kbps = kbps
            assert outgoing.bitrate_kbps == pytest.approx(kbps)
            time.sleep(0.8)
            found.append(incoming.stats().books)
        assert found == [5, 1, 3]
        with pytest.raises(ParameterError, match="bitrate = 3 is out of range"):
            outgoing.bitrate_kbps = 3.0


def test_a_sender_that_restarts_and_strangers_are_survived(calls_codec):
    incoming = Incoming(calls_codec, 0, device="clock", block=80)
    stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    rng = np.random.default_rng(3)
    with incoming:
        mine = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for _ in range(2):
            with Outgoing(
                calls_codec,
                incoming.address,
                device="clock",
                block=80,
                sock=mine,
                pauses=False,
                source=itertools.repeat(steps(5)),
                bitrate_kbps=ALL_KBPS,
            ):
                for _ in range(100):
                    stranger.sendto(rng.bytes(int(rng.integers(0, 1500))), incoming.address)
                    time.sleep(0.01)
        stats = incoming.stats()
        assert incoming.running
    stranger.close()
    mine.close()
    assert stats.receiver.malformed + stats.receiver.stranger + stats.receiver.foreign == 200
    assert stats.receiver.jitter.restarts == 1
    assert stats.receiver.jitter.played > 60
    assert stats.receiver.jitter.delay_ms < 200.0


def test_ports_that_cannot_be_had_are_one_line(calls_codec):
    with Incoming(calls_codec, 0, device="clock") as incoming:
        port = incoming.address[1]
        with pytest.raises(DeviceError, match=rf"{port}: cannot listen there: .*--port"):
            Incoming(calls_codec, port, device="clock")
    with pytest.raises(DeviceError, match="cannot listen"):
        Incoming(calls_codec, 70000, device="clock")
    with pytest.raises(DeviceError, match="cannot listen"):
        Incoming(calls_codec, 0, bind="no.such.address.invalid", device="clock")


def test_nothing_is_left_running(calls_codec):
    names = {thread.name for thread in threading.enumerate()}
    assert not names & {"incoming", "outgoing", "relay", "feeder"}
