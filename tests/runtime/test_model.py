"""The Model effect: engines, hops, channels, parameters, workers; against ONNX Runtime."""

from __future__ import annotations

import gc
import math
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtaudio.bench.streams import own_bytes
from rtaudio.effects.chain import Chain
from rtaudio.effects.model import Model
from rtaudio.errors import ContractError
from rtaudio.models.contract.card import ModelParameter
from rtaudio.models.contract.check import read_model
from rtaudio.models.loader import load_model
from rtaudio.models.onnx_player import default_params, model_node, play
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.offline import run
from rtaudio.runtime.onnx_weights import shared_weights
from rtaudio.runtime.program import Program
from rtaudio.runtime.worker import worker_latency_samples
from rtaudio.shipped import shipped_models

RATE = 48000
NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 6000).astype(np.float32)


def whole(path, x):
    """Play a model over a whole signal with ONNX Runtime's own Python binding."""
    model = read_model(path)
    session = onnxruntime.InferenceSession(model.data)
    state = {s.input_name: s.zeros() for s in model.states}
    return session.run(["audio_out"], {"audio": x.reshape(1, -1, x.shape[-1]), **state})[0][0]


def in_blocks(program, x, sizes):
    """Feed a program in calls of the given sizes, cyclically; sizes up to its block."""
    import ctypes

    from rtaudio.runtime.program import run_program

    planar = np.atleast_2d(x)
    out = np.empty((program.out_channels, planar.shape[1]), np.float32)
    source = np.ctypeslib.as_array(
        (ctypes.c_float * (program.in_channels * program.plan.stride)).from_address(
            program.address_of(program.plan.source)
        )
    ).reshape(program.in_channels, -1)
    result = np.ctypeslib.as_array(
        (ctypes.c_float * (program.out_channels * program.plan.stride)).from_address(
            program.address_of(program.plan.output)
        )
    ).reshape(program.out_channels, -1)
    done = turn = 0
    while done < planar.shape[1]:
        count = min(sizes[turn % len(sizes)], planar.shape[1] - done)
        source[:, :count] = planar[:, done : done + count]
        run_program(program.address, count)
        out[:, done : done + count] = result[:, :count]
        done += count
        turn += 1
    return out


def test_onnx_engine_equals_python_binding_bit_for_bit(model_file):
    path = model_file("lstm")
    played = Model(path, engine="onnx")(NOISE, RATE, block=64)
    pieces, state = [], None
    model = read_model(path)
    session = onnxruntime.InferenceSession(model.data)
    state = {s.input_name: s.zeros() for s in model.states}
    padded = np.pad(NOISE, (0, -len(NOISE) % 64))
    for start in range(0, len(padded), 64):
        feed = {"audio": padded[None, None, start : start + 64], **state}
        out, *following = session.run(None, feed)
        pieces.append(out[0, 0])
        state = dict(zip(state, following, strict=True))
    np.testing.assert_array_equal(played, np.concatenate(pieces)[: len(NOISE)])


@pytest.mark.parametrize("engine", ["onnx", "native"])
def test_engines_agree_with_the_whole_signal(model_file, engine):
    path = model_file("lstm")
    played = Model(path, engine=engine)(NOISE, RATE, block=64)
    assert np.max(np.abs(played - whole(path, NOISE)[0])) <= 1e-5


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sizes=st.lists(st.integers(1, 480), min_size=1, max_size=8))
def test_any_sizes_of_call_give_the_same_sound(model_file, sizes):
    path = model_file("lstm")
    program = Model(path, engine="onnx").compile(RATE, 480)
    wanted = whole(path, NOISE)
    assert np.max(np.abs(in_blocks(program, NOISE, sizes) - wanted)) <= 1e-6


@pytest.mark.parametrize("block", [1, 17, 64, 127, 480, 1000])
@pytest.mark.parametrize("hop", [7, 64, 480])
def test_hop_adapts_with_the_least_latency(model_file, block, hop):
    model = Model(model_file("lag", hop=hop, size=5))
    program = model.compile(RATE, block, offline=True)
    assert program.latency_samples == hop - math.gcd(hop, block) + 5
    frames = 4 * 1000 // block * block
    out = run(program, NOISE[None, :frames])[0]
    np.testing.assert_array_equal(
        out[program.latency_samples :], NOISE[: frames - program.latency_samples]
    )
    assert not out[: program.latency_samples].any()


@pytest.mark.parametrize("rate", [44100, 96000])
@pytest.mark.parametrize("hop", [0, 160])
@pytest.mark.parametrize("block", [33, 64, 512])
def test_model_at_another_rate_has_the_reported_latency(model_file, rate, hop, block):
    model = Model(model_file("lag", hop=hop, size=12))
    program = model.compile(rate, block, offline=True)
    time = np.arange(rate // 5) / rate
    x = (np.sin(2 * np.pi * 1000 * time) * np.hanning(len(time))).astype(np.float32)
    frames = len(x) // block * block
    out = run(program, x[None, :frames])[0]
    late = program.latency_samples
    assert np.max(np.abs(out[late:] - x[: frames - late])) < 2e-3
    for wrong in (late - 1, late + 1):
        assert np.max(np.abs(out[wrong:] - x[: frames - wrong])) > 2e-2


@pytest.mark.parametrize("hop", [0, 160])
def test_a_model_of_two_channels_at_another_rate_keeps_them_apart(model_file, hop):
    """Each channel is what a model of one channel makes of it."""
    both = Model(model_file("lag", channels=2, hop=hop, size=12)).compile(
        44100, 64, in_channels=2, offline=True
    )
    one = Model(model_file("lag", hop=hop, size=12)).compile(44100, 64, offline=True)
    assert both.latency_samples == one.latency_samples
    stereo = np.stack([NOISE, np.flip(NOISE)])[:, :5952]
    heard = run(both, stereo)
    np.testing.assert_array_equal(heard[0], run(one, stereo[:1])[0])
    one = Model(model_file("lag", hop=hop, size=12)).compile(44100, 64, offline=True)
    np.testing.assert_array_equal(heard[1], run(one, stereo[1:])[0])


def test_each_channel_has_a_state_of_its_own(model_file):
    path = model_file("lstm")
    silent = np.zeros_like(NOISE)
    both = Model(path)(np.stack([NOISE, silent]), RATE)
    np.testing.assert_array_equal(both[1], Model(path)(silent, RATE))
    np.testing.assert_array_equal(both[0], Model(path)(NOISE, RATE))


def test_a_model_of_two_channels_takes_both(model_file):
    model = Model(model_file("lag", channels=2, size=3))
    stereo = np.stack([NOISE, -NOISE])
    np.testing.assert_array_equal(model(stereo, RATE), stereo)


def test_parameters_of_the_model_are_live_and_ramped(model_file):
    model = Model(model_file("knob"), name="amp", parameters={"level": 1.0})
    program = Chain([model]).compile(RATE, 64)
    ones = np.ones((1, 64 * 40), np.float32)
    before = run(program, ones)
    program.set("amp.level", 0.0)
    after = run(program, ones)
    assert before[0, 0] == pytest.approx(1.0)
    assert np.max(np.abs(np.diff(after[0]))) < 0.1
    assert after[0, -1] == pytest.approx(0.0, abs=1e-3)
    with pytest.raises(ValueError, match="out of range"):
        program.set("amp.level", 3.0)
    with pytest.raises(ValueError, match="no parameter"):
        Model(model.file, parameters={"tone": 1.0})


@pytest.mark.parametrize(("block", "hop"), [(64, 0), (64, 480), (480, 64), (17, 0), (128, 128)])
def test_worker_delays_by_what_it_reports(model_file, block, hop):
    model = Model(model_file("lag", hop=hop, size=9), worker=True)
    program = model.compile(RATE, block, offline=True)
    frames = 5900 // block * block
    out = run(program, NOISE[None, :frames])[0]
    late = program.latency_samples
    assert late >= block
    np.testing.assert_array_equal(out[late:], NOISE[: frames - late])


def test_a_wrong_golden_vector_is_refused(model_file, tmp_path):
    import onnx

    proto = onnx.load(model_file("lstm"))
    for tensor in proto.graph.initializer:
        if tensor.name == "head.bias":
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.array([0.5], np.float32), "head.bias"))
    damaged = tmp_path / "damaged.onnx"
    onnx.save(proto, damaged)
    with pytest.raises(ContractError, match="golden"):
        Model(damaged)


def test_missing_file_and_foreign_file_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such model file"):
        Model(tmp_path / "absent.onnx")
    text = tmp_path / "text.onnx"
    text.write_text("not a model")
    with pytest.raises(ContractError, match=r"text\.onnx"):
        Model(text)


def test_models_share_the_callback_until_half_a_block_is_spent(model_file, monkeypatch):
    def fixed(node, block, repeats, **options):
        return np.full(repeats, 300.0)

    monkeypatch.setattr("rtaudio.effects.model_player.block_microseconds", fixed)
    path = model_file("lstm")
    chain = Chain([Model(path, name=name) for name in "abc"])
    assert [name for name, _ in chain.plan(RATE, 64).workers] == ["c"]
    stereo = chain.compile(RATE, 64, in_channels=2)
    assert [name for name, _ in stereo.plan.workers] == ["b", "b", "c", "c"]
    assert chain.plan(RATE, 64, offline=True).workers == ()
    hops = Model(model_file("lag", hop=16, size=4), name="d")
    assert len(hops.plan(RATE, 64).workers) == 1


@pytest.mark.parametrize(("cost_us", "chunk"), [(100, 0), (500, 128), (900, 256), (9000, 512)])
def test_a_worker_is_as_late_as_its_cost_asks(model_file, monkeypatch, cost_us, chunk):
    """Four times as long as a hop takes, and no longer than a hop; cheap ones need no worker."""

    def fixed(node, block, repeats, **options):
        return np.full(repeats, float(cost_us))

    monkeypatch.setattr("rtaudio.effects.model_player.block_microseconds", fixed)
    program = Model(model_file("lag", hop=480, size=5)).compile(RATE, 64)
    assert len(program.plan.workers) == bool(chunk)
    adapted = 480 - math.gcd(480, chunk or 64)
    behind = worker_latency_samples(chunk, 64) if chunk else 0
    assert program.latency_samples == adapted + behind + 5


@pytest.mark.parametrize("name", ["mix", "bypass", "interface_dbu"])
def test_a_model_cannot_take_a_name_that_every_effect_has(name):
    with pytest.raises(ValueError, match="choose another name"):
        ModelParameter(name=name, min=0.0, max=1.0, default=0.5)


def test_onnx_runtime_writes_nothing_into_the_home_of_the_user(tmp_path):
    import os
    import subprocess
    import sys

    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"} | home
    code = "from rtaudio.runtime.onnx_runtime import api; api()"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    written = [p for p in tmp_path.rglob("*") if p.is_file() and "rtaudio" not in p.parts]
    assert written == []


def test_nodes_of_a_model_share_neither_session_nor_state():
    """A run takes locks of its session: no other thread may hold them."""
    file = load_model(shipped_models()["crunch"]).file
    first, second = (model_node(file, 64) for _ in range(2))
    assert first.record["session"] != second.record["session"]
    x = np.random.default_rng(3).uniform(-0.5, 0.5, (1, 4096)).astype(np.float32)
    alone = play(file, lambda block, params: model_node(file, block, params), x)
    with ThreadPoolExecutor(4) as pool:
        together = list(
            pool.map(
                lambda _: play(file, lambda block, params: model_node(file, block, params), x),
                range(8),
            )
        )
    for played in together:
        np.testing.assert_array_equal(played, alone)


def program_of(file):
    """Return a program with one node that plays a file."""
    builder = Builder(file.card.rate_hz, file.card.hop or 256)
    source = builder.bus(file.card.channels[0])
    node = model_node(file, builder.block, default_params(file))
    return Program(builder.finish(source, builder.run(node, source)))


@pytest.mark.parametrize("name", ["denoise", "denoise-low-latency", "crunch"])
def test_shared_weights_play_as_own_ones_to_the_bit(name, monkeypatch):
    file = load_model(shipped_models()[name]).file
    x = np.random.default_rng(4).uniform(-0.5, 0.5, (1, 1 << 15)).astype(np.float32)
    with monkeypatch.context() as patch:
        patch.setattr("rtaudio.runtime.onnx_session.shared_weights", lambda model: None)
        alone = run(program_of(file), x)
    programs = [program_of(file) for _ in range(3)]
    np.testing.assert_array_equal(run(programs.pop(0), x), alone)
    gc.collect()  # the session that was made first, and packed the weights, goes before the others
    with ThreadPoolExecutor(2) as pool:
        for played in pool.map(lambda program: run(program, x), programs):
            np.testing.assert_array_equal(played, alone)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process has to itself")
def test_a_further_node_takes_little_memory(monkeypatch):
    file = load_model(shipped_models()["denoise"]).file

    def grown_bytes():
        nodes = [model_node(file, file.card.hop, default_params(file)) for _ in range(2)]
        gc.collect()
        before = own_bytes()
        nodes += [model_node(file, file.card.hop, default_params(file)) for _ in range(6)]
        return own_bytes() - before

    shared = grown_bytes()
    monkeypatch.setattr("rtaudio.runtime.onnx_session.shared_weights", lambda model: None)
    assert shared < 0.6 * grown_bytes()


def test_weights_go_with_their_last_node():
    file = load_model(shipped_models()["denoise"]).file
    nodes = [model_node(file, file.card.hop, default_params(file)) for _ in range(2)]
    weights = weakref.ref(shared_weights(file.data))
    assert weights() is shared_weights(file.data)
    assert sum(a.nbytes for a in weights()._arrays) > 3e6
    nodes.pop()
    gc.collect()
    assert weights() is not None
    nodes.pop()
    gc.collect()
    assert weights() is None
