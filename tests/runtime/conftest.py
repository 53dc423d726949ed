"""Small streaming models, made on the spot, for tests of the engine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from rtaudio.models.contract.card import GOLDEN_SAMPLES, Card, Golden, ModelParameter
from rtaudio.models.contract.metadata import write_metadata


def _value(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _constant(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


def _lstm(hidden: int):
    random = np.random.default_rng(hidden)
    bound = 1 / np.sqrt(hidden)

    def uniform(*shape):
        return random.uniform(-bound, bound, shape).astype(np.float32)

    weights = [
        _constant("W", uniform(1, 4 * hidden, 1)),
        _constant("R", uniform(1, 4 * hidden, hidden)),
        _constant("B", uniform(1, 8 * hidden)),
        _constant("head.weight", uniform(hidden, 1)),
        _constant("head.bias", uniform(1)),
        _constant("steps", np.array([-1, 1, 1])),
        _constant("rows", np.array([-1, hidden])),
        _constant("wave", np.array([1, 1, -1])),
    ]
    nodes = [
        helper.make_node("Reshape", ["audio", "steps"], ["x"]),
        helper.make_node(
            "LSTM",
            ["x", "W", "R", "B", "", "state.h", "state.c"],
            ["y", "next.h", "next.c"],
            hidden_size=hidden,
        ),
        helper.make_node("Reshape", ["y", "rows"], ["flat"]),
        helper.make_node("MatMul", ["flat", "head.weight"], ["product"]),
        helper.make_node("Add", ["product", "head.bias"], ["change"]),
        helper.make_node("Reshape", ["change", "wave"], ["shaped"]),
        helper.make_node("Add", ["shaped", "audio"], ["audio_out"]),
    ]
    states = {"h": (1, 1, hidden), "c": (1, 1, hidden)}
    names = {"W": "W", "R": "R", "B": "B", "head_weight": "head.weight", "head_bias": "head.bias"}
    hint = {"type": "lstm", "hidden": hidden, "layers": 1, "input": 1, "residual": True}
    return nodes, weights, states, hint | {"weights": names}


def _reciprocal():
    """y = 1 / (0.5 - x): Inf where x is exactly 0.5."""
    nodes = [
        helper.make_node("Sub", ["half", "audio"], ["difference"]),
        helper.make_node("Reciprocal", ["difference"], ["audio_out"]),
    ]
    return nodes, [_constant("half", np.float32(0.5))], {}, {}


def _knob():
    """y = x * params[0]."""
    nodes = [
        helper.make_node("Reshape", ["params", "one"], ["factor"]),
        helper.make_node("Mul", ["audio", "factor"], ["audio_out"]),
    ]
    return nodes, [_constant("one", np.array([1]))], {}, {}


def _lag(samples: int, channels: int):
    """A pure delay of ``samples``, its line being the state."""
    nodes = [
        helper.make_node("Concat", ["state.line", "audio"], ["joined"], axis=2),
        helper.make_node("Slice", ["joined", "zero", "minus", "axis"], ["audio_out"]),
        helper.make_node("Slice", ["joined", "minus", "end", "axis"], ["next.line"]),
    ]
    constants = [
        _constant("zero", np.array([0])),
        _constant("minus", np.array([-samples])),
        _constant("end", np.array([2**31])),
        _constant("axis", np.array([2])),
    ]
    return nodes, constants, {"line": (1, channels, samples)}, {}


@pytest.fixture
def two_processes(tmp_path: Path) -> Callable[[str], list[list[str]]]:
    """Return ``run(script)``: the words that two processes print, with one new cache for both."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}

    def run(script: str) -> list[list[str]]:
        command = [sys.executable, "-c", script]
        return [
            subprocess.run(
                command, env=environment, capture_output=True, text=True, check=True
            ).stdout.split()
            for _ in range(2)
        ]

    return run


@pytest.fixture
def model_file(tmp_path: Path) -> Callable[..., Path]:
    """Return ``make(kind, hop=0, rate=48000, channels=1, size=16, levels=None)``: a model's path.

    Kinds: ``lstm`` (``size`` units), ``lag`` (``size`` samples of latency), ``knob`` (one
    parameter), ``reciprocal`` (Inf for the input 0.5).
    """

    def make(
        kind: str,
        *,
        hop: int = 0,
        rate: int = 48000,
        channels: int = 1,
        size: int = 16,
        levels: dict[str, float] | None = None,
    ) -> Path:
        parameters: tuple[ModelParameter, ...] = ()
        if kind == "lstm":
            nodes, weights, states, hint = _lstm(size)
        elif kind == "lag":
            nodes, weights, states, hint = _lag(size, channels)
        elif kind == "knob":
            nodes, weights, states, hint = _knob()
            parameters = (ModelParameter(name="level", min=0.0, max=2.0, default=0.5),)
        else:
            nodes, weights, states, hint = _reciprocal()
        frames = hop or "frames"
        inputs = [_value("audio", [1, channels, frames])]
        inputs += [_value("params", [1, 1])] if parameters else []
        inputs += [_value(f"state.{k}", shape) for k, shape in states.items()]
        outputs = [_value("audio_out", [1, channels, frames])]
        outputs += [_value(f"next.{k}", shape) for k, shape in states.items()]
        graph = helper.make_graph(nodes, kind, inputs, outputs, weights)
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        card = Card(
            name=kind,
            sample_rate=rate,
            channels=(channels, channels),
            hop=hop,
            latency=size if kind == "lag" else 0,
            parameters=parameters,
            levels=levels or {},
            architecture=hint,
            license="Apache-2.0",
            provenance={"data": "none"},
        )
        audio = np.random.default_rng(1).uniform(-0.4, 0.4, (channels, GOLDEN_SAMPLES))
        golden_in = audio.astype(np.float32)
        session = onnxruntime.InferenceSession(proto.SerializeToString())
        state = {f"state.{k}": np.zeros(shape, np.float32) for k, shape in states.items()}
        fixed = {"params": np.full((1, 1), 0.5, np.float32)} if parameters else {}
        pieces = []
        step = hop or GOLDEN_SAMPLES
        for start in range(0, GOLDEN_SAMPLES, step):
            piece = golden_in[:, start : start + step]
            piece = np.pad(piece, ((0, 0), (0, step - piece.shape[1])))
            out, *following = session.run(None, {"audio": piece[None], **fixed, **state})
            pieces.append(out[0])
            state = dict(zip(state, following, strict=True))
        golden_out = np.concatenate(pieces, axis=1)[:, :GOLDEN_SAMPLES]
        write_metadata(proto, card, Golden(golden_in, golden_out))
        path = tmp_path / f"{kind}-{hop}-{rate}-{channels}-{size}.onnx"
        onnx.save(proto, path)
        return path

    return make
