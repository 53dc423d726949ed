"""The cost of a model on paper: multiply-accumulates, counted in its graph."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from onnx import inliner

from rtaudio.errors import MetricsError
from rtaudio.models.contract.card import ModelFile
from rtaudio.models.graph.fourier import FourierStages

__all__ = ["fourier_macs", "graph_macs", "macs_per_second", "weight_count"]

FRAMES = 480
"""Samples per call for counting a model without a hop."""

_GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
_COUNTED = ("Conv", "ConvTranspose", "Einsum", "Gemm", "MatMul", *_GATES)

Shape = tuple[int, ...]


def macs_per_second(file: ModelFile) -> float:
    """Return the multiply-accumulates of a model per second of audio.

    Convolutions, matrix products and recurrent layers count, and so do Fourier transforms that are
    matrix products in the graph. Additions and activations do not count.

    Raises
    ------
    MetricsError
        The graph cannot be run.

    Examples
    --------
    >>> macs_per_second(read_model("presets/models/denoise.onnx")) / 1e6   # doctest: +SKIP
    141.8177
    """
    hop = file.card.hop or FRAMES
    feeds: dict[str, Any] = {state.input_name: state.zeros() for state in file.states}
    if file.card.kind == "decoder":
        assert file.codes_shape is not None
        feeds["codes"] = np.zeros((1, *file.codes_shape), np.int64)
    else:
        feeds["audio"] = np.zeros((1, file.card.channels[0], hop), np.float32)
    if file.has_params:
        defaults = [parameter.default for parameter in file.card.parameters]
        feeds["params"] = np.array([defaults], np.float32)
    return sum(graph_macs(file.proto, feeds).values()) * file.card.rate_hz / hop


def graph_macs(proto: onnx.ModelProto, feeds: dict[str, Any]) -> Counter[str]:
    """Count the multiply-accumulates of one call, by operator.

    The graph is run once to get the sizes of its values, since not every graph lets infer them.
    Nodes that depend on no input are computed once at load, so they do not count.

    Parameters
    ----------
    proto
        A graph without control flow.
    feeds
        Name -> value of each input.

    Returns
    -------
    collections.Counter
        Operator -> multiply-accumulates. A transposed convolution includes its cut edges; a
        recurrent layer counts the two matrix products of each gate.

    Raises
    ------
    MetricsError
        The graph cannot be run.
    """
    if proto.functions:
        proto = inliner.inline_local_functions(proto)
    nodes = list(_live_nodes(proto.graph))
    shapes = _shapes(proto, nodes, feeds)
    counts: Counter[str] = Counter()
    for node in nodes:
        counts[node.op_type] += _macs(node, shapes)
    return counts


def fourier_macs(n_fft: int) -> int:
    """Return the multiply-accumulates of a transform of ``n_fft`` samples and its inverse.

    Both are computed as in `rtaudio.models.graph.fourier.FourierStages`; windows do not count.

    Examples
    --------
    >>> fourier_macs(960) < 0.2 * 4 * 960 * 481       # far below the dense matrices
    True
    """
    stages = FourierStages.of(n_fft)
    return 2 * (stages.first.size * stages.columns + stages.second.size)


def weight_count(file: ModelFile) -> int:
    """Return the number of weights: as the card states it, else all constants of the graph."""
    card = file.card
    for stated in (card.metrics.get("weights"), card.architecture.get("weights")):
        if isinstance(stated, int):
            return stated
    return sum(
        math.prod(tensor.dims)
        for tensor in file.proto.graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT
    )


def _live_nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Yield the counted nodes that depend on an input; the graph is in topological order."""
    constant = {tensor.name for tensor in graph.initializer}
    live = {value.name for value in graph.input if value.name not in constant}
    for node in graph.node:
        if live.intersection(node.input):
            live.update(node.output)
            if node.op_type in _COUNTED:
                yield node


def _shapes(
    proto: onnx.ModelProto, nodes: list[onnx.NodeProto], feeds: dict[str, Any]
) -> dict[str, Shape]:
    """Return the shapes of the inputs and the first output of ``nodes``."""
    import onnxruntime

    graph = proto.graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    shapes |= {name: np.shape(value) for name, value in feeds.items()}
    used = (name for node in nodes for name in (*node.input, _result(node)) if name)
    wanted = [name for name in dict.fromkeys(used) if name not in shapes]
    if not wanted:
        return shapes
    extended = onnx.ModelProto()
    extended.CopyFrom(proto)
    known = {value.name for value in graph.output}
    extended.graph.output.extend(onnx.ValueInfoProto(name=n) for n in wanted if n not in known)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            extended.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        found = session.run(wanted, feeds)
    except Exception as error:  # ONNX Runtime has its own exception classes
        raise MetricsError(f"the graph cannot be run: {error}") from None
    return shapes | {name: np.shape(value) for name, value in zip(wanted, found, strict=True)}


def _result(node: onnx.NodeProto) -> str:
    """Return the first output that is used; a recurrent node may have only its last state."""
    return str(next(name for name in node.output if name))


def _macs(node: onnx.NodeProto, shapes: dict[str, Shape]) -> int:
    ins = [shapes.get(name, ()) for name in node.input]
    out = math.prod(shapes[_result(node)])
    match node.op_type:
        case "Conv":
            return out * math.prod(ins[1][1:])
        case "ConvTranspose":
            return math.prod(ins[0]) * math.prod(ins[1][1:])
        case "MatMul":
            return out * ins[0][-1]
        case "Gemm":
            transposed = any(a.name == "transA" and a.i for a in node.attribute)
            return out * ins[0][0 if transposed else 1]
        case "Einsum":
            return _einsum_macs(node, ins)
    steps, batch, inputs = ins[0]
    directions, rows, hidden = ins[2]
    assert rows == _GATES[node.op_type] * hidden
    return steps * batch * directions * rows * (inputs + hidden)


def _einsum_macs(node: onnx.NodeProto, ins: list[Shape]) -> int:
    """Return the product of all axes; an ellipsis stands for the axes without a letter."""
    equation = next(a.s for a in node.attribute if a.name == "equation").decode()
    sizes: dict[str, int] = {}
    rest = 1
    for labels, shape in zip(equation.split("->")[0].split(","), ins, strict=True):
        before, dots, after = labels.replace(" ", "").partition("...")
        sizes |= zip(before, shape, strict=False)
        sizes |= zip(after, shape[len(shape) - len(after) :], strict=True)
        if dots:
            rest = max(rest, math.prod(shape[len(before) : len(shape) - len(after)]))
    return rest * math.prod(sizes.values())
