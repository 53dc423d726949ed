"""The streaming contract, version 1: what a model file is, and the one check of it.

A model file is an ONNX graph that a host calls once per block. Every bit of memory is an input and
an output of the graph, so the host owns it::

    audio   [1, C_in, N]  ----+                +---->  audio_out  [1, C_out, N]
    params  [1, P]        ----+---  graph  ----+
    state.k [...]         ----+                +---->  next.k     [...]   fed back as state.k
              ^                                             |
              +---------------------------------------------+

* ``hop`` = 0: N is one dynamic axis named ``frames``, any size >= 1. ``hop`` > 0: N is fixed to it.
* An encoder has the output ``codes`` int64 [1, codebooks, F] in place of ``audio_out``, a decoder
  the input ``codes`` in place of ``audio``. Both need ``hop`` > 0. In the card the side that holds
  codes counts 0 channels.
* ``params`` float32 [1, P] is there exactly if the card declares P > 0 parameters.
* State is float32, or int64 for counters, of fixed shape, and starts at zero.
* A recurrent node takes its start from a state, unless the card says that it runs across the bins
  of a frame.
* Standard ONNX operators only; no control flow, no randomness, no data outside the file.
* Metadata ``rtaudio``: the `Card` as JSON. Metadata ``rtaudio.golden``: the `Golden` vector.

The golden vector is JSON, ``{"input": ..., "output": ..., "channels": [in, out],
"samples": 2048}``: what the model makes of 2,048 samples from the zero state with every parameter
at its default.
``input`` and ``output`` are base64 of little-endian float32, channel after channel. Where a side
holds codes, it is little-endian int64, codebook after codebook, ``channels`` counts codebooks, and
the frames are those of ``ceil(2048 / hop)`` hops; the last hop is filled up with zeros.

Any ONNX host plays such a file::

    state = {s.input_name: s.zeros() for s in model.states}
    for block in blocks:                                    # float32 [1, C_in, N]
        out, *following = session.run(["audio_out", *nexts], {"audio": block, **state})
        state = dict(zip(state, following))
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

__all__ = [
    "CONTRACT",
    "GOLDEN_SAMPLES",
    "Card",
    "ContractError",
    "Golden",
    "ModelFile",
    "ModelParameter",
    "State",
    "check_model",
    "read_model",
    "read_proto",
    "write_metadata",
]

CONTRACT = 1
GOLDEN_SAMPLES = 2048
CARD_KEY = "rtaudio"
GOLDEN_KEY = "rtaudio.golden"
FRAMES_AXIS = "frames"

MAX_FILE_BYTES = 1 << 30
MAX_STATE_ELEMENTS = 1 << 24
RESERVED = ("mix", "bypass", "interface_dbu")
"""Live parameters of every effect, and of a model played at its calibrated level."""

_EXPORT_AGAIN = "export the model again"
_CONTROL_FLOW = {"If", "Loop", "Scan", "SequenceMap"}
_RANDOM = {
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
    "Multinomial",
    "Bernoulli",
}
# Position of the start states among the inputs of each recurrent operator.
_RECURRENT = {"LSTM": (5, 6), "GRU": (5,), "RNN": (5,)}
_DTYPES: dict[str, int] = {"float32": onnx.TensorProto.FLOAT, "int64": onnx.TensorProto.INT64}
_DTYPE_NAMES = {number: name for name, number in _DTYPES.items()}


class ContractError(ValueError):
    """A model file that breaks the contract; the text names the file, the fault and the remedy."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ModelParameter(_Model):
    """One entry of ``params``: a knob of the model, in natural units (``unit`` may be empty)."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    min: float
    max: float
    default: float
    unit: str = ""

    @model_validator(mode="after")
    def _ordered(self) -> ModelParameter:
        if self.name in RESERVED:
            raise ValueError(f"{self.name}: effects have this parameter; choose another name")
        if not self.min <= self.default <= self.max or self.min == self.max:
            raise ValueError(f"{self.name}: wanted min <= default <= max and min < max")
        return self


Channels = Annotated[int, Field(ge=0, le=64)]


class Card(_Model):
    """What a model file says about itself: the JSON under the metadata key ``rtaudio``.

    ``sample_rate`` is in hertz, ``hop`` and ``latency`` are in samples at that rate (``latency``
    without the host's adaptation to its own block size). A host runs ``prewarm_samples`` of
    silence through the model before the first sound, so that it starts settled. ``levels`` holds
    decibel figures, for example ``loudness_db``, ``input_dbu`` or ``output_dbu``. ``architecture``
    is a hint: its ``type`` and sizes, by which a loader may pick a faster kernel than the graph.
    ``task`` says what the model is for, if that is not to sound like an amplifier or a pedal.
    ``across_bins`` names the recurrent nodes that run along the bins of one frame and not along
    time: they start anew with every frame, and may run both ways.
    """

    contract: Literal[1] = 1
    kind: Literal["effect", "encoder", "decoder"] = "effect"
    task: Literal["", "denoise"] = ""
    name: Annotated[str, Field(min_length=1, max_length=100)]
    description: str = ""
    sample_rate: Annotated[int, Field(ge=8000, le=384_000)]
    channels: Annotated[tuple[Channels, Channels], Field(strict=False)]
    hop: Annotated[int, Field(ge=0, le=1 << 16)]
    latency: Annotated[int, Field(ge=0, le=1 << 22)]
    parameters: Annotated[tuple[ModelParameter, ...], Field(strict=False, max_length=64)] = ()
    prewarm_samples: Annotated[int, Field(ge=0, le=1 << 21)] = 0
    levels: dict[str, float] = {}
    architecture: dict[str, Any] = {}
    across_bins: Annotated[tuple[str, ...], Field(strict=False)] = ()
    license: str
    provenance: dict[str, Any]
    metrics: dict[str, Any] = {}

    @model_validator(mode="after")
    def _consistent(self) -> Card:
        audio_in, audio_out = self.kind != "decoder", self.kind != "encoder"
        if (self.channels[0] > 0) != audio_in or (self.channels[1] > 0) != audio_out:
            raise ValueError(f"channels {list(self.channels)} do not fit the kind {self.kind!r}")
        if self.kind != "effect" and self.hop == 0:
            raise ValueError(f"the kind {self.kind!r} needs a hop > 0")
        names = [parameter.name for parameter in self.parameters]
        if len(set(names)) != len(names):
            raise ValueError("parameters: a name occurs twice")
        return self

    @property
    def esr(self) -> float | None:
        """Error-to-signal ratio on what was not trained on, if ``metrics`` state one."""
        for key in ("validation_esr", "esr_mean", "esr"):
            if isinstance(value := self.metrics.get(key), float):
                return value
        return None


class State(_Model):
    """One piece of memory: graph input ``state.<name>`` and graph output ``next.<name>``."""

    name: str
    shape: tuple[int, ...]
    dtype: Literal["float32", "int64"]

    @property
    def input_name(self) -> str:
        """Name of the graph input."""
        return f"state.{self.name}"

    @property
    def output_name(self) -> str:
        """Name of the graph output."""
        return f"next.{self.name}"

    def zeros(self) -> NDArray[Any]:
        """The start value, an array of zeros."""
        return np.zeros(self.shape, self.dtype)


@dataclass(frozen=True)
class Golden:
    """Input and output of 2,048 samples, each (channels, samples) or (codebooks, frames)."""

    input: NDArray[Any]
    output: NDArray[Any]


@dataclass(frozen=True)
class ModelFile:
    """A model file that keeps the contract.

    ``data`` are the bytes of the file as read, fit for a session; ``codes_shape`` is
    (codebooks, frames per hop) of an encoder or decoder, else None. ``sources`` are the files that
    it was made of, if it is not one of ours.
    """

    path: Path
    data: bytes
    proto: onnx.ModelProto
    card: Card
    states: tuple[State, ...]
    golden: Golden
    has_params: bool
    codes_shape: tuple[int, int] | None
    sources: tuple[Path, ...] = ()

    @property
    def golden_input(self) -> NDArray[Any]:
        """Input of the golden vector."""
        return self.golden.input

    @property
    def golden_output(self) -> NDArray[Any]:
        """Output of the golden vector."""
        return self.golden.output


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
    >>> model = read_model("presets/models/crunch.onnx")                    # doctest: +SKIP
    >>> model.card.sample_rate, [state.name for state in model.states]      # doctest: +SKIP
    (48000, ['h', 'c'])
    """
    path = Path(path)
    proto, data = read_proto(path)
    return check_model(proto, path, data)


def read_proto(path: Path) -> tuple[onnx.ModelProto, bytes]:
    """Read an ONNX file of at most 1 GiB; nothing in it has been checked.

    Raises
    ------
    ContractError
        It is no ONNX file, cut short, empty or larger.
    """
    size = path.stat().st_size
    if size == 0:
        raise ContractError(f"{path}: the file is empty; get it again")
    if size > MAX_FILE_BYTES:
        raise ContractError(f"{path}: {size >> 20} MiB; a model file has at most 1,024 MiB")
    data = path.read_bytes()
    try:
        return onnx.ModelProto.FromString(data), data
    except DecodeError:
        raise ContractError(f"{path}: not an ONNX file, or cut short; get it again") from None


def check_model(proto: onnx.ModelProto, path: str | Path, data: bytes | None = None) -> ModelFile:
    """Check a graph in memory; ``path`` is the name used in messages.

    Raises
    ------
    ContractError
        As `read_model`.
    """
    path = Path(path)
    data = proto.SerializeToString() if data is None else data
    if not proto.graph.node or not proto.opset_import:
        raise ContractError(f"{path}: not an ONNX file, or cut short; get it again")
    card = _read_card(path, proto)
    _check_tensors(path, proto)
    _check_nodes(path, proto, card)
    try:
        onnx.checker.check_model(proto)
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        lines = str(error).strip().splitlines() or ["unknown fault"]
        fault = f"not a valid ONNX graph: {lines[0]}"
        raise ContractError(f"{path}: {fault}; {_EXPORT_AGAIN}") from None
    states, has_params, codes_shape = _check_interface(path, proto.graph, card)
    _check_recurrence(path, proto.graph, card)
    golden = _read_golden(path, proto, card, codes_shape)
    return ModelFile(path, data, proto, card, states, golden, has_params, codes_shape)


def write_metadata(proto: onnx.ModelProto, card: Card, golden: Golden) -> None:
    """Store the card and the golden vector in ``proto``, in place of any it has."""
    vector = {
        "input": _encode(golden.input),
        "output": _encode(golden.output),
        "channels": [golden.input.shape[0], golden.output.shape[0]],
        "samples": GOLDEN_SAMPLES,
    }
    kept = [entry for entry in proto.metadata_props if entry.key not in (CARD_KEY, GOLDEN_KEY)]
    del proto.metadata_props[:]
    proto.metadata_props.extend(kept)
    for key, value in ((CARD_KEY, card.model_dump_json()), (GOLDEN_KEY, json.dumps(vector))):
        proto.metadata_props.add(key=key, value=value)


def _encode(values: NDArray[Any]) -> str:
    kind = "<i8" if np.issubdtype(values.dtype, np.integer) else "<f4"
    return base64.b64encode(np.ascontiguousarray(values, kind).tobytes()).decode("ascii")


def _metadata(proto: onnx.ModelProto, key: str) -> str | None:
    return next((entry.value for entry in proto.metadata_props if entry.key == key), None)


def _read_card(path: Path, proto: onnx.ModelProto) -> Card:
    text = _metadata(proto, CARD_KEY)
    if text is None:
        raise ContractError(
            f"{path}: no metadata {CARD_KEY!r}, so no model file of rtaudio; "
            "make one with `rtaudio export`, or use the importer for its format"
        )
    try:
        version = json.loads(text).get("contract")
    except (ValueError, AttributeError, RecursionError):
        raise ContractError(
            f"{path}: metadata {CARD_KEY!r} is not a JSON object; {_EXPORT_AGAIN}"
        ) from None
    if version != CONTRACT:
        raise ContractError(
            f"{path}: contract version {version!r}; this program plays version {CONTRACT}: "
            "update rtaudio or export the model again"
        )
    try:
        return Card.model_validate_json(text)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(str(part) for part in fault["loc"]) or "as a whole"
        raise ContractError(f"{path}: card, {key}: {fault['msg']}; {_EXPORT_AGAIN}") from None


def _walk(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """All nodes, those of nested graphs included."""
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
                f"{path}: tensor {tensor.name!r} lies in another file; "
                "save the model with all its weights inside"
            )
        # A few bytes can declare a tensor of any size; nothing may be allocated from such a claim.
        claimed = math.prod(tensor.dims) if all(d >= 0 for d in tensor.dims) else -1
        if claimed < 0 or claimed > 8 * max(tensor.ByteSize(), 1):
            raise ContractError(
                f"{path}: tensor {tensor.name!r} claims the shape {list(tensor.dims)}, "
                f"which its data do not fill; get the file again"
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
            elif op in _RECURRENT and inside:
                fault = f"{op} inside a function, where its state cannot be followed"
                remedy = "export with functions inlined"
            elif (
                op in _RECURRENT
                and node.name not in card.across_bins
                and _attribute(node, "direction", b"forward") != b"forward"
            ):
                fault = f"{op} {node.name!r} looks ahead (direction is not forward)"
                remedy = "train a one-directional net"
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


def _check_interface(
    path: Path, graph: onnx.GraphProto, card: Card
) -> tuple[tuple[State, ...], bool, tuple[int, int] | None]:
    inputs = {value.name: value for value in graph.input}
    outputs = {value.name: value for value in graph.output}
    source = "codes" if card.kind == "decoder" else "audio"
    sink = "codes" if card.kind == "encoder" else "audio_out"
    for name, values, side in ((source, inputs, "input"), (sink, outputs, "output")):
        if name not in values:
            raise ContractError(f"{path}: no graph {side} {name!r}; {_EXPORT_AGAIN}")

    codes_shape = None
    for name, value, channels in (
        (source, inputs[source], card.channels[0]),
        (sink, outputs[sink], card.channels[1]),
    ):
        if name == "codes":
            codes_shape = _check_codes(path, value)
        else:
            _check_audio(path, value, channels, card.hop)

    has_params = "params" in inputs
    if has_params != bool(card.parameters):
        raise ContractError(
            f"{path}: the card has {len(card.parameters)} parameters, but the graph has "
            f"{'an' if has_params else 'no'} input 'params'; {_EXPORT_AGAIN}"
        )
    if has_params:
        dtype, shape = _typed(inputs["params"])
        if dtype != "float32" or shape != [1, len(card.parameters)]:
            raise ContractError(
                f"{path}: input 'params' is {dtype} {shape}, not float32 "
                f"{[1, len(card.parameters)]}, which the card's parameters ask for; {_EXPORT_AGAIN}"
            )
    states = tuple(
        _check_state(path, value, outputs)
        for name, value in inputs.items()
        if name.startswith("state.")
    )
    total = sum(math.prod(state.shape) for state in states)
    if total > MAX_STATE_ELEMENTS:
        raise ContractError(
            f"{path}: {total:,} numbers of state; at most {MAX_STATE_ELEMENTS:,} are played"
        )
    known_in = {source, "params", *(state.input_name for state in states)}
    known_out = {sink, *(state.output_name for state in states)}
    sides = ((graph.input, known_in, "input"), (graph.output, known_out, "output"))
    for values, known, side in sides:
        names = [value.name for value in values]
        for name in names:
            if name not in known or names.count(name) > 1:
                raise ContractError(
                    f"{path}: graph {side} {name!r} is not in the contract; "
                    "only audio, params and state.k go in, audio_out (or codes) and next.k come out"
                )
    return states, has_params, codes_shape


def _typed(value: onnx.ValueInfoProto) -> tuple[str, list[int | str]]:
    """Type name and shape; a free axis is its name, an undeclared one is '?'."""
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
        fault = f"has the length {shape[2]!r}, the card's hop {hop} asks for {wanted[2]!r}"
    else:
        fault = f"is {dtype} {shape}, not float32 {wanted}"
    raise ContractError(f"{path}: {value.name!r} {fault}; {_EXPORT_AGAIN}")


def _check_codes(path: Path, value: onnx.ValueInfoProto) -> tuple[int, int]:
    dtype, shape = _typed(value)
    match shape:
        case [1, int(books), int(frames)] if (
            dtype == "int64" and 0 < books <= 64 and (0 < frames <= 4096)
        ):
            return books, frames
    raise ContractError(
        f"{path}: 'codes' is {dtype} {shape}, not int64 [1, codebooks, frames] of fixed size; "
        f"{_EXPORT_AGAIN}"
    )


def _check_state(
    path: Path, value: onnx.ValueInfoProto, outputs: dict[str, onnx.ValueInfoProto]
) -> State:
    dtype, shape = _typed(value)
    fixed = [axis for axis in shape if isinstance(axis, int) and axis > 0]
    if not value.name[len("state.") :] or len(fixed) != len(shape):
        raise ContractError(
            f"{path}: {value.name!r} has the shape {shape}; state needs a name and a fixed shape; "
            f"{_EXPORT_AGAIN}"
        )
    if dtype not in _DTYPES:
        raise ContractError(
            f"{path}: {value.name!r} is {dtype}; state is float32, or int64 for counters; "
            f"{_EXPORT_AGAIN}"
        )
    state = State(name=value.name[len("state.") :], shape=tuple(fixed), dtype=dtype)  # type: ignore[arg-type]
    following = outputs.get(state.output_name)
    if following is None:
        raise ContractError(
            f"{path}: input {value.name!r} has no output {state.output_name!r}, so the state would "
            f"be lost between blocks; {_EXPORT_AGAIN}"
        )
    if _typed(following) != (dtype, shape):
        found = _typed(following)
        raise ContractError(
            f"{path}: {state.output_name!r} is {found[0]} {found[1]}, but {value.name!r} is "
            f"{dtype} {shape}; they must be equal; {_EXPORT_AGAIN}"
        )
    return state


def _check_recurrence(path: Path, graph: onnx.GraphProto, card: Card) -> None:
    """Refuse a recurrent node that starts every block anew: it plays, and clicks at each block."""
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
        for place in _RECURRENT.get(node.op_type, ()):
            start = node.input[place] if len(node.input) > place else ""
            if not comes_from_state(start):
                raise ContractError(
                    f"{path}: {node.op_type} {node.name!r} takes its start state from no input "
                    "state.k, so it forgets everything between blocks; export it with its state "
                    "as input and output"
                )


def _read_golden(
    path: Path, proto: onnx.ModelProto, card: Card, codes_shape: tuple[int, int] | None
) -> Golden:
    text = _metadata(proto, GOLDEN_KEY)
    if text is None:
        raise ContractError(f"{path}: no golden vector ({GOLDEN_KEY!r}); {_EXPORT_AGAIN}")

    def refuse(fault: str) -> ContractError:
        return ContractError(f"{path}: golden vector {fault}; {_EXPORT_AGAIN}")

    try:
        vector = json.loads(text)
    except (ValueError, RecursionError):
        raise refuse("is not JSON") from None
    if not isinstance(vector, dict) or set(vector) != {"input", "output", "channels", "samples"}:
        raise refuse("needs exactly the keys input, output, channels and samples")
    if vector["samples"] != GOLDEN_SAMPLES:
        raise refuse(f"has {vector['samples']!r} samples, not {GOLDEN_SAMPLES}")

    sides = []
    for key, channels in (("input", card.channels[0]), ("output", card.channels[1])):
        if channels == 0 and codes_shape is not None:
            shape = (codes_shape[0], codes_shape[1] * -(-GOLDEN_SAMPLES // card.hop))
            kind = "<i8"
        else:
            shape, kind = (channels, GOLDEN_SAMPLES), "<f4"
        try:
            raw = base64.b64decode(vector[key], validate=True)
        except (TypeError, ValueError, binascii.Error):
            raise refuse(f"{key} is not base64") from None
        if len(raw) != math.prod(shape) * np.dtype(kind).itemsize:
            raise refuse(f"{key} has {len(raw)} bytes, not those of the shape {list(shape)}")
        values = np.frombuffer(raw, kind).reshape(shape)
        if not np.isfinite(values).all():
            raise refuse(f"{key} holds NaN or infinity")
        sides.append(values.astype(kind[1:], copy=False))
    if vector["channels"] != [sides[0].shape[0], sides[1].shape[0]]:
        raise refuse(
            f"says {vector['channels']!r} channels, the model has "
            f"{[sides[0].shape[0], sides[1].shape[0]]}"
        )
    return Golden(*sides)
