"""The callback on a manual clock: every block is called by hand, so every sample can be checked."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtaudio.effects.chain import Chain
from rtaudio.effects.gain import Gain
from rtaudio.effects.model import Model
from rtaudio.effects.parallel import Branch, Parallel
from rtaudio.runtime import callback
from rtaudio.runtime.abi import Node, kernel, state_dtype
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.engine import Engine
from rtaudio.runtime.kernels.gain import gain_node
from rtaudio.runtime.program import Program
from rtaudio.runtime.slots import Slots
from rtaudio.runtime.statistics import HISTOGRAM_SIZE, count_duration, histogram_values_ns
from rtaudio.runtime.words import address_of, struct_at

RATE, BLOCK = 48000, 64

POISON = state_dtype(("seen", "i8"), ("at", "i8"), ("value", "f4"))
poison_at = struct_at(POISON)


@kernel(POISON)
def poison(state, src, dst, frames):
    """Copy, but write ``value`` over the sample number ``at`` since the last reset."""
    s = poison_at(address_of(state))
    for channel in range(s.channels):
        for i in range(frames):
            here = channel * s.stride + i
            dst[here] = s.value if s.seen + i == s.at else src[here]
    s.seen += frames
    return 0


@kernel(state_dtype())
def tiny(state, src, dst, frames):
    """Square the input; 1e-22 squared is a denormal number."""
    for i in range(frames):
        dst[i] = src[i] * src[i]
    return 0


class Rig:
    """An engine, and the callback called by hand."""

    def __init__(self, effect, inputs=1, outputs=1, block=BLOCK):
        self.engine = Engine(RATE, block, inputs, outputs)
        self.engine.connect(list(range(inputs)), inputs, list(range(outputs)), outputs)
        self.inputs, self.outputs, self.block = inputs, outputs, block
        self.call = ctypes.CFUNCTYPE(
            ctypes.c_int32, *[ctypes.c_void_p] * 2, ctypes.c_ulong, ctypes.c_void_p,
            ctypes.c_ulong, ctypes.c_void_p,
        )(callback.callback.address)  # fmt: skip
        if effect is not None:
            self.publish(effect)

    def publish(self, effect):
        program = effect if not hasattr(effect, "compile") else effect.compile(
            RATE, self.block, in_channels=self.inputs, out_channels=self.outputs
        )  # fmt: skip
        self.engine.publish(program)
        return program

    def feed(self, x, frames=None, flags=0):
        """Play planar audio in calls of ``frames``; returns planar output."""
        planar = np.atleast_2d(np.asarray(x, np.float32))
        frames = frames or self.block
        pieces = []
        for start in range(0, planar.shape[1], frames):
            source = np.ascontiguousarray(planar[:, start : start + frames].T)
            result = np.full((len(source), self.outputs), np.nan, np.float32)
            code = self.call(
                source.ctypes.data,
                result.ctypes.data,
                len(source),
                None,
                flags,
                self.engine.address,
            )
            assert code == 0
            pieces.append(result)
        return np.concatenate(pieces).T

    def settle(self):
        """Play silence until the fade-in is over."""
        self.feed(np.zeros((self.inputs, 2048), np.float32))


def poisoned(at, value, channels=1, after=True):
    builder = Builder(RATE, BLOCK)
    source = builder.bus(channels)
    with builder.within("culprit"):
        bus = builder.run(Node(poison, seen=0, at=at, value=value), source)
    if after:
        with builder.within("victim"):
            slots = Slots({"mix": 1.0, "bypass": 0.0, "gain_db": 0.0})
            bus = builder.run(gain_node(slots.slot("gain_db"), RATE), bus)
    return Program(builder.finish(source, bus))


def test_channels_go_where_the_map_says():
    rig = Rig(Chain([Gain(gain_db=0.0)]), inputs=2, outputs=2)
    rig.engine.connect([1, 0], 2, [1, 0], 2)
    rig.settle()
    x = np.random.default_rng(0).standard_normal((2, 640)).astype(np.float32)
    np.testing.assert_array_equal(rig.feed(x), x)
    rig.engine.connect([1, 1], 2, [0, 1], 2)
    np.testing.assert_array_equal(rig.feed(x), x[[1, 1]])


@pytest.mark.parametrize("frames", [1, 17, 63, 64, 65, 500, 4096])
def test_any_size_of_device_block_plays_the_same(frames):
    rig = Rig(Parallel([Branch([Gain(gain_db=6.0)]), Branch([], gain_db=-6.0)]))
    rig.settle()
    x = np.random.default_rng(1).standard_normal(5000).astype(np.float32)
    wanted = x * (10 ** (6 / 20) + 10 ** (-6 / 20))
    np.testing.assert_allclose(rig.feed(x, frames)[0], wanted, atol=2e-6)


def test_start_swap_and_stop_are_fades_without_a_step():
    rig = Rig(Chain([]))
    ones = np.ones(RATE // 10, np.float32)
    start = rig.feed(ones)[0]
    rig.publish(Chain([Gain(gain_db=-80.0)]))
    swap = rig.feed(ones)[0]
    rig.publish(Chain([]))
    back = rig.feed(ones)[0]
    rig.engine.publish(rig.engine._silence)
    stop = rig.feed(ones)[0]
    whole = np.concatenate([start, swap, back, stop])
    assert np.max(np.abs(np.diff(whole))) <= 1.01 / (RATE * callback.FADE_MS / 1000)
    assert whole[len(start) - 1] == 1.0
    assert abs(whole[len(start) + len(swap) - 1]) < 2e-4
    assert whole[-1] == 0.0
    assert rig.engine.settled


@pytest.mark.parametrize("frames", [1, 17, 64, 500, 4096])
@pytest.mark.parametrize("lag", [0, 100])
def test_a_swap_is_one_straight_line_of_50_ms(frames, lag):
    """Equal gain: from 1 to 0.25 in 2400 samples, once the sound of the new chain has arrived."""
    rig = Rig(Chain([]))
    rig.feed(np.ones(RATE // 10))
    builder = Builder(RATE, BLOCK)
    source = builder.bus(1)
    quieter = Gain(gain_db=20 * np.log10(0.25)).add_to(builder, source)
    rig.publish(Program(builder.finish(source, builder.delay_to(quieter, lag))))
    out = rig.feed(np.ones(RATE // 10), frames)[0]
    line = 1.0 - 0.75 * np.clip((np.arange(RATE // 10) + 1 - lag) / 2400, 0, 1)
    np.testing.assert_allclose(out, line, atol=1e-6)
    assert rig.engine.settled


def test_equal_chains_are_exchanged_unheard():
    rig = Rig(Chain([Gain(gain_db=-3.0)]))
    rig.settle()
    x = np.random.default_rng(0).standard_normal(9600).astype(np.float32)
    first = rig.feed(x[:4800])
    rig.publish(Chain([Gain(gain_db=-3.0)]))
    both = np.concatenate([first, rig.feed(x[4800:])], axis=1)
    np.testing.assert_array_equal(both[0], np.float32(10 ** (-3 / 20)) * x)


def test_two_programs_run_only_during_the_cross_fade():
    rig = Rig(poisoned(10**9, 0.0))
    rig.settle()
    former = rig.engine.program
    counted = poisoned(10**9, 0.0)
    rig.publish(counted)
    rig.feed(np.zeros(9600))
    seen = [int(p.plan.steps[0].node.record["seen"]) for p in (former, counted)]
    assert seen == [2048 + -(-2400 // BLOCK) * BLOCK, 9600]


def test_programs_published_in_a_storm_are_let_go_of():
    rig = Rig(Chain([]))
    for k in range(200):
        rig.publish(Chain([Gain(gain_db=-k / 10)]))
        rig.feed(np.ones(BLOCK * (k % 5), np.float32)) if k % 5 else None
    rig.feed(np.ones(RATE // 5, np.float32))
    rig.engine.reap()
    assert len(rig.engine._programs) == 2
    assert rig.feed(np.ones(64))[0, -1] == pytest.approx(10 ** (-19.9 / 20), rel=1e-4)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, 2000.0])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_bad_number_never_reaches_the_output(value, channels):
    rig = Rig(None, channels, channels)
    program = rig.publish(poisoned(5000, value, channels))
    x = np.tile(np.sin(2 * np.pi * 100 / RATE * np.arange(12000)), (channels, 1))
    out = rig.feed(x)
    assert np.isfinite(out).all()
    assert np.max(np.abs(out)) <= 1.0
    assert np.max(np.abs(np.diff(out))) < 0.04
    assert program.faults["culprit"] >= 1
    assert set(program.faults) == {"culprit"}
    assert not out[:, 5100:5900].any()
    np.testing.assert_allclose(out[:, 8000:9900], x[:, 8000:9900], atol=1e-6)


def test_a_model_that_makes_infinity_is_counted_by_its_name(model_file):
    rig = Rig(Chain([Gain(), Model(model_file("reciprocal"), name="amp")]))
    rig.settle()
    x = np.zeros(9600)
    x[1000] = 0.5
    out = rig.feed(x)[0]
    assert np.isfinite(out).all()
    assert rig.engine.program.faults == {"amp": 1}
    np.testing.assert_allclose(out[6000:], 2.0, rtol=1e-6)


def test_nan_from_the_device_is_stopped_and_forgotten():
    rig = Rig(Chain([Gain(gain_db=-6.0)]))
    rig.settle()
    x = np.ones(9600)
    x[777] = np.nan
    out = rig.feed(x)[0]
    assert np.isfinite(out).all()
    np.testing.assert_allclose(out[6000:], 10 ** (-6 / 20), rtol=1e-6)
    assert rig.engine.faults == {"input": 1}


def test_denormals_are_zero_in_the_callback_and_kept_outside():
    builder = Builder(RATE, BLOCK)
    source = builder.bus(1)
    rig = Rig(Program(builder.finish(source, builder.run(Node(tiny), source))))
    rig.settle()
    assert not rig.feed(np.full(BLOCK, 1e-21)).any()
    assert np.float32(1e-21) * np.float32(1e-21) > 0


def test_device_flags_and_missed_blocks_are_counted_by_kind():
    rig = Rig(Chain([]))
    for flags in (0, 1, 2, 4, 4, 8, 16):
        rig.feed(np.zeros(4 * BLOCK), frames=4 * BLOCK, flags=flags)
    record = rig.engine.record
    assert list(record["flags"]) == [1, 1, 2, 1, 1]
    assert record["blocks"] == 7
    assert record["missed"] >= 5


def test_source_replaces_the_input_and_tap_keeps_the_output():
    rig = Rig(Chain([]), inputs=2, outputs=2)
    song = np.random.default_rng(2).standard_normal((2, 3001)).astype(np.float32)
    rig.settle()
    tap = rig.engine.tap()
    rig.engine.play_source(song)
    out = rig.feed(np.ones((2, 4096)))
    np.testing.assert_array_equal(out[:, :3001], song)
    assert not out[:, 3001:].any()
    np.testing.assert_array_equal(tap.read().T, out)
    assert tap.lost == tap.waiting == 0
    rig.feed(np.ones((2, 11 * RATE)))
    kept = tap.read()
    assert len(kept) + tap.lost == 11 * RATE
    assert 9 * RATE < len(kept) <= 10 * RATE


def test_a_tap_of_the_input_has_all_channels_of_it():
    rig = Rig(Chain([Gain(gain_db=-20.0)]), inputs=3, outputs=3)
    rig.settle()
    tap = rig.engine.input_tap()
    x = np.random.default_rng(0).standard_normal((3, 7 * RATE)).astype(np.float32)
    for start in range(0, x.shape[1], 3 * RATE):  # around the end of the ring
        rig.feed(x[:, start : start + 3 * RATE], 441)
        np.testing.assert_array_equal(tap.read().T, x[:, start : start + 3 * RATE])
    np.testing.assert_array_equal(rig.engine.heard(100), x[0, -100:])
    assert tap.lost == 0


def test_two_taps_each_have_the_whole_output():
    rig = Rig(Chain([]))
    rig.settle()
    early = rig.engine.tap()
    first = rig.feed(np.random.default_rng(3).standard_normal((1, 5 * BLOCK)))
    late = rig.engine.tap()
    second = rig.feed(np.random.default_rng(4).standard_normal((1, 3 * BLOCK)))
    np.testing.assert_array_equal(late.read().T, second)
    np.testing.assert_array_equal(early.read().T, np.concatenate([first, second], axis=1))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 700), st.integers(1, 400)), max_size=12))
def test_a_written_source_plays_in_order_and_counts_what_was_missing(steps):
    """Oracle: a queue. Each step writes some frames and plays some."""
    rig = Rig(Chain([]))
    rig.settle()
    rig.engine.open_source(600)
    queue, missing = np.zeros(0, np.float32), 0
    for number, (write, play) in enumerate(steps):
        sound = (np.arange(write) / 1000 + 0.01 * number).astype(np.float32)
        room = 600 - queue.size
        assert rig.engine.source_waiting == queue.size
        assert rig.engine.write_source(sound[None]) == min(write, room)
        queue = np.concatenate([queue, sound[:room]])
        out = rig.feed(np.zeros((1, play)), frames=play)
        missing += max(0, play - queue.size)
        np.testing.assert_array_equal(out[0], np.pad(queue, (0, play))[:play])
        queue = queue[play:]
    assert rig.engine.snapshot().source_missing == missing
    rig.engine.end_source()
    out = rig.feed(np.zeros((1, 700)), frames=700)
    np.testing.assert_array_equal(out[0], np.pad(queue, (0, 700))[:700])
    assert rig.engine.snapshot().source_missing == missing


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**38))
def test_histogram_buckets_are_within_one_percent(value):
    histogram = np.zeros(HISTOGRAM_SIZE, np.int64)
    count_duration(histogram.ctypes.data, value)
    middle = histogram_values_ns()[np.flatnonzero(histogram)[0]]
    assert abs(middle - value) <= max(1.0, 0.01 * value)


def test_writing_parameters_from_a_thread_never_steps():
    rig = Rig(Chain([Gain(name="g")]))
    rig.settle()
    random = np.random.default_rng(3)
    pieces = []
    for _ in range(300):
        rig.engine.program.set("g.gain_db", float(random.uniform(-40, 0)))
        rig.engine.program.set("g.bypass", bool(random.integers(2)))
        pieces.append(rig.feed(np.ones(BLOCK))[0])
    assert np.max(np.abs(np.diff(np.concatenate(pieces)))) < 4 / (RATE * 0.02)


@pytest.mark.parametrize(
    ("rate", "block"), [(RATE, 0), (RATE, -4), (RATE, 70000), (RATE, 64.5), (100, 64), (1e9, 64)]
)
def test_rates_and_blocks_out_of_range_are_refused(rate, block):
    with pytest.raises(ValueError, match="out of range"):
        Chain([]).compile(rate, block)


def test_the_same_effect_cannot_stand_twice_in_a_chain():
    gain = Gain()
    with pytest.raises(ValueError, match="twice"):
        Chain([gain, gain]).compile(RATE, BLOCK)


def test_one_block_that_overran_and_was_flagged_is_one_miss():
    rig = Rig(Chain([]))
    rig.feed(np.zeros(BLOCK))
    before = int(rig.engine.record["missed"])
    rig.engine.record["overran"] = 1
    rig.feed(np.zeros(BLOCK), flags=4)
    assert rig.engine.record["missed"] == before
    rig.feed(np.zeros(BLOCK), flags=4)
    assert rig.engine.record["missed"] == before + 1
