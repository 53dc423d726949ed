"""Nets with a native kernel: it plays the same as the net's graph."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnxruntime
import pytest

from rtaudio.models.net.to_graph import streaming_graph
from rtaudio.models.net.to_kernel import native_node
from rtaudio.models.net.types import Activation, Dense, Gru, Lstm, Stack
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.offline import run
from rtaudio.runtime.program import Program

random = np.random.default_rng(0)


def floats(*shape):
    return random.uniform(-0.4, 0.4, shape).astype(np.float32)


def lstm(inputs, units):
    return Lstm(
        floats(4 * units, inputs),
        floats(4 * units, units),
        floats(4 * units),
        floats(units),
        floats(units),
    )


def gru(inputs, units):
    return Gru(
        floats(3 * units, inputs), floats(3 * units, units), floats(3 * units), floats(3 * units)
    )


def stack(layer, units, inputs=1):
    """Layers of one kind, and a head."""
    sizes = zip([inputs, *units[:-1]], units, strict=True)
    return Stack((*(layer(*s) for s in sizes), Dense(floats(1, units[-1]), floats(1))), inputs)


def graph_output(net, x, knobs):
    """Play the graph of a net in one piece, from its start state."""
    session = onnxruntime.InferenceSession(streaming_graph(net).SerializeToString())
    feed = {"audio": x[None, None]}
    for value in session.get_inputs():
        if value.name.startswith("state."):
            feed[value.name] = np.zeros(value.shape, np.float32)
    if knobs is not None:
        feed["params"] = knobs[None]
    return session.run(["audio_out"], feed)[0][0, 0]


@pytest.mark.parametrize("layer", [lstm, gru])
@pytest.mark.parametrize("inputs", [1, 3])
def test_a_recurrent_stack_plays_what_its_graph_plays(layer, inputs):
    net = dataclasses.replace(stack(layer, [8, 8], inputs), skip=True, in_gain=0.5, out_gain=2.0)
    knobs = np.array([0.5, -0.25], np.float32) if inputs == 3 else None
    node = native_node(net, knobs)
    assert node is not None
    builder = Builder(48000, 64)
    source = builder.bus(1)
    program = Program(builder.finish(source, builder.run(node, source)))
    x = random.uniform(-0.5, 0.5, 1000).astype(np.float32)
    played = run(program, x[None])[0, :1000]
    assert np.max(np.abs(played - graph_output(net, x, knobs))) < 5e-6


def test_other_nets_have_no_native_kernel():
    head = Dense(floats(1, 8), floats(1))
    for layers in (
        (head,),
        (lstm(1, 8),),
        (lstm(1, 8), gru(8, 8), head),
        (lstm(1, 8), dataclasses.replace(head, activation=Activation("tanh"))),
        (lstm(1, 8), Dense(floats(8, 8), floats(8)), head),
        (lstm(1, 520), Dense(floats(1, 520), floats(1))),
    ):
        assert native_node(Stack(layers)) is None
