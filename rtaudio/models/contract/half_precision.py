"""Weights of half precision: half as large a file, and the same model once it is read."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

__all__ = ["LEAST_WEIGHTS", "from_half", "to_half"]

LEAST_WEIGHTS = 1024
"""Smaller tensors are not worth a node more."""
SUFFIX = ".half"


def to_half(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model that stores in half precision what this loses nothing of.

    Each such tensor is cast back to single precision by a node of the graph, so other players read
    the file as it is.

    Parameters
    ----------
    proto
        The model; it stays as it is.

    Examples
    --------
    >>> from rtaudio.models.contract.check import read_model
    >>> from rtaudio.shipped import shipped_separators
    >>> proto = read_model(shipped_separators()["separate"]).proto
    >>> half = to_half(proto)
    >>> half.ByteSize() < proto.ByteSize() - 500_000, from_half(half) == proto
    (True, True)
    """
    half = onnx.ModelProto()
    half.CopyFrom(proto)
    casts = []
    for tensor in half.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            short = values.astype(np.float16)
        if values.size >= LEAST_WEIGHTS and np.array_equal(short.astype(np.float32), values):
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(short, name + SUFFIX))
            casts.append(onnx.helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *half.graph.node]
    del half.graph.node[:]
    half.graph.node.extend(nodes)
    return half


def from_half(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model whose weights have single precision again.

    The tensors become what engines share between streams and what native kernels take their
    weights from; a cast in the graph would give each stream a copy of its own.

    Parameters
    ----------
    proto
        The model, whose tensors fill their shapes; it is returned if it has none of half precision.
    """
    short = {t.name for t in proto.graph.initializer if t.data_type == TensorProto.FLOAT16}
    uses = Counter(name for node in proto.graph.node for name in node.input)
    casts = {
        node.input[0]: node.output[0]
        for node in proto.graph.node
        if _is_cast_to_single(node) and node.input[0] in short and uses[node.input[0]] == 1
    }
    if not casts:
        return proto
    single = onnx.ModelProto()
    single.CopyFrom(proto)
    for tensor in single.graph.initializer:
        if tensor.name in casts:
            values = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, casts[tensor.name]))
    nodes = [n for n in single.graph.node if not (_is_cast_to_single(n) and n.input[0] in casts)]
    del single.graph.node[:]
    single.graph.node.extend(nodes)
    return single


def _is_cast_to_single(node: onnx.NodeProto) -> bool:
    return (
        node.op_type == "Cast"
        and len(node.input) == len(node.output) == 1
        and any(a.name == "to" and a.i == TensorProto.FLOAT for a in node.attribute)
    )
