"""Multiply-accumulates: against counts by hand, and against the counts of the specification."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from rtaudio.bench.macs import fourier_macs, graph_macs, macs_per_second, weight_count
from rtaudio.models.contract.check import read_model
from rtaudio.models.graph.frames import FrameGraph
from rtaudio.shipped import shipped_models


def model(nodes, inputs, constants):
    """A graph whose output is that of its last node."""
    given = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()]
    name = next(n for n in nodes[-1].output if n)
    made = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
    tensors = [numpy_helper.from_array(np.ones(s, np.float32), n) for n, s in constants.items()]
    graph = helper.make_graph(nodes, "counted", given, [made], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def count(nodes, inputs, constants):
    feeds = {name: np.zeros(shape, np.float32) for name, shape in inputs.items()}
    return graph_macs(model(nodes, inputs, constants), feeds)


CASES = {
    # 6 outputs of 10 frames, each of 2 of the 4 channels (two groups) through 3 taps
    "Conv": ({"group": 2}, {"x": (1, 4, 12)}, {"w": (6, 2, 3)}, 6 * 10 * 2 * 3),
    # each of 4 x 5 values is spread over 3 channels by 2 x 2 taps
    "ConvTranspose": ({}, {"x": (1, 4, 1, 5)}, {"w": (4, 3, 2, 2)}, 4 * 5 * 3 * 4),
    "MatMul": ({}, {"x": (7, 1, 8)}, {"w": (7, 8, 9)}, 7 * 8 * 9),
    "Gemm": ({"transA": 1}, {"x": (8, 2)}, {"w": (8, 9)}, 2 * 8 * 9),
    "Einsum": ({"equation": "btgi,gih->btgh"}, {"x": (1, 3, 8, 16)}, {"w": (8, 16, 4)},
               3 * 8 * 16 * 4),
    "LSTM": ({"hidden_size": 5}, {"x": (2, 1, 3)}, {"w": (1, 20, 3), "r": (1, 20, 5)},
             2 * 4 * 5 * (3 + 5)),
    "GRU": ({"hidden_size": 5, "direction": "bidirectional"}, {"x": (2, 1, 3)},
            {"w": (2, 15, 3), "r": (2, 15, 5)}, 2 * 2 * 3 * 5 * (3 + 5)),
}  # fmt: skip


@pytest.mark.parametrize("operator", CASES)
def test_an_operator_counts_as_by_hand(operator):
    attributes, inputs, constants, wanted = CASES[operator]
    node = helper.make_node(operator, [*inputs, *constants], ["y"], **attributes)
    assert count([node], inputs, constants) == {operator: wanted}


def test_an_einsum_with_an_ellipsis_counts_as_the_product_it_is():
    node = helper.make_node("Einsum", ["x", "w"], ["y"], equation="...i,ih->...h")
    assert count([node], {"x": (2, 3, 4)}, {"w": (4, 5)}) == {"Einsum": 2 * 3 * 4 * 5}


def test_what_no_input_changes_and_what_only_adds_is_free():
    nodes = [
        helper.make_node("MatMul", ["a", "a"], ["aa"]),
        helper.make_node("Add", ["x", "aa"], ["sum"]),
        helper.make_node("MatMul", ["sum", "a"], ["y"]),
    ]
    assert count(nodes, {"x": (4, 4)}, {"a": (4, 4)}) == {"MatMul": 64}


@pytest.mark.parametrize("n_fft", [512, 960])
def test_the_fourier_transform_counts_as_its_matrices_do(n_fft):
    graph = FrameGraph(n_fft, n_fft // 2, opset=17)
    bins = n_fft // 2 + 1
    spectrum = graph.transform(graph.frame(), None, [1, 2, bins])
    graph.overlap_add(graph.inverse(spectrum, None, pairs=False))
    half = np.zeros((1, 1, n_fft // 2), np.float32)
    feeds = {"audio": half, "state.history": half, "state.overlap": half}
    assert graph_macs(graph.model(), feeds) == {"MatMul": fourier_macs(n_fft)}
    # far below the dense products of both transforms
    assert fourier_macs(n_fft) < 0.2 * 4 * n_fft * bins


def test_a_shipped_model_counts_as_its_layers_say():
    """An LSTM and a linear layer: four gates over input and state, and one product per unit."""
    file = read_model(shipped_models()["crunch-light"])
    hidden = file.card.architecture["hidden"]
    layers = file.card.architecture["layers"]
    per_sample = 4 * hidden * (1 + hidden) + (layers - 1) * 8 * hidden**2 + hidden
    assert macs_per_second(file) == pytest.approx(48000 * per_sample)
    assert weight_count(file) == file.card.metrics["weights"]
