"""The interface of a model file's graph: inputs, outputs and state, checked against the card."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, cast

import onnx

from rtaudio.errors import ContractError
from rtaudio.models.contract.card import EXPORT_AGAIN, FRAMES_AXIS, Card, State

MAX_STATE_ELEMENTS = 1 << 24
RECURRENT = {"LSTM": (5, 6), "GRU": (5,), "RNN": (5,)}
"""Recurrent operator -> places of its start states among its inputs."""

_DTYPES: dict[str, int] = {"float32": onnx.TensorProto.FLOAT, "int64": onnx.TensorProto.INT64}
_DTYPE_NAMES = {number: name for name, number in _DTYPES.items()}

Values = Mapping[str, onnx.ValueInfoProto]


def check_interface(
    path: Path, graph: onnx.GraphProto, card: Card
) -> tuple[tuple[State, ...], bool, tuple[int, int] | None]:
    """Check inputs and outputs of a graph against its card.

    Parameters
    ----------
    path
        The file, for messages.
    graph
        The graph.
    card
        Its card.

    Returns
    -------
    states, has_params, codes_shape
        The states in the order of the inputs; whether there is an input ``params``; and
        (codebooks, frames per hop) of an encoder or decoder, else None.

    Raises
    ------
    ContractError
        They do not fit.
    """
    inputs = {value.name: value for value in graph.input}
    outputs = {value.name: value for value in graph.output}
    source = "codes" if card.kind == "decoder" else "audio"
    sink = "codes" if card.kind == "encoder" else "audio_out"
    for name, values, side in ((source, inputs, "input"), (sink, outputs, "output")):
        if name not in values:
            raise ContractError(f"{path}: no graph {side} {name!r}; {EXPORT_AGAIN}")

    codes_shape = None
    for name, value, channels in (
        (source, inputs[source], card.channels[0]),
        (sink, outputs[sink], card.channels[1]),
    ):
        if name == "codes":
            codes_shape = _check_codes(path, value)
        else:
            _check_audio(path, value, channels, card.hop)

    has_params = _check_params(path, inputs, card)
    states = _check_states(path, inputs, outputs)
    known_in = {source, "params", *(state.input_name for state in states)}
    known_out = {sink, *(state.output_name for state in states)}
    _check_names(path, graph.input, known_in, "input")
    _check_names(path, graph.output, known_out, "output")
    return states, has_params, codes_shape


def _check_params(path: Path, inputs: Values, card: Card) -> bool:
    """Check the input ``params``; returns whether there is one."""
    has_params = "params" in inputs
    if has_params != bool(card.parameters):
        raise ContractError(
            f"{path}: the card has {len(card.parameters)} parameters, but the graph has "
            f"{'an' if has_params else 'no'} input 'params'; {EXPORT_AGAIN}"
        )
    if has_params:
        dtype, shape = _typed(inputs["params"])
        if dtype != "float32" or shape != [1, len(card.parameters)]:
            raise ContractError(
                f"{path}: input 'params' is {dtype} {shape}, not float32 "
                f"{[1, len(card.parameters)]} as the card's parameters need; {EXPORT_AGAIN}"
            )
    return has_params


def _check_states(path: Path, inputs: Values, outputs: Values) -> tuple[State, ...]:
    states = tuple(
        _check_state(path, value, outputs)
        for name, value in inputs.items()
        if name.startswith("state.")
    )
    total = sum(math.prod(state.shape) for state in states)
    if total > MAX_STATE_ELEMENTS:
        raise ContractError(
            f"{path}: {total:,} numbers of state; at most {MAX_STATE_ELEMENTS:,} are supported: "
            "train a smaller net"
        )
    return states


def _check_names(
    path: Path, values: Sequence[onnx.ValueInfoProto], known: set[str], side: str
) -> None:
    """Refuse an input or output that is unknown, or occurs twice."""
    names = [value.name for value in values]
    for name in names:
        if name not in known or names.count(name) > 1:
            raise ContractError(
                f"{path}: graph {side} {name!r} is not in the contract; "
                "only audio, params and state.k go in, audio_out (or codes) and next.k come out"
            )


def _typed(value: onnx.ValueInfoProto) -> tuple[str, list[int | str]]:
    """Return type name and shape; a dynamic axis is its name, an undeclared one is '?'."""
    tensor = value.type.tensor_type
    dtype = _DTYPE_NAMES.get(tensor.elem_type)
    if dtype is None:
        known = tensor.elem_type in onnx.TensorProto.DataType.values()
        dtype = onnx.TensorProto.DataType.Name(tensor.elem_type).lower() if known else "unknown"
    shape: list[int | str] = [
        axis.dim_value if axis.HasField("dim_value") else axis.dim_param or "?"
        for axis in tensor.shape.dim
    ]
    return dtype, shape


def _check_audio(path: Path, value: onnx.ValueInfoProto, channels: int, hop: int) -> None:
    dtype, shape = _typed(value)
    wanted: list[int | str] = [1, channels, hop or FRAMES_AXIS]
    if dtype == "float32" and shape == wanted:
        return
    if len(shape) == 3 and shape[1] != channels:
        fault = f"has {shape[1]} channels, the card says {channels}"
    elif len(shape) == 3 and shape[2] != wanted[2]:
        fault = f"has the length {shape[2]!r}, the card's hop {hop} needs {wanted[2]!r}"
    else:
        fault = f"is {dtype} {shape}, not float32 {wanted}"
    raise ContractError(f"{path}: {value.name!r} {fault}; {EXPORT_AGAIN}")


def _check_codes(path: Path, value: onnx.ValueInfoProto) -> tuple[int, int]:
    dtype, shape = _typed(value)
    match shape:
        case [1, int(books), int(frames)] if (
            dtype == "int64" and 0 < books <= 64 and (0 < frames <= 4096)
        ):
            return books, frames
    raise ContractError(
        f"{path}: 'codes' is {dtype} {shape}, not int64 [1, codebooks, frames] of fixed size; "
        f"{EXPORT_AGAIN}"
    )


def _check_state(path: Path, value: onnx.ValueInfoProto, outputs: Values) -> State:
    dtype, shape = _typed(value)
    fixed = [axis for axis in shape if isinstance(axis, int) and axis > 0]
    if not value.name[len("state.") :] or len(fixed) != len(shape):
        raise ContractError(
            f"{path}: {value.name!r} has the shape {shape}; state needs a name and a fixed shape; "
            f"{EXPORT_AGAIN}"
        )
    if dtype not in _DTYPES:
        raise ContractError(
            f"{path}: {value.name!r} is {dtype}; state is float32, or int64 for counters; "
            f"{EXPORT_AGAIN}"
        )
    state = State(
        name=value.name[len("state.") :],
        shape=tuple(fixed),
        dtype=cast(Literal["float32", "int64"], dtype),
    )
    following = outputs.get(state.output_name)
    if following is None:
        raise ContractError(
            f"{path}: input {value.name!r} has no output {state.output_name!r}, so the state would "
            f"be lost between blocks; {EXPORT_AGAIN}"
        )
    if _typed(following) != (dtype, shape):
        found = _typed(following)
        raise ContractError(
            f"{path}: {state.output_name!r} is {found[0]} {found[1]}, but {value.name!r} is "
            f"{dtype} {shape}; they must be equal; {EXPORT_AGAIN}"
        )
    return state


def check_recurrence(path: Path, graph: onnx.GraphProto, card: Card) -> None:
    """Refuse a recurrent node that starts anew with every block, which clicks at each block.

    Parameters
    ----------
    path
        The file, for messages.
    graph
        The graph.
    card
        Its card, which names the nodes that run across the bins of a frame.

    Raises
    ------
    ContractError
        There is such a node.
    """
    maker = {name: node for node in graph.node for name in node.output}

    def comes_from_state(name: str) -> bool:
        seen: set[str] = set()
        todo = [name]
        while todo:
            current = todo.pop()
            if current.startswith("state."):
                return True
            if current not in seen and current in maker:
                seen.add(current)
                todo.extend(maker[current].input)
        return False

    for node in graph.node:
        if node.name in card.across_bins:
            continue
        for place in RECURRENT.get(node.op_type, ()):
            start = node.input[place] if len(node.input) > place else ""
            if not comes_from_state(start):
                raise ContractError(
                    f"{path}: {node.op_type} {node.name!r} takes its start state from no input "
                    "state.k, so it forgets everything between blocks; export it with its state "
                    "as input and output"
                )
