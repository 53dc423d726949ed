"""The one check of a model file against the streaming contract (:mod:`rtaudio.models.contract`)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from rtaudio.errors import ContractError
from rtaudio.models.contract.card import EXPORT_AGAIN, Card, ModelFile
from rtaudio.models.contract.half_precision import from_half
from rtaudio.models.contract.interface import RECURRENT, check_interface, check_recurrence
from rtaudio.models.contract.metadata import read_card, read_golden

__all__ = ["check_model", "read_model", "read_proto"]

MAX_FILE_BYTES = 1 << 30
_CONTROL_FLOW = {"If", "Loop", "Scan", "SequenceMap"}
_RANDOM = {
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
    "Multinomial",
    "Bernoulli",
}


def read_model(path: str | Path) -> ModelFile:
    """Read a model file and check it against the contract.

    Parameters
    ----------
    path
        The ONNX file, at most 1 GiB.

    Returns
    -------
    ModelFile
        The card, the states and the golden vector; nothing has been run.

    Raises
    ------
    ContractError
        The file breaks the contract; one line with the file, the fault and the remedy.
    FileNotFoundError
        No such file.

    Examples
    --------
    >>> from rtaudio.shipped import shipped_models
    >>> model = read_model(shipped_models()["crunch"])
    >>> model.card.rate_hz, [state.name for state in model.states]
    (48000, ['h', 'c'])
    """
    path = Path(path)
    proto, data = read_proto(path)
    return check_model(proto, path, data)


def read_proto(path: Path) -> tuple[onnx.ModelProto, bytes]:
    """Read an ONNX file of at most 1 GiB; nothing in it is checked.

    Returns
    -------
    proto, data
        The graph, and the bytes of the file.

    Raises
    ------
    ContractError
        It is not an ONNX file, or cut short, empty or larger.
    """
    size = path.stat().st_size
    if size == 0:
        raise ContractError(f"{path}: the file is empty; get it again")
    if size > MAX_FILE_BYTES:
        raise ContractError(
            f"{path}: has {size >> 20} MiB; at most 1,024 MiB are supported; get it again"
        )
    data = path.read_bytes()
    try:
        return onnx.ModelProto.FromString(data), data
    except DecodeError:
        raise ContractError(f"{path}: not an ONNX file, or cut short; get it again") from None


def check_model(proto: onnx.ModelProto, path: str | Path, data: bytes | None = None) -> ModelFile:
    """Check a graph in memory.

    Parameters
    ----------
    proto
        The graph, with metadata.
    path
        The file, for messages.
    data
        The bytes of the file; None: those of the graph. A model file has those of the graph, too,
        where the weights were of half precision.

    Raises
    ------
    ContractError
        As `read_model`.
    """
    path = Path(path)
    if not proto.graph.node or not proto.opset_import:
        raise ContractError(f"{path}: not an ONNX file, or cut short; get it again")
    card = read_card(path, proto)
    _check_tensors(path, proto)
    single = from_half(proto)
    if data is None or single is not proto:
        proto, data = single, single.SerializeToString()
    _check_nodes(path, proto, card)
    try:
        onnx.checker.check_model(proto)
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        lines = str(error).strip().splitlines() or ["unknown fault"]
        fault = f"not a valid ONNX graph: {lines[0]}"
        raise ContractError(f"{path}: {fault}; {EXPORT_AGAIN}") from None
    states, has_params, codes_shape = check_interface(path, proto.graph, card)
    check_recurrence(path, proto.graph, card)
    golden = read_golden(path, proto, card, codes_shape)
    return ModelFile(path, data, proto, card, states, golden, has_params, codes_shape)


def _walk(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """Yield all nodes, those of nested graphs included."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _walk(graph.node)


def _tensors(proto: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    yield from proto.graph.initializer
    for sparse in proto.graph.sparse_initializer:
        yield sparse.values
        yield sparse.indices
    functions = [function.node for function in proto.functions]
    for nodes in (proto.graph.node, *functions):
        for node in _walk(nodes):
            for attribute in node.attribute:
                yield from (attribute.t, *attribute.tensors)
                for graph in (attribute.g, *attribute.graphs):
                    yield from graph.initializer


def _check_tensors(path: Path, proto: onnx.ModelProto) -> None:
    for tensor in _tensors(proto):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            raise ContractError(
                f"{path}: tensor {tensor.name!r} is in another file; "
                "save the model with all its weights inside"
            )
        # A few bytes can declare a tensor of any size, so no declared size is ever allocated.
        claimed = math.prod(tensor.dims) if all(d >= 0 for d in tensor.dims) else -1
        if claimed < 0 or claimed > 8 * max(tensor.ByteSize(), 1):
            raise ContractError(
                f"{path}: tensor {tensor.name!r} has the shape {list(tensor.dims)}, "
                "which its data do not fill; get the file again"
            )


def _check_nodes(path: Path, proto: onnx.ModelProto, card: Card) -> None:
    local = {(function.domain, function.name) for function in proto.functions}
    constants = {
        t.name: onnx.numpy_helper.to_array(t)
        for t in proto.graph.initializer
        if t.data_type == onnx.TensorProto.BOOL
    }
    for inside, nodes in [(False, proto.graph.node)] + [(True, f.node) for f in proto.functions]:
        for node in _walk(nodes):
            op = node.op_type
            if (node.domain, op) in local:
                continue
            if node.domain not in ("", "ai.onnx"):
                fault = f"operator {node.domain}.{op} is not standard ONNX"
                remedy = "export with standard operators"
            elif op in _CONTROL_FLOW:
                fault = f"control flow ({op}) in the graph"
                remedy = "export the net without branches and loops"
            elif op in _RANDOM or (op == "Dropout" and _trains(node, constants)):
                fault = f"randomness ({op}) in the graph"
                remedy = "export the net in evaluation mode"
            elif op == "BatchNormalization" and _attribute(node, "training_mode", 0):
                fault = "batch statistics (BatchNormalization in training mode) in the graph"
                remedy = "export the net in evaluation mode"
            elif op in RECURRENT and inside:
                fault = f"{op} inside a function, where its state cannot be followed"
                remedy = "export with functions inlined"
            elif (
                op in RECURRENT
                and node.name not in card.across_bins
                and _attribute(node, "direction", b"forward") != b"forward"
            ):
                fault = f"{op} {node.name!r} looks ahead (direction is not forward)"
                remedy = "train a unidirectional net"
            else:
                continue
            raise ContractError(f"{path}: {fault}; {remedy}")


def _attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    found = next((a for a in node.attribute if a.name == name), None)
    return default if found is None else onnx.helper.get_attribute_value(found)


def _trains(dropout: onnx.NodeProto, constants: dict[str, NDArray[Any]]) -> bool:
    if len(dropout.input) < 3 or not dropout.input[2]:
        return False
    mode = constants.get(dropout.input[2])
    return mode is None or bool(mode.any())
