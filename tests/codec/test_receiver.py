"""Sender, network and receiver together: every kind of network, restarts, strangers, a million
random packets."""

from __future__ import annotations

import numpy as np
import pytest

from rtaudio.codec.codes import NOT_SENT
from rtaudio.codec.network import Conditions, Network
from rtaudio.codec.noise_shape import NoiseShape
from rtaudio.codec.packets import unpack
from rtaudio.codec.receiver import Receiver
from rtaudio.codec.rtp import FRAME_TICKS, RtpPacket
from rtaudio.codec.sender import ANNOUNCED_FRAMES, MODEL_PROFILE, Sender
from rtaudio.errors import ParameterError

MODEL, OTHER = b"\x01" * 8, b"\x02" * 8
PEER, STRANGER = ("10.0.0.1", 4000), ("10.0.0.2", 4000)
FRAME_S = 0.02


def books_of(place, books=12):
    """Codes by which a frame is known again."""
    return (place + 7 * np.arange(books)) % 1024


def talk(sender, receiver, conditions, frames, *, seed=0, start=0, books=lambda place: 12):
    """Send frames through a network; return what was played, frame of time by frame."""
    network, flying, shown = Network(conditions, seed), [], []
    for place in range(start, start + frames):
        now_s = FRAME_S * (place + 1)
        for datagram in sender.frame(books_of(place, books(place))):
            flying += network.send(datagram, now_s)
        flying.sort()
        while flying and flying[0].arrival_s <= now_s + 0.007:
            delivery = flying.pop(0)
            receiver.receive(delivery.datagram, PEER, delivery.arrival_s)
        shown.append(receiver.pop(now_s + 0.007))
    return shown


def first_codes(shown):
    return [None if frame is None else int(frame.codes[0]) for frame in shown]


def test_a_perfect_network_brings_every_frame_with_its_books():
    sender, receiver = Sender(MODEL), Receiver(MODEL)
    shown = talk(sender, receiver, Conditions(), 500, books=lambda place: 3 + place // 50 % 22)
    played = [frame for frame in shown if frame is not None]
    assert len(played) >= 495
    for frame in played:
        place = int(frame.codes[0])
        np.testing.assert_array_equal(frame.codes, books_of(place, 3 + place // 50 % 22))
    assert receiver.stats.jitter.concealed == 0


@pytest.mark.parametrize("frames", [1, 2, 6])
@pytest.mark.parametrize("back", [1, 4])
def test_packets_of_several_frames_with_copies(frames, back):
    sender = Sender(frames_per_packet=frames, copy_books=3, packets_back=back)
    receiver = Receiver()
    told = Conditions(loss=0.1, burst=1.12, jitter_ms=2)
    talk(sender, receiver, told, 2000)
    stats = receiver.stats.jitter
    assert stats.recovered > 30
    assert stats.played > 0.8 * 2000 - 10 * frames * back


def test_a_narrow_link_takes_books_and_never_frames():
    """Books are cut off so that the rate fits; nothing is lost."""
    sender, receiver = Sender(), Receiver()
    told = Conditions(rate_kbps=22, queue_ms=40, keep_bytes=17)
    shown = talk(sender, receiver, told, 500, books=lambda place: 24)
    played = [frame for frame in shown if frame is not None]
    assert len(played) > 485
    books = {frame.codes.size for frame in played[50:]}
    assert max(books) < 24
    assert min(books) >= 3
    for frame in played:
        expected = books_of(int(frame.codes[0]), 24)[: frame.codes.size]
        np.testing.assert_array_equal(frame.codes, expected)


def test_a_sender_that_restarts_is_heard_again_with_its_second_packet():
    receiver = Receiver()
    talk(Sender(), receiver, Conditions(), 300)
    shown = talk(Sender(), receiver, Conditions(), 300, start=300)
    codes = first_codes(shown)
    assert codes.index(301) <= 5, "recovery within 100 ms"
    assert receiver.stats.probation == 1
    assert receiver.stats.jitter.restarts == 1
    assert sum(code is not None for code in codes) > 290


def test_a_wild_sequence_number_is_believed_only_if_the_next_one_follows():
    sender, receiver = Sender(), Receiver()
    packets = [RtpPacket.from_bytes(sender.frame(books_of(place))[0]) for place in range(4)]
    wild = [packet._replace(sequence=packet.sequence + 5000) for packet in packets]
    taken = [
        receiver.receive(packet.to_bytes(), PEER, FRAME_S * step)
        for step, packet in enumerate([packets[0], wild[1], packets[1], wild[2], wild[3]])
    ]
    assert taken == [True, False, True, False, True]
    assert receiver.stats.probation == 2
    assert receiver.stats.jitter.restarts == 1


def test_a_sender_that_restarts_on_another_port_is_heard_after_two_seconds():
    receiver, first, second = Receiver(), Sender(), Sender()
    for place in range(50):
        receiver.receive(first.frame(books_of(place))[0], PEER, FRAME_S * place)
    played = None
    for place in range(50, 250):
        accepted = receiver.receive(second.frame(books_of(place))[0], STRANGER, FRAME_S * place)
        if accepted and played is None:
            played = place
    assert played is not None
    assert 149 <= played <= 151
    assert receiver.stats.stranger == played - 50


def test_the_sequence_and_the_time_stamps_may_wrap(monkeypatch):
    monkeypatch.setattr("rtaudio.codec.sender.secrets.randbits", lambda bits: (1 << bits) - 1)
    sender, receiver = Sender(), Receiver()
    sender._sequence = 65_300
    sender._index = ((1 << 32) - 100 * FRAME_TICKS) // FRAME_TICKS
    shown = talk(sender, receiver, Conditions(jitter_ms=20), 1000)
    assert receiver.stats.jitter.restarts == 0
    assert receiver.stats.jitter.rejected == 0
    numbers = [frame.number for frame in shown if frame is not None]
    assert np.all(np.diff(numbers) > 0)
    assert len(numbers) > 960


def test_strangers_foreign_types_and_noise_are_told_apart():
    sender, receiver = Sender(MODEL), Receiver(MODEL)
    good = [sender.frame(books_of(place))[0] for place in range(3)]
    packet = RtpPacket.from_bytes(good[1])
    assert receiver.receive(good[0], PEER, 0.0)
    assert not receiver.receive(good[1], STRANGER, 0.02)
    assert not receiver.receive(packet._replace(payload_type=97).to_bytes(), PEER, 0.02)
    assert not receiver.receive(b"hello", PEER, 0.02)
    assert not receiver.receive(packet._replace(payload=b"\xff").to_bytes(), PEER, 0.02)
    assert not receiver.receive(packet._replace(ssrc=packet.ssrc ^ 1).to_bytes(), PEER, 0.02)
    assert not receiver.receive(Sender(OTHER).frame(books_of(0))[0], PEER, 0.02)
    assert receiver.foreign_model == OTHER.hex()
    assert receiver.receive(good[1], PEER, 0.02)
    stats = receiver.stats
    assert stats[:5] == (2, 1, 1, 1, 1)
    assert stats.jitter.received == 2


def test_only_the_host_that_was_named_is_heard():
    receiver = Receiver(host="10.0.0.1")
    datagram = Sender().frame(books_of(0))[0]
    assert not receiver.receive(datagram, STRANGER, 0.0)
    assert not receiver.receive(datagram, "10.0.0.1", 0.0), "no address of a socket"
    assert receiver.receive(datagram, PEER, 0.0)


def test_the_model_is_named_at_once_and_then_every_second():
    sender = Sender(MODEL)
    packets = [RtpPacket.from_bytes(sender.frame(books_of(i))[0]) for i in range(200)]
    named = [i for i, packet in enumerate(packets) if packet.extension is not None]
    assert named == list(range(0, 200, ANNOUNCED_FRAMES))
    assert packets[0].extension == (MODEL_PROFILE, MODEL)
    steps = np.diff([packet.timestamp for packet in packets]) % (1 << 32)
    assert set(steps) == {FRAME_TICKS}
    assert packets[0].marker
    assert not any(packet.marker for packet in packets[1:])


def test_a_pause_costs_little_and_speech_after_it_is_marked():
    sender = Sender(frames_per_packet=3)
    noise = NoiseShape(-55, (3, 4))
    sent = [sender.frame(books_of(place)) for place in range(4)]
    assert [len(due) for due in sent] == [0, 0, 1, 0]
    pause = [sender.pause(noise) for _ in range(50)]
    assert [len(due) for due in pause][:10] == [2, 0, 0, 0, 0, 0, 0, 0, 1, 0]
    assert sum(len(datagram) for due in pause[1:] for datagram in due) == 6 * (12 + 4)
    rest, begin = (RtpPacket.from_bytes(datagram) for datagram in pause[0])
    assert unpack(rest.payload).codes[0].tolist() == [3]
    assert unpack(begin.payload).noise == noise
    assert (begin.timestamp - rest.timestamp) % (1 << 32) == FRAME_TICKS
    again = [due for due in (sender.frame(books_of(place)) for place in range(3)) if due]
    packet = RtpPacket.from_bytes(again[0][0])
    assert packet.marker
    assert (packet.timestamp - begin.timestamp) % (1 << 32) == 50 * FRAME_TICKS


def test_no_copy_reaches_over_a_pause():
    """Copies are placed by counting frames back, and those before a pause are further away."""
    sender = Sender(copy_books=3)
    copies = []
    for kind in "ssspss":
        due = sender.frame(books_of(0)) if kind == "s" else sender.pause(NoiseShape(-60))
        copies.append(unpack(RtpPacket.from_bytes(due[0]).payload).copy is not None)
    assert copies == [False, True, True, False, False, True]


def test_books_may_differ_from_frame_to_frame_of_a_packet():
    sender = Sender(frames_per_packet=2)
    sender.frame(books_of(0, 24))
    full = np.full(24, NOT_SENT)
    full[:6] = books_of(1, 6)
    codes = unpack(RtpPacket.from_bytes(sender.frame(full)[0]).payload).codes
    np.testing.assert_array_equal(codes, np.stack([books_of(0, 6), books_of(1, 6)], axis=1))


def test_impossible_settings_are_refused():
    with pytest.raises(ParameterError, match="frames_per_packet = 17 is out of range"):
        Sender(frames_per_packet=17)
    with pytest.raises(ParameterError, match="packets_back = 0 is out of range"):
        Sender(packets_back=0)


@pytest.mark.parametrize("seed", range(8))
def test_recovery_after_any_pattern_of_loss_takes_five_frames(seed):
    """Random networks for 6 s, then a good one: 100 ms later all is played."""
    rng = np.random.default_rng(seed)
    told = Conditions(
        loss=rng.uniform(0.0, 0.9), burst=rng.uniform(1, 40), jitter_ms=rng.uniform(0, 30),
        duplicate=rng.uniform(0, 0.5), rate_kbps=rng.choice([0, 20, 30]),
    )  # fmt: skip
    sender, receiver = Sender(), Receiver()
    talk(sender, receiver, told, 300, seed=seed)
    codes = first_codes(talk(sender, receiver, Conditions(), 300, start=300))
    lost = [place for place, code in enumerate(codes) if code is None]
    assert not lost or max(lost) <= 5 + 2, "2 frames are the delay of the network"


def random_datagrams(rng, count):
    """Random bytes, random bytes behind a good header, and a sender with random payloads."""
    sender = Sender(MODEL, copy_books=3)
    sound = b"".join(sender.frame(books_of(place))[0] for place in range(1000))
    header = RtpPacket.from_bytes(sender.frame(books_of(0))[0])._replace(
        extension=None, payload=b""
    )
    told, noise = header.to_bytes(), rng.bytes(1 << 20)
    starts, sizes = rng.integers(0, len(sound) - 60, count), rng.integers(0, 60, count)
    sizes[::97] = rng.integers(0, 1600, len(sizes[::97]))
    for place, (start, size) in enumerate(zip(starts.tolist(), sizes.tolist(), strict=True)):
        if place % 8 < 5:
            yield noise[start : start + size]
        elif place % 8 < 7:
            yield told[:2] + noise[start : start + 6] + told[8:] + noise[-start:][:size]
        else:
            ticks = FRAME_TICKS * (place // 100 + start % 7 - 3)
            payload = bytes([0x40 | start & 0x3F]) + sound[start : start + size % 50]
            packet = header._replace(sequence=place // 8, timestamp=ticks, payload=payload)
            yield packet.to_bytes()


def test_a_million_random_packets():
    """No exception, no growth, no slowness; and a good sender is heard afterwards."""
    receiver = Receiver(MODEL)
    rng = np.random.default_rng(11)
    count = 1_000_000
    accepted = 0
    for place, datagram in enumerate(random_datagrams(rng, count)):
        now_s = 0.0002 * place
        accepted += receiver.receive(datagram, STRANGER if place % 3 == 0 else PEER, now_s)
        if place % 100 == 0:
            frame = receiver.pop(now_s)
            assert frame is None or np.all((frame.codes >= 0) & (frame.codes < 1024))
    stats = receiver.stats
    assert sum(stats[:5]) + stats.jitter.received == count
    assert accepted == stats.jitter.received > 10_000
    assert stats.malformed > count // 3
    assert len(receiver._buffer._entries) <= 150
    start = round(now_s / FRAME_S) + 150
    codes = first_codes(talk(Sender(MODEL), receiver, Conditions(), 100, start=start))
    assert sum(code is not None for code in codes) > 90
