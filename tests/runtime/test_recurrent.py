"""The native LSTMs and GRUs against exact arithmetic, torch, and themselves in other blocks."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import float32, int64, njit, types
from numba.extending import intrinsic

from rtaudio.runtime.kernels.ramp import ramp_samples
from rtaudio.runtime.kernels.recurrent.layout import Layout, pack
from rtaudio.runtime.kernels.recurrent.node import recurrent_node
from rtaudio.runtime.kernels.simd import LANES, Vectors
from rtaudio.runtime.memory import aligned
from rtaudio.runtime.words import call_process

KINDS = ("lstm", "gru")
RATE_HZ = 48000


def stack(kind, hidden, knobs=0, scale=1.0):
    """Random layers and their head."""
    random = np.random.default_rng(hidden)

    def layer(inputs, units):
        def uniform(*shape):
            bound = scale / np.sqrt(units)
            return random.uniform(-bound, bound, shape).astype(np.float32)

        rows = (4 if kind == "lstm" else 3) * units
        matrices = {"weight_ih": uniform(rows, inputs), "weight_hh": uniform(rows, units)}
        if kind == "lstm":
            vectors = {"bias": uniform(rows), "hidden": uniform(units), "cell": uniform(units)}
        else:
            vectors = {"bias_ih": uniform(rows), "bias_hh": uniform(rows)}
        return SimpleNamespace(**matrices, **vectors)

    layers = [layer(*sizes) for sizes in pairwise([1 + knobs, *hidden])]
    head = random.uniform(-1, 1, hidden[-1]) / np.sqrt(hidden[-1])
    return layers, head.astype(np.float32), 0.25


def logistic(z):
    return 1.0 / (1.0 + np.exp(-z))


def oracle(net, inputs):
    """The equations as the textbook has them, in float64; ``inputs`` (frames, 1 + knobs)."""
    layers, head_weight, head_bias = net
    signal = np.asarray(inputs, np.float64)
    for layer in layers:
        w = {name: np.asarray(value, np.float64) for name, value in vars(layer).items()}
        h = w.get("hidden", np.zeros(w["weight_hh"].shape[1]))
        c = w.get("cell")
        out = []
        for x in signal:
            if c is None:
                zx = w["weight_ih"] @ x + w["bias_ih"]
                zh = w["weight_hh"] @ h + w["bias_hh"]
                (xr, xz, xn), (hr, hz, hn) = np.split(zx, 3), np.split(zh, 3)
                z = logistic(xz + hz)
                h = (1.0 - z) * np.tanh(xn + logistic(xr + hr) * hn) + z * h
            else:
                i, f, g, o = np.split(w["weight_ih"] @ x + w["weight_hh"] @ h + w["bias"], 4)
                c = logistic(f) * c + logistic(i) * np.tanh(g)
                h = logistic(o) * np.tanh(c)
            out.append(h)
        signal = np.array(out)
    return signal @ head_weight.astype(np.float64) + head_bias


def columns(x, knobs):
    """The audio beside one column for each knob, constant or not."""
    return np.stack([x, *(np.broadcast_to(knob, x.shape) for knob in knobs)], axis=1)


@njit(error_model="numpy")
def call(process, state, src, dst, frames):
    return call_process(process, state, src, dst, frames)


def play(node, x, splits=()):
    """Run a node over ``x``, cut at the given places."""
    src, dst = aligned(max(1, len(x))), aligned(max(1, len(x)))
    src[: len(x)] = x
    for start, stop in pairwise([0, *splits, len(x)]):
        at = 4 * start
        addresses = src.ctypes.data + at, dst.ctypes.data + at
        assert call(node.kernel.address, node.state_address, *addresses, stop - start) == 0
    return dst[: len(x)].copy()


def noise(frames, seed=1, level=0.5):
    return (level * np.random.default_rng(seed).standard_normal(frames)).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hidden", [(1,), (8,), (16,), (40,), (8, 8), (3, 20, 9)])
def test_agrees_with_exact_arithmetic(kind, hidden):
    net, x = stack(kind, hidden), noise(2400)
    y = play(recurrent_node(*net), x)
    assert np.max(np.abs(y - oracle(net, columns(x, [])))) < 2e-6


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_agrees_with_torch(kind, layers):
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")
    torch.manual_seed(layers)
    made, head = getattr(torch.nn, kind.upper())(1, 8, layers), torch.nn.Linear(8, 1)
    made, head = made.double(), head.double()
    w = {name: value.detach().numpy() for name, value in made.named_parameters()}
    start = np.random.default_rng(1).uniform(-0.5, 0.5, (2, layers, 8))
    if kind == "gru":
        start[:] = 0.0
    net = []
    for k in range(layers):
        b_ih, b_hh = w[f"bias_ih_l{k}"], w[f"bias_hh_l{k}"]
        if kind == "lstm":
            rest = {"bias": b_ih + b_hh, "hidden": start[0, k], "cell": start[1, k]}
        else:
            rest = {"bias_ih": b_ih, "bias_hh": b_hh}
        net.append(
            SimpleNamespace(weight_ih=w[f"weight_ih_l{k}"], weight_hh=w[f"weight_hh_l{k}"], **rest)
        )
    x = noise(1000)
    h, c = (torch.from_numpy(s) for s in start)
    with torch.no_grad():
        out, _ = made(torch.from_numpy(x).double()[:, None], (h, c) if kind == "lstm" else h)
        wanted = head(out)[:, 0].numpy()
    y = play(recurrent_node(net, head.weight.detach().numpy()[0], head.bias.item()), x)
    assert np.max(np.abs(y - wanted)) < 2e-6


@pytest.mark.parametrize("kind", KINDS)
def test_agrees_where_the_gates_saturate(kind):
    net, x = stack(kind, (16,), scale=6.0), noise(2400, level=1.0)
    y = play(recurrent_node(*net), x)
    assert np.max(np.abs(y - oracle(net, columns(x, [])))) < 1e-5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lanes", [4, 8, 16])
@pytest.mark.parametrize("hidden", [(20,), (5, 9)])
def test_every_vector_length_is_right_on_every_machine(kind, hidden, lanes):
    net, x = stack(kind, hidden), noise(500)
    y = play(recurrent_node(*net, lanes=lanes), x)
    assert np.max(np.abs(y - oracle(net, columns(x, [])))) < 2e-6


@pytest.mark.parametrize("hidden", [(96,), (48, 48)])
def test_a_large_one_agrees_with_exact_arithmetic_whatever_the_blocks(hidden):
    net, x = stack("lstm", hidden), noise(600)
    y = play(recurrent_node(*net), x)
    assert np.max(np.abs(y - oracle(net, columns(x, [])))) < 2e-6
    assert Layout(False, 1, LANES, hidden).alternates
    for splits in ([1, 2, 3], [77, 78, 500]):
        assert np.array_equal(play(recurrent_node(*net), x, splits), y)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hidden", [(16,), (3, 20, 9)])
@given(splits=st.lists(st.integers(0, 300), max_size=40))
@settings(max_examples=30, deadline=None)
def test_the_split_into_blocks_changes_nothing(kind, hidden, splits):
    net, x = stack(kind, hidden), noise(300)
    whole = play(recurrent_node(*net), x)
    assert np.array_equal(play(recurrent_node(*net), x, sorted(splits)), whole)


def test_skip_and_gains_are_those_of_the_formula():
    net, x = stack("lstm", (8, 8)), noise(500)
    raw = oracle(net, columns(0.5 * x, []))
    y = play(recurrent_node(*net, skip=True, in_gain=0.5, out_gain=3.0), x)
    assert np.max(np.abs(y - 3.0 * (raw + 0.5 * x))) < 5e-6


@pytest.mark.parametrize("kind", KINDS)
def test_knobs_are_constant_inputs_in_their_order(kind):
    net, x = stack(kind, (8, 8), knobs=2), noise(500)
    knobs = np.array([0.25, -1.5], np.float32)
    y = play(recurrent_node(*net, in_gain=0.5, params=knobs), x)
    assert np.max(np.abs(y - oracle(net, columns(0.5 * x, knobs)))) < 2e-6


@pytest.mark.parametrize("kind", KINDS)
def test_a_turned_knob_moves_in_a_straight_line(kind):
    net, x = stack(kind, (8, 8), knobs=2), noise(2000)
    knobs = np.array([0.25, -1.5], np.float32)
    node = recurrent_node(*net, params=knobs, rate_hz=RATE_HZ)
    first = play(node, x[:300])
    knobs[1] = 1.0
    second = play(node, x[300:], [64, 700])
    line = np.full(2000, 1.0)
    line[:300] = -1.5
    samples = ramp_samples(RATE_HZ)
    line[300 : 300 + samples] = -1.5 + 2.5 * np.arange(1, samples + 1) / samples
    wanted = oracle(net, columns(x, [0.25, line]))
    assert np.max(np.abs(np.concatenate([first, second]) - wanted)) < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_a_reset_node_is_a_new_node(kind):
    net, x = stack(kind, (8, 8)), noise(333)
    node = recurrent_node(*net)
    node.freeze()
    first = play(node, x)
    assert not np.array_equal(play(node, x), first)
    node.memory[:] = node.image
    assert np.array_equal(play(node, x), first)


def test_two_nodes_share_code_but_no_memory():
    a, b = (recurrent_node(*stack("lstm", (8,))) for _ in range(2))
    assert a.kernel is b.kernel
    first = play(a, noise(100))
    assert np.array_equal(play(b, noise(100)), first)


@pytest.mark.parametrize("hidden", [(16,), (8, 8)])
@pytest.mark.parametrize("kind", KINDS)
def test_nan_is_passed_on_and_a_reset_cures_it(kind, hidden):
    node = recurrent_node(*stack(kind, hidden))
    node.freeze()
    x = noise(100)
    clean = play(node, x)
    node.memory[:] = node.image
    broken = x.copy()
    broken[50] = np.nan
    y = play(node, broken)
    # its blocks may already spoil the samples that the layers behind are still at
    assert np.array_equal(y[: 51 - len(hidden)], clean[: 51 - len(hidden)])
    assert np.isnan(y[50:]).all()
    node.memory[:] = node.image
    assert np.array_equal(play(node, x), clean)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", [1e4, 1e30, np.inf])
def test_an_absurd_level_stays_bounded(kind, level):
    x = np.full(100, level, np.float32)
    x[1::2] *= -1
    node = recurrent_node(*stack(kind, (16,)))
    assert np.max(np.abs(play(node, x))) < 10.0


@intrinsic
def tanh_half(typingctx, src, dst):
    def codegen(context, builder, sig, args):
        v = Vectors(builder, 16)
        v.store(v.tanh_half(v.load(v.pointer(args[0]), 0)), v.pointer(args[1]), 0)
        return context.get_dummy_value()

    return types.void(int64, int64), codegen


def test_the_error_of_tanh_is_bounded():
    @njit(error_model="numpy")
    def map_tanh(src, dst, vectors):
        for k in range(vectors):
            tanh_half(src + 64 * k, dst + 64 * k)

    near = np.linspace(-20, 20, 2_000_000, dtype=np.float32)
    # No denormals: a training in the same process may have them flushed.
    small = np.geomspace(1e-36, 1e-2, 1600, dtype=np.float32)
    z, y = (aligned(len(near) + 2 * len(small), float32.name) for _ in range(2))
    z[:] = np.concatenate([near, small, -small])
    map_tanh(z.ctypes.data, y.ctypes.data, len(z) // 16)
    exact = np.tanh(0.5 * z.astype(np.float64))
    assert np.max(np.abs(y - exact)) < 3e-7
    assert np.max(np.abs(y)) <= 1.0 + 2e-7
    assert np.max(np.abs(y / exact - 1.0)[np.abs(z) < 1.0]) < 3e-7
    assert np.array_equal(y[-len(small) :], -y[-2 * len(small) : -len(small)])


@pytest.mark.parametrize("lanes", [4, 8, 16])
@pytest.mark.parametrize("hidden", [(1,), (16,), (50,), (96,), (8, 8), (3, 20, 9)])
@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_is_packed_once_and_the_rest_is_zero(kind, hidden, lanes):
    layers, head_weight, _ = stack(kind, hidden, knobs=1)
    for number, layer in enumerate(layers):
        for name, value in vars(layer).items():
            values = np.arange(value.size).reshape(value.shape) % 997 + 1
            setattr(layer, name, (10 * values + number).astype(np.float64))
    layout = Layout(kind == "gru", 2, lanes, hidden)
    packed = pack(layout, layers, np.ones_like(head_weight), 1.0, 1.0)
    assert len(packed) == layout.head + (len(layout.head_groups) + 1) * layout.lanes
    wanted = [np.full(hidden[-1], 0.5), [1.0]]
    for number, layer in enumerate(layers):
        units = hidden[number]
        doubled = np.ones((4, 1) if kind == "lstm" else (3, 1))
        doubled[2] = 2.0
        scale = 1.0 if number == 0 else 0.5
        wanted.append(
            scale * doubled[:, :, None] * layer.weight_ih.reshape(len(doubled), units, -1)
        )
        if kind == "lstm":
            wanted.append(0.5 * doubled[:, :, None] * layer.weight_hh.reshape(4, units, -1))
            wanted.append(doubled * layer.bias.reshape(4, units))
        else:
            wanted.append(0.5 * layer.weight_hh)
            b_ih, b_hh = layer.bias_ih.reshape(3, units), layer.bias_hh.reshape(3, units)
            wanted += [b_ih[:2] + b_hh[:2], 2.0 * b_ih[2], b_hh[2]]
    every = np.concatenate([np.ravel(part) for part in wanted]).astype(np.float32)
    assert np.array_equal(np.sort(packed[packed != 0.0]), np.sort(every))


def test_wrong_shapes_are_refused():
    (layer,), head_weight, head_bias = stack("lstm", (8,))
    with pytest.raises(ValueError, match="a head of 7 weights does not fit 8 units"):
        recurrent_node([layer], head_weight[:-1], head_bias)
    with pytest.raises(ValueError, match="LSTM layer of 8 units and 2 inputs cannot have"):
        recurrent_node([layer], head_weight, head_bias, params=np.zeros(1, np.float32))
    layer.bias = layer.bias[:-1]
    with pytest.raises(ValueError, match="LSTM layer of 8 units and 1 inputs cannot have"):
        recurrent_node([layer], head_weight, head_bias)


def test_code_is_found_on_disk_by_the_next_process(two_processes):
    script = (
        "from rtaudio.runtime.kernels.recurrent.node import Layout, recurrent_kernel\n"
        "for gru, hidden in ((0, (3,)), (1, (3,)), (0, (4, 4))):\n"
        "    print(recurrent_kernel(Layout(gru, 1, 4, hidden), True).compiled.cache_hits)\n"
    )
    assert two_processes(script) == [["0"] * 3, ["1"] * 3]
