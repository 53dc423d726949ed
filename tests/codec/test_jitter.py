"""The jitter buffer against a simulated network, with brute force as the oracle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtaudio.codec.jitter import FRAME_S, MAX_FRAMES, PAUSE_FRAMES, JitterBuffer
from rtaudio.codec.network import Conditions, Network
from rtaudio.codec.noise_shape import NoiseShape
from rtaudio.codec.packets import Copy, Payload

BOOKS = 12


def codes_of(first, frames=1, books=BOOKS):
    """Codes by which a frame is known again."""
    return np.broadcast_to((first + np.arange(frames)) % 1024, (books, frames)).astype(np.int64)


class Call:
    """Packets on their way through a network, and what was played, frame of time by frame."""

    def __init__(self, conditions, seed=0, *, frames=1, copy=0, offset=0.0137):
        self.network, self.buffer = Network(conditions, seed), JitterBuffer()
        self.frames, self.copy, self.offset = frames, copy, offset
        self.flying, self.arrived, self.shown, self.sent = [], {}, [], 0

    def send(self, count, first=None):
        """Send the packets of some frames, or, with ``first``, of a restarted sender."""
        for step in range(0, count, self.frames):
            index = self.sent + step
            told = index if first is None else first + step
            now_s = (index + self.frames) * FRAME_S  # complete at the end of its last frame
            for delivery in self.network.send(told.to_bytes(8, "big"), now_s):
                number = int.from_bytes(delivery.datagram, "big")
                self.flying.append((delivery.arrival_s, number))
        self.sent += count
        self.flying.sort()
        return self

    def payload(self, number):
        copy = None
        if self.copy:
            copy = Copy(codes_of(number - self.copy * self.frames, self.frames, 6), self.copy)
        return Payload(codes_of(number, self.frames), copy)

    def play(self, until_s):
        """Fetch a frame every 20 ms; check that each was there, in order, and once."""
        while (now_s := self.offset + FRAME_S * len(self.shown)) < until_s:
            while self.flying and self.flying[0][0] <= now_s:
                arrival_s, number = self.flying.pop(0)
                self.buffer.push(number, self.payload(number), arrival_s)
                for place in range(-self.copy * self.frames if self.copy else 0, self.frames):
                    self.arrived.setdefault(number + place, arrival_s)
            frame = self.buffer.pop(now_s)
            self.shown.append(frame)
            assert len(self.buffer._entries) <= MAX_FRAMES
            if frame is not None:
                assert self.arrived[frame.number] <= now_s
                assert np.all(frame.codes == frame.number % 1024)
        return self

    @property
    def numbers(self):
        return [frame.number for frame in self.shown if frame is not None]

    def oracle(self, delay_s):
        """Frames that could be played at best with a fixed delay: those that arrive in time."""
        return sum(at <= number * FRAME_S + delay_s for number, at in self.arrived.items())


NETWORKS = {
    "perfect": Conditions(delay_ms=30),
    "jitter": Conditions(delay_ms=40, jitter_ms=15),
    "much jitter": Conditions(delay_ms=40, jitter_ms=60, duplicate=0.05),
    "bursts": Conditions(delay_ms=40, jitter_ms=15, loss=0.1, burst=3),
    "bad": Conditions(delay_ms=100, jitter_ms=40, loss=0.2, burst=3, duplicate=0.1),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("frames", [1, 3])
def test_it_plays_nearly_what_the_best_fixed_delay_could(name, frames):
    call = Call(NETWORKS[name], frames=frames).send(3000).play(60.0)
    stats = call.buffer.stats
    assert np.all(np.diff(call.numbers) > 0)
    transits = [at - FRAME_S * number for number, at in call.arrived.items()
                if number % frames == 0]  # fmt: skip
    delay_s = float(np.quantile(transits, 0.98))
    assert stats.played >= 0.98 * call.oracle(delay_s)
    assert stats.delay_ms <= 1000.0 * (delay_s - min(transits)) + 45.0
    shown = len(call.shown) - next(i for i, frame in enumerate(call.shown) if frame is not None)
    assert stats.played == len(call.numbers)
    assert shown == stats.played + stats.concealed, "frames of time"
    passed = call.buffer._next - call.numbers[0]
    assert passed == stats.played + stats.lost + stats.dropped, "frames of the sender"


def test_a_perfect_network_loses_nothing_and_waits_for_little():
    call = Call(NETWORKS["perfect"]).send(1000).play(20.0)
    assert call.numbers == list(range(call.numbers[-1] + 1))
    assert call.buffer.stats.concealed == 0
    assert call.buffer.stats.delay_ms <= 40.0  # the phase of the two clocks, and one frame
    assert call.buffer.stats.jitter_ms == pytest.approx(0.0, abs=1e-6)


def test_after_the_first_second_the_extra_frame_goes_where_it_is_not_heard():
    call = Call(NETWORKS["perfect"]).send(200).play(4.0)
    before_ms = call.buffer.stats.delay_ms
    call.buffer.pop(4.0137, quiet=True)
    assert before_ms - 21 < call.buffer.stats.delay_ms < before_ms - 19
    assert call.buffer.stats.dropped == 1


def test_it_grows_by_the_sixth_late_packet_and_then_loses_nothing():
    """A step of 80 ms in the delay of the network, as after a change of route."""
    call = Call(NETWORKS["perfect"]).send(400).play(8.0)
    call.network.conditions = Conditions(delay_ms=110)
    call.send(1000)
    call.play(9.0)
    stats = call.buffer.stats
    # the step itself, in which nothing arrives, six late packets, and the time by which it grew
    assert stats.concealed <= 4 + 6 + 4
    call.play(26.0)
    assert call.buffer.stats.concealed == stats.concealed


def test_it_shrinks_only_where_it_is_not_heard():
    call = Call(Conditions(delay_ms=110)).send(300)
    call.network.conditions = Conditions(delay_ms=30)
    call.send(1200).play(29.0)
    assert call.buffer.stats.dropped == 0, "nobody said that it was quiet"
    assert call.buffer.stats.delay_ms > 80.0
    for step in range(10):
        call.buffer.pop(29.0 + FRAME_S * step, quiet=True)
    assert call.buffer.stats.delay_ms < 40.0
    assert 3 <= call.buffer.stats.dropped <= 5


@pytest.mark.parametrize("lost_s", [0.0, 0.1, 0.4])
def test_half_a_second_after_the_sender_s_card_lost_time_the_slip_tells_it(lost_s):
    """Of a fast network: what is played then waited for its delay less the slip."""
    buffer, arrived = JitterBuffer(), {}
    for step in range(200):
        index, now_s = step, FRAME_S * step + (lost_s if step >= 100 else 0.0)
        buffer.push(index, Payload(codes_of(index)), now_s)
        arrived[index] = now_s
        for _ in range(round(lost_s / FRAME_S) + 1 if step == 100 else 1):
            played_s = now_s + 0.005
            frame = buffer.pop(played_s)
        if step > 130:
            stats = buffer.stats
            waited_ms = 1000.0 * (played_s - arrived[frame.number])
            assert stats.slip_ms == pytest.approx(1000.0 * lost_s, abs=0.1)
            assert stats.delay_ms - stats.slip_ms == pytest.approx(waited_ms, abs=0.1)


def test_an_outage_is_over_with_the_first_packet():
    call = Call(NETWORKS["jitter"]).send(500)
    call.network.conditions = Conditions(loss=0.9, burst=1e9)
    call.network._losing = True
    call.send(75)
    call.network.conditions = NETWORKS["jitter"]
    call.network._losing = False
    call.send(500).play(21.0)
    assert 575 in call.numbers
    gap = np.diff(call.numbers).max()
    assert gap == 76
    shown = [None if frame is None else frame.number for frame in call.shown]
    silent = shown.index(575) - shown.index(499) - 1
    assert silent <= 75 + 3


def test_bufferbloat_is_no_reason_to_be_late_ever_after():
    """All packets of one second arrive together: they are lost, and the delay stays.

    A loss while the target is still high costs one frame more, and not a second of silence.
    """
    buffer = JitterBuffer()
    for index in range(700):
        if index == 350:
            for late in range(300, 350):
                buffer.push(late, Payload(codes_of(late)), FRAME_S * index)
        if not 300 <= index < 350 and index != 420:
            buffer.push(index, Payload(codes_of(index)), FRAME_S * index)
        buffer.pop(FRAME_S * index + 0.001)
        if index == 419:
            before = buffer.stats
            assert before.target_ms > 500.0
    assert before.concealed <= 52
    assert before.late >= 45
    assert buffer.stats.concealed <= before.concealed + 2
    assert buffer.stats.delay_ms <= 81.0


@pytest.mark.parametrize("back", [1, 2, 4])
def test_copies_repair_bursts_up_to_their_distance(back):
    told = Conditions(delay_ms=40, jitter_ms=2, loss=0.1, burst=1.2)
    plain = Call(told).send(3000).play(60.0).buffer.stats
    call = Call(told, copy=back).send(3000).play(60.0)
    stats = call.buffer.stats
    assert stats.recovered > 100
    assert stats.lost < (0.5 if back == 1 else 0.3) * plain.lost
    coarse = [frame for frame in call.shown if frame is not None and frame.codes.size == 6]
    assert len(coarse) == stats.recovered


def test_a_receiver_that_joins_in_the_middle_starts_with_the_first_packet():
    buffer = JitterBuffer()
    for step in range(10):
        buffer.push(10**9 + step, Payload(codes_of(10**9 + step)), 5.0 + FRAME_S * step)
        frame = buffer.pop(5.001 + FRAME_S * step)
        assert (frame is None) == (step == 0)  # one frame more while the jitter is unknown
        assert frame is None or frame.number == 10**9 + step - 1


@pytest.mark.parametrize("first", [0, 5_000, 10**12])
def test_a_jump_of_the_time_stamps_is_believed_the_second_time(first):
    call = Call(NETWORKS["perfect"]).send(500)
    call.send(500, first=first + 100_000).play(20.0)
    stats = call.buffer.stats
    assert stats.rejected == 1
    assert stats.restarts == 1
    after = [number for number in call.numbers if number >= 100_000]
    assert after[0] == first + 100_001
    shown = [None if frame is None else frame.number for frame in call.shown]
    gap = shown.index(first + 100_001) - shown.index(499) - 1
    assert gap <= 5, "recovery within 100 ms"
    assert len(after) > 480


def test_single_wild_time_stamps_change_nothing():
    call, rng = Call(NETWORKS["jitter"]).send(1000), np.random.default_rng(2)
    for place in range(10, 1000, 10):
        call.flying.append((FRAME_S * place, int(rng.integers(10**6, 1 << 40))))
    call.flying.sort()
    call.play(20.0)
    assert call.buffer.stats.rejected == 99
    assert call.buffer.stats.restarts == 0
    assert call.buffer.stats.played >= 950


def test_time_stamps_that_run_backwards_without_a_jump_break_nothing():
    buffer = JitterBuffer()
    for step in range(600):
        buffer.push(10**6 - 90 * step, Payload(codes_of(10**6 - 90 * step)), FRAME_S * step)
        if step > 300:
            buffer.pop(FRAME_S * (step + 10**6))
    call = [10**6 + step for step in range(100)]
    shown = []
    for step, index in enumerate(call):
        buffer.push(index, Payload(codes_of(index)), 20.0 + FRAME_S * step)
        shown.append(buffer.pop(20.001 + FRAME_S * step))
    assert sum(frame is not None for frame in shown) > 90


def pause(index, level=-60):
    return Payload(np.zeros((0, 1), np.int64), noise=NoiseShape(level))


def test_a_pause_is_no_loss_and_lets_the_delay_shrink():
    buffer = JitterBuffer()
    shown = []
    for index in range(400):
        speech = index % 200 < 100
        if speech:
            buffer.push(index, Payload(codes_of(index)), FRAME_S * index + 0.03)
        elif index % 200 % 8 == 0:
            buffer.push(index, pause(index), FRAME_S * index + 0.03)
        shown.append(buffer.pop(FRAME_S * index + 0.035))
    # the comfort noise comes 4 frames after the speech ends: these are lost, the rest is a pause
    assert buffer.stats.concealed + buffer.stats.dropped == 2 * 4
    assert buffer.stats.dropped == 1, "the extra frame of the first second"
    assert buffer.stats.played == 200
    noises = [frame.noise for frame in shown if frame is not None and frame.noise is not None]
    assert len(noises) > 185
    assert set(noises) == {NoiseShape(-60)}
    numbers = [frame.number for frame in shown if frame is not None]
    assert np.all(np.diff(numbers) > 0)


def test_a_pause_without_news_ends_in_loss_and_a_sender_without_news_is_gone():
    buffer = JitterBuffer()
    buffer.push(0, Payload(codes_of(0)), 0.0)
    buffer.push(1, pause(1), 0.02)
    shown = [buffer.pop(0.03 + FRAME_S * step) for step in range(300)]
    noises = [frame for frame in shown if frame is not None and frame.noise is not None]
    assert PAUSE_FRAMES <= len(noises) <= PAUSE_FRAMES + 1
    assert buffer.stats.lost == 0, "nobody knows whether anything was sent"
    buffer.push(900, Payload(codes_of(900)), 18.0)
    buffer.push(901, Payload(codes_of(901)), 18.02)
    assert buffer.pop(18.04) is not None


def test_an_outage_counts_when_it_is_over_and_an_end_does_not():
    buffer = JitterBuffer()
    for index in range(100):
        if not 40 <= index < 60:
            buffer.push(index, Payload(codes_of(index)), FRAME_S * index)
        buffer.pop(FRAME_S * index + 0.03)
        if index == 58:
            assert buffer.stats.lost == 0
    assert buffer.stats.lost + buffer.stats.waited + buffer.stats.dropped >= 20
    lost = buffer.stats.lost
    assert lost >= 15
    for index in range(100, 300):
        buffer.pop(FRAME_S * index + 0.03)
    assert buffer.stats.lost == lost


def test_a_finer_copy_replaces_a_coarse_one_and_cuts_to_nothing_are_losses():
    buffer = JitterBuffer()
    buffer.push(1, Payload(codes_of(1), Copy(codes_of(0, 1, 3))), 0.02)
    buffer.push(0, Payload(codes_of(0)), 0.021)
    buffer.push(2, Payload(codes_of(2)[:0]), 0.04)
    buffer.push(1, Payload(codes_of(1)), 0.041)
    shown = [buffer.pop(0.05 + FRAME_S * step) for step in range(4)]
    assert [None if f is None else f.codes.size for f in shown if f is not None] == [BOOKS, BOOKS]
    assert buffer.stats.duplicate == 1
    assert buffer.stats.recovered == 0


def test_frames_are_dropped_rather_than_kept_without_end():
    """Packets come, and nobody fetches."""
    buffer = JitterBuffer()
    for index in range(5000):
        buffer.push(index, Payload(codes_of(index)), FRAME_S * index)
    assert len(buffer._entries) == MAX_FRAMES
    frame = buffer.pop(FRAME_S * 4999)
    assert frame is not None
    assert frame.number >= 4990, "what is fetched is fresh"


@pytest.mark.parametrize("ppm", [-300, 300])
def test_clock_drift_that_nobody_follows_never_adds_up(ppm):
    """Ten minutes, in which every fifth second is quiet: 180 ms of drift in all."""
    buffer, rng, delays_ms = JitterBuffer(), np.random.default_rng(1), []
    jitter_s = rng.exponential(0.01, 30_000)
    arrivals = sorted((FRAME_S * i + jitter_s[i], i) for i in range(30_000))
    place = 0
    for step in range(29_000):
        now_s = FRAME_S * step * (1 + 1e-6 * ppm)
        while arrivals[place][0] <= now_s:
            buffer.push(
                arrivals[place][1], Payload(codes_of(arrivals[place][1])), arrivals[place][0]
            )
            place += 1
        buffer.pop(now_s, quiet=step % 250 < 50)
        delays_ms.append(buffer.stats.delay_ms)
    stats = buffer.stats
    assert max(delays_ms[500:]) < 120.0
    assert stats.concealed < 0.04 * 29_000
    assert stats.dropped - stats.waited == pytest.approx(580 * ppm / 20_000, abs=8)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(-(1 << 40), 1 << 40) | st.integers(0, 200),
            st.integers(0, 3),
            st.integers(1, 4),
            st.floats(0.0, 0.2),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_no_order_of_packets_breaks_it(events):
    buffer, now_s, last = JitterBuffer(), 0.0, None
    for index, kind, frames, step_s, quiet in events:
        now_s += step_s
        payload = Payload(codes_of(index, frames), Copy(codes_of(index, frames, 2)))
        if kind == 0:
            payload = pause(index)
        buffer.push(index, payload, now_s)
        restarts = buffer.stats.restarts
        for _ in range(kind):
            frame = buffer.pop(now_s, quiet)
            if frame is not None:
                assert last is None or last[0] < restarts or frame.number >= last[1]
                last = restarts, frame.number
        assert len(buffer._entries) <= MAX_FRAMES
    stats = buffer.stats
    assert stats.received == len(events)
    assert min(stats[:10]) >= 0
    assert np.all(np.isfinite(stats[10:]))
