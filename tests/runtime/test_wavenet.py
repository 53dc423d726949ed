"""The native WaveNet against exact arithmetic and against itself in other blocks."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtaudio.models.net.types import (
    Activation,
    Conv,
    Film,
    WaveNet,
    WaveNetArray,
    WaveNetLayer,
)
from rtaudio.runtime.kernels.wavenet.activations import ACTIVATIONS
from rtaudio.runtime.kernels.wavenet.node import wavenet_node
from rtaudio.runtime.memory import aligned
from rtaudio.runtime.prewarm import prewarm

FUNCTIONS = {
    "linear": lambda z: z,
    "tanh": np.tanh,
    "hard_tanh": lambda z: np.clip(z, -1, 1),
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "silu": lambda z: z / (1 + np.exp(-z)),
    "softsign": lambda z: z / (1 + np.abs(z)),
    "hard_swish": lambda z: z * np.clip(z + 3, 0, 6) / 6,
}


def conv(random, outputs, inputs, taps=1, dilation=1, bias=True):
    bound = (inputs * taps) ** -0.5

    def uniform(*shape):
        return random.uniform(-bound, bound, shape).astype(np.float32)

    weight = uniform(outputs, inputs, taps)
    return Conv(weight, uniform(outputs) if bias else None, dilation)


def wavenet(*arrays, activation="tanh", head_scale=0.5):
    """Make a net of random weights; an array is (channels, taps and dilations, taps of its head).

    A head has as many channels as the next array, and the last one has one.
    """
    random = np.random.default_rng([*arrays[0][1][0], arrays[0][0]])
    values = (0.01,) if activation == "leaky_relu" else ()
    made, inputs = [], 1
    for number, (channels, layers, head_taps) in enumerate(arrays):
        heads = arrays[number + 1][0] if number + 1 < len(arrays) else 1
        made.append(
            WaveNetArray(
                conv(random, channels, inputs, bias=False),
                tuple(
                    WaveNetLayer(
                        conv(random, channels, channels, taps, dilation),
                        conv(random, channels, 1, bias=False),
                        Activation(activation, values),
                        conv(random, channels, channels),
                    )
                    for taps, dilation in layers
                ),
                conv(random, heads, channels, head_taps),
            )
        )
        inputs = channels
    return WaveNet(tuple(made), head_scale)


def a1(channels, light=True):
    tens = [(3, 2**k) for k in range(10)]
    first, second = (tens[:7], tens[7:] + tens) if light else (tens, tens)
    return wavenet((channels, first, 1), (channels // 2, second, 1))


def a2(channels):
    taps = [6] * 14 + [15, 15] + [6] * 7
    sevens = [1, 3, 7, 17, 41, 101, 239]
    layers = list(zip(taps, [*sevens, *sevens, 1, 13, *sevens], strict=True))
    return wavenet((channels, layers, 16), activation="leaky_relu")


def oracle(net, x):
    """The equations of a WaveNet in float64, after silence as long as its memory."""

    def convolve(conv, y):
        weight = conv.weight.astype(np.float64)
        padded = np.pad(y, ((0, 0), (conv.past, 0)))
        taps = weight.shape[2]
        z = sum(
            weight[:, :, k] @ padded[:, k * conv.dilation :][:, : y.shape[1]] for k in range(taps)
        )
        return z if conv.bias is None else z + conv.bias[:, None]

    silence = net.receptive_field
    x = np.pad(x.astype(np.float64), (silence, 0))[None]
    y, head = x, 0.0
    for array in net.arrays:
        y = convolve(array.rechannel, y)
        for layer in array.layers:
            f = FUNCTIONS[layer.activation.name]
            z = f(convolve(layer.conv, y) + convolve(layer.mixer, x))
            head = head + z
            y = y if layer.out is None else y + convolve(layer.out, z)
        head = convolve(array.head, head)
    return net.head_scale * head[0, silence:]


def play(node, x, splits=()):
    """Run a node over ``x``, cut at the given places; nothing is written beside the output."""
    guard = 64
    src, dst = aligned(max(1, len(x))), aligned(len(x) + 2 * guard)
    src[: len(x)] = x
    dst[:] = 12.25
    pointer = ctypes.POINTER(ctypes.c_float)
    for start, stop in pairwise([0, *splits, len(x)]):
        read = ctypes.cast(src.ctypes.data + 4 * start, pointer)
        write = ctypes.cast(dst.ctypes.data + 4 * (guard + start), pointer)
        assert node.kernel.compiled.ctypes(node.state_address, read, write, stop - start) == 0
        assert np.all(dst[guard + stop :] == 12.25)
    assert np.all(dst[:guard] == 12.25)
    return dst[guard : guard + len(x)].copy()


def noise(frames, seed=1, level=0.5):
    return (level * np.random.default_rng(seed).standard_normal(frames)).astype(np.float32)


SIZES = {
    "nano": lambda: a1(4),
    "feather": lambda: a1(8),
    "lite": lambda: a1(12),
    "standard": lambda: a1(16, light=False),
    "A2 lite": lambda: a2(3),
    "A2 full": lambda: a2(8),
}


def settled(net, **options):
    """Make a node in the state that endless silence leaves behind."""
    node = wavenet_node(net, **options)
    prewarm(node, net.receptive_field, block=1024)
    return node


@pytest.mark.parametrize("size", SIZES)
def test_agrees_with_exact_arithmetic(size):
    net, x = SIZES[size](), noise(9000)
    y = play(settled(net), x, range(64, 9000, 64))
    exact = oracle(net, x)
    assert np.std(exact) > 0.01
    assert np.max(np.abs(y - exact)) < 2e-6


SHAPES = {
    "one channel, one tap": ((1, [(1, 1)], 1),),
    "one channel": ((1, [(3, 1), (2, 70), (1, 1)], 2),),
    "three arrays": ((3, [(3, 1), (3, 2)], 1), (6, [(2, 5)], 4), (2, [(4, 40)], 1)),
    "more than a tile": ((7, [(3, 9), (2, 33)], 3),),
    "wide": ((17, [(2, 3), (3, 130)], 5),),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_agrees_with_exact_arithmetic(shape):
    net, x = wavenet(*SHAPES[shape]), noise(1500)
    y = play(settled(net), x, range(100, 1500, 100))
    assert np.max(np.abs(y - oracle(net, x))) < 2e-6


@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_every_vector_length_is_right_on_every_machine(lanes):
    net, x = wavenet(*SHAPES["three arrays"]), noise(1500)
    y = play(settled(net, lanes=lanes), x, range(100, 1500, 100))
    assert np.max(np.abs(y - oracle(net, x))) < 2e-6


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_is_right(activation):
    net, x = wavenet((2, [(2, 1), (2, 3)], 1), activation=activation), noise(500, level=4.0)
    y, exact = play(settled(net), x), oracle(net, x)
    assert np.max(np.abs(y - exact)) < 2e-6 * max(1.0, np.max(np.abs(exact)))


@given(
    st.lists(st.integers(0, 900), max_size=40),
    st.sampled_from(["nano", "A2 lite", "more than a tile"]),
)
@settings(max_examples=60, deadline=None)
def test_the_split_into_blocks_changes_nothing(splits, size):
    net = SIZES[size]() if size in SIZES else wavenet(*SHAPES[size])
    x = noise(900)
    whole = play(settled(net), x)
    assert np.array_equal(play(settled(net), x, sorted(splits)), whole)


@pytest.mark.parametrize("block", [1, 15, 16, 17, 31, 33, 48, 63, 65])
def test_every_block_size_gives_the_same(block):
    net, x = wavenet(*SHAPES["three arrays"]), noise(3000)
    whole = play(settled(net), x)
    assert np.array_equal(play(settled(net), x, range(block, 3000, block)), whole)


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_any_dilations_in_any_blocks(data):
    """One compiled shape, whose rings are of all sizes."""
    dilations = data.draw(st.lists(st.integers(1, 150), min_size=3, max_size=3))
    net = wavenet((3, [(3, dilation) for dilation in dilations], 2))
    splits = data.draw(st.lists(st.integers(0, 800), max_size=30))
    x = noise(800)
    y = play(settled(net), x, sorted(splits))
    assert np.max(np.abs(y - oracle(net, x))) < 2e-6


def test_a_layer_may_hand_its_signal_on_unchanged():
    net = wavenet((3, [(3, 2), (3, 5)], 1))
    layers = tuple(replace(layer, out=None) for layer in net.arrays[0].layers)
    net = replace(net, arrays=(replace(net.arrays[0], layers=layers),))
    x = noise(300)
    assert np.max(np.abs(play(settled(net), x) - oracle(net, x))) < 2e-6


@pytest.mark.parametrize("size", ["nano", "A2 lite"])
def test_silence_goes_on_as_it_began(size):
    y = play(settled(SIZES[size]()), np.zeros(8000, np.float32))
    assert y[0] != 0.0
    assert np.all(y == y[0])


def test_a_reset_node_is_a_new_node():
    x = noise(333)
    node = settled(SIZES["nano"]())
    node.freeze()
    first = play(node, x)
    assert not np.array_equal(play(node, x), first)
    node.memory[:] = node.image
    assert np.array_equal(play(node, x), first)


def test_two_nodes_share_code_but_no_memory():
    a, b = (settled(SIZES["nano"]()) for _ in range(2))
    assert a.kernel is b.kernel
    first = play(a, noise(100))
    assert np.array_equal(play(b, noise(100)), first)


@pytest.mark.parametrize("size", ["nano", "A2 lite"])
def test_nan_is_passed_on_until_it_is_forgotten(size):
    net = SIZES[size]()
    x = noise(300 + net.receptive_field)
    clean = play(settled(net), x)
    broken = x.copy()
    broken[50] = np.nan
    y = play(settled(net), broken)
    assert np.array_equal(y[:50], clean[:50])
    assert np.isnan(y[50])
    end = 50 + net.receptive_field
    assert np.isnan(y[end - 1])
    assert np.array_equal(y[end:], clean[end:])


@pytest.mark.parametrize("level", [1e4, 1e30])
def test_an_absurd_level_stays_bounded(level):
    x = np.full(100, level, np.float32)
    x[1::2] *= -1
    net = wavenet((4, [(1, 1)], 1))
    assert np.max(np.abs(play(settled(net), x))) < 10.0


def bottleneck(net):
    array = net.arrays[0]
    layer = array.layers[0]
    narrow = replace(layer, conv=replace(layer.conv, weight=layer.conv.weight[:1]))
    return replace(net, arrays=(replace(array, layers=(narrow,)),))


def with_layer(net, **changes):
    array = net.arrays[0]
    layers = (replace(array.layers[0], **changes),)
    return replace(net, arrays=(replace(array, layers=layers),))


PLAIN = wavenet((2, [(2, 1)], 1))
FANCY = {
    "a condition net": replace(PLAIN, condition=PLAIN),
    "after the head": replace(PLAIN, post=((Activation(), PLAIN.arrays[0].head),)),
    "gates": with_layer(PLAIN, gating="gated", secondary=Activation("sigmoid")),
    "FiLM": with_layer(PLAIN, films={"conv_pre": Film(PLAIN.arrays[0].layers[0].mixer, False)}),
    "a head of a layer": with_layer(PLAIN, head_1x1=PLAIN.arrays[0].layers[0].out),
    "the activation prelu": with_layer(PLAIN, activation=Activation("prelu", (0.1, 0.2))),
    "a bottleneck": bottleneck(PLAIN),
    "it has no layers": replace(PLAIN, arrays=()),
}


@pytest.mark.parametrize("reason", FANCY)
def test_other_nets_are_refused(reason):
    with pytest.raises(ValueError, match=reason):
        wavenet_node(FANCY[reason])


def test_code_is_found_on_disk_by_the_next_process(two_processes):
    script = (
        "from rtaudio.runtime.kernels.wavenet.node import wavenet_kernel\n"
        "for channels in (1, 2):\n"
        "    plan = f\"((1, {channels}, 2, 3, 1, 1, 'tanh', 0.0),)\"\n"
        "    print(channels, wavenet_kernel(plan, 4).compiled.cache_hits)\n"
    )
    assert two_processes(script) == [["1", "0", "2", "0"], ["1", "1", "2", "1"]]
