"""The native LSTM against exact arithmetic, itself in other blocks, and the rules of the thread."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import cfunc, float32, int64, njit, types
from numba.extending import intrinsic

from rtaudio.runtime.abi import PROCESS, aligned
from rtaudio.runtime.kernels.lstm import Layout, lstm_kernel, lstm_node, pack
from rtaudio.runtime.kernels.simd import Vectors
from rtaudio.runtime.native import call_process

SIZES = (8, 16, 24, 32, 40, 64, 96)
ODD_SIZES = (1, 3, 13, 50, 128)
FRAMES = 4800


def weights_of(hidden, scale=1.0):
    random = np.random.default_rng(hidden)
    bound = scale / np.sqrt(hidden)

    def uniform(*shape):
        return random.uniform(-bound, bound, shape).astype(np.float32)

    return (
        uniform(4 * hidden, 1),
        uniform(4 * hidden, hidden),
        uniform(4 * hidden),
        uniform(hidden),
        float(uniform(1)[0]),
    )


def oracle(weights, x, residual):
    """The equations of an LSTM as the textbook has them, in float64."""
    w_ih, w_hh, bias, head_weight, head_bias = (np.asarray(w, np.float64) for w in weights)
    h = c = np.zeros(len(head_weight))
    y = np.zeros(len(x))
    for n, sample in enumerate(x.astype(np.float64)):
        i, f, g, o = np.split(w_ih[:, 0] * sample + w_hh @ h + bias, 4)
        i, f, o = (1.0 / (1.0 + np.exp(-z)) for z in (i, f, o))
        c = f * c + i * np.tanh(g)
        h = o * np.tanh(c)
        y[n] = head_weight @ h + head_bias + (sample if residual else 0.0)
    return y


@njit(error_model="numpy")
def call(process, state, src, dst, frames):
    return call_process(process, state, src, dst, frames)


def play(node, x, splits=()):
    """Run a node over ``x``, cut at the given places."""
    src, dst = aligned(max(1, len(x))), aligned(max(1, len(x)))
    src[: len(x)] = x
    edges = [0, *splits, len(x)]
    for start, stop in pairwise(edges):
        at = 4 * start
        code = call(
            node.kernel.address,
            node.state_address,
            src.ctypes.data + at,
            dst.ctypes.data + at,
            stop - start,
        )
        assert code == 0
    return dst[: len(x)].copy()


def noise(frames, seed=1, level=0.5):
    return (level * np.random.default_rng(seed).standard_normal(frames)).astype(np.float32)


@pytest.mark.parametrize("hidden", SIZES + ODD_SIZES)
def test_agrees_with_exact_arithmetic(hidden):
    weights, x = weights_of(hidden), noise(FRAMES)
    y = play(lstm_node(*weights, residual=True), x)
    assert np.max(np.abs(y - oracle(weights, x, True))) < 2e-6


@pytest.mark.parametrize("scale", [2.0, 6.0])
def test_agrees_where_the_gates_saturate(scale):
    weights, x = weights_of(24, scale), noise(FRAMES, level=1.0)
    y = play(lstm_node(*weights, residual=True), x)
    assert np.max(np.abs(y - oracle(weights, x, True))) < 1e-5


@pytest.mark.parametrize("lanes", [4, 8, 16])
@pytest.mark.parametrize("hidden", [1, 5, 17, 72])
def test_every_vector_length_is_right_on_every_machine(hidden, lanes):
    weights, x = weights_of(hidden), noise(1000)
    y = play(lstm_node(*weights, residual=False, lanes=lanes), x)
    assert np.max(np.abs(y - oracle(weights, x, False))) < 2e-6


@given(st.lists(st.integers(0, 600), max_size=40), st.sampled_from([13, 40, 96]))
@settings(max_examples=60, deadline=None)
def test_the_split_into_blocks_changes_nothing(splits, hidden):
    weights, x = weights_of(hidden), noise(600)
    whole = play(lstm_node(*weights, residual=True), x)
    assert np.array_equal(play(lstm_node(*weights, residual=True), x, sorted(splits)), whole)


@pytest.mark.parametrize("hidden", [8, 64])
def test_a_reset_node_is_a_new_node(hidden):
    weights, x = weights_of(hidden), noise(333)
    node = lstm_node(*weights, residual=True)
    node.freeze()
    first = play(node, x)
    assert not np.array_equal(play(node, x), first)
    node.memory[:] = node.image
    assert np.array_equal(play(node, x), first)


def test_two_nodes_share_code_but_no_memory():
    a, b = (lstm_node(*weights_of(8), residual=True) for _ in range(2))
    assert a.kernel is b.kernel
    first = play(a, noise(100))
    assert np.array_equal(play(b, noise(100)), first)


def test_nan_is_passed_on_and_a_reset_cures_it():
    node = lstm_node(*weights_of(16), residual=False)
    node.freeze()
    x = noise(100)
    clean = play(node, x)
    node.memory[:] = node.image
    broken = x.copy()
    broken[50] = np.nan
    y = play(node, broken)
    assert np.array_equal(y[:50], clean[:50])
    assert np.isnan(y[50:]).all()
    node.memory[:] = node.image
    assert np.array_equal(play(node, x), clean)


@pytest.mark.parametrize("level", [1e4, 1e30, np.inf])
def test_an_absurd_level_stays_bounded(level):
    x = np.full(100, level, np.float32)
    x[1::2] *= -1
    node = lstm_node(*weights_of(16), residual=False)
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
    small = np.geomspace(1e-38, 1e-2, 1600, dtype=np.float32)
    z, y = (aligned(len(near) + 2 * len(small), float32.name) for _ in range(2))
    z[:] = np.concatenate([near, small, -small])
    map_tanh(z.ctypes.data, y.ctypes.data, len(z) // 16)
    exact = np.tanh(0.5 * z.astype(np.float64))
    assert np.max(np.abs(y - exact)) < 5e-7
    assert np.max(np.abs(y)) <= 1.0 + 1e-7
    relative = np.abs(y / exact - 1.0)
    assert np.max(relative[np.abs(z) < 1.0]) < 2e-6
    assert np.array_equal(y[-len(small) :], -y[-2 * len(small) : -len(small)])


@pytest.mark.parametrize("lanes", [4, 8, 16])
@pytest.mark.parametrize("hidden", [1, 7, 16, 50, 96])
def test_every_weight_is_packed_once_and_the_rest_is_zero(hidden, lanes):
    layout = Layout.of(hidden, lanes)
    w_ih, w_hh, bias, head_weight, _ = (np.ones_like(w) for w in weights_of(hidden))
    packed = pack(layout, w_ih, w_hh, bias, head_weight, 1.0)
    assert len(packed) == layout.head + layout.units + layout.lanes
    assert layout.columns <= layout.units
    counts = dict(zip(*np.unique(packed, return_counts=True), strict=True))
    # i, f, o as they are and g doubled; columns and head halved
    assert counts[2.0] == 2 * hidden
    assert counts[1.0] == 2 * 3 * hidden + hidden**2 + 1
    assert counts[0.5] == 3 * hidden**2 + hidden
    assert set(counts) <= {0.0, 0.5, 1.0, 2.0}


def test_wrong_shapes_are_refused():
    w_ih, w_hh, bias, head_weight, head_bias = weights_of(8)
    with pytest.raises(ValueError, match="8 units cannot have weights of the sizes"):
        lstm_node(w_ih, w_hh, bias[:-1], head_weight, head_bias, residual=True)


@pytest.mark.parametrize("hidden", [8, 96])
def test_the_compiled_code_neither_allocates_nor_raises(hidden):
    function = lstm_kernel(Layout.of(hidden), True).function
    # compiled anew: code from the disk cache cannot be inspected
    text = cfunc(PROCESS, error_model="numpy")(function).inspect_llvm()
    bodies = re.findall(r"^define .*?^}", text, re.MULTILINE | re.DOTALL)
    own = [body for body in bodies if "%excinfo" in body.partition("{")[0]]
    assert own
    for body in own:
        assert re.search(r"readnone[^,]*%[\w.]*excinfo", body.partition("{")[0])
        called = set(re.findall(r"call [^\n(]*@\"?([\w.$]+)", body))
        assert all(name.startswith("llvm.") for name in called), called


def test_code_is_found_on_disk_by_the_next_process(tmp_path):
    script = (
        "from rtaudio.runtime.kernels.lstm import Layout, lstm_kernel\n"
        "for hidden in (3, 8, 64):\n"
        "    code = lstm_kernel(Layout.of(hidden), True).compiled\n"
        "    print(hidden, code.cache_hits)\n"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    runs = [
        subprocess.run(
            [sys.executable, "-c", script],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for _ in range(2)
    ]
    assert runs == [["3", "0", "8", "0", "64", "0"], ["3", "1", "8", "1", "64", "1"]]
