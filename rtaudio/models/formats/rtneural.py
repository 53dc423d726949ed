"""Read RTNeural and AIDA-X files (``.json``, ``.aidax``).

A file is an object with ``in_shape`` and ``layers``, each with ``type``, ``shape`` and ``weights``
in the layout of Keras: matrices are (in, out), the gates of an LSTM i, f, c, o and those of a GRU
z, r, h. AIDA-X adds ``in_skip`` (1: the input is added to the output), ``in_gain`` and ``out_gain``
in dB, ``metadata``, and a test vector ``input_batch``, ``output_batch`` from the zero state with
all knobs at 0. Inputs after the first are knobs from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rtaudio.errors import FormatError
from rtaudio.models.contract.card import GOLDEN_SAMPLES, Golden, ModelParameter
from rtaudio.models.formats.foreign_net import ForeignNet
from rtaudio.models.formats.json_file import (
    float32_list,
    float32_table,
    read_object,
    read_rate_hz,
    section,
)
from rtaudio.models.net.types import (
    LINEAR,
    MAX_RECEPTIVE_FIELD,
    Activation,
    BatchNorm,
    Conv,
    ConvLayer,
    Dense,
    Gru,
    Layer,
    Lstm,
    PRelu,
    Stack,
)
from rtaudio.runtime.decibels import from_db
from rtaudio.runtime.memory import Floats

__all__ = ["MAX_KNOBS", "read_rtneural", "rtneural_net"]

DEFAULT_RATE_HZ = 48_000
PREWARM_SAMPLES = 2048
MAX_SIZE = 4096
MAX_KNOBS = 2

_ACTIVATIONS = {
    "": LINEAR, "linear": LINEAR, "tanh": Activation("tanh"), "relu": Activation("relu"),
    "sigmoid": Activation("sigmoid"), "softmax": Activation("softmax"),
    "elu": Activation("elu", (1.0,)),
}  # fmt: skip

Table = Callable[..., Floats]
"""From the number of a layer's weight matrix, and the shape it must have, to the matrix."""


def read_rtneural(path: str | Path) -> ForeignNet:
    """Read and check an RTNeural or AIDA-X file.

    Returns
    -------
    ForeignNet
        Its format is "aida-x" if the file has anything that AIDA-X adds, else "rtneural". Its rate
        is 48,000 Hz, as in AIDA-X, if the file states none.

    Raises
    ------
    FormatError
        Not such a file, a kind of layer that cannot stream, or weights that do not have the sizes
        of the layers.
    FileNotFoundError
        No such file.

    Examples
    --------
    >>> import json, tempfile
    >>> dense = {"type": "dense", "shape": [None, None, 1], "weights": [[[0.5]], [0.0]]}
    >>> path = Path(tempfile.mkdtemp()) / "amp.json"
    >>> _ = path.write_text(json.dumps({"in_shape": [None, None, 1], "layers": [dense]}))
    >>> read_rtneural(path).format
    'rtneural'
    """
    path = Path(path)
    return rtneural_net(path, read_object(path)[0])


def rtneural_net(path: Path, document: Mapping[str, Any]) -> ForeignNet:
    """Read a net as `read_rtneural` does, from the JSON object in the file.

    Parameters
    ----------
    path
        The file, for messages.
    document
        The object.

    Raises
    ------
    FormatError
        As `read_rtneural`.
    """
    inputs = _last_size(path, "in_shape", document.get("in_shape"))
    if inputs > 1 + MAX_KNOBS:
        raise FormatError(
            f"{path}: {inputs} inputs; the audio and at most {MAX_KNOBS} knobs are supported"
        )
    layers = _layers(path, document.get("layers"), inputs)
    metadata = section(path, document, "metadata")
    extras = {key: document[key] for key in ("author", "samplerate", "esr") if key in document}
    rate = metadata.get("samplerate", document.get("samplerate"))
    net = Stack(
        tuple(layers),
        inputs,
        skip=_skip(path, document.get("in_skip")),
        in_gain=_factor(path, document, "in_gain"),
        out_gain=_factor(path, document, "out_gain"),
    )
    golden = _golden(path, document)
    is_aida = bool(metadata or golden) or any(
        key in document for key in ("in_skip", "in_gain", "out_gain")
    )
    return ForeignNet(
        path=path,
        format="aida-x" if is_aida else "rtneural",
        version="",
        rate_hz=read_rate_hz(path, rate, DEFAULT_RATE_HZ),
        net=net,
        metadata={**extras, **metadata},
        parameters=tuple(
            ModelParameter(name=f"param{number}", min=0.0, max=1.0, default=0.0)
            for number in range(1, inputs)
        ),
        prewarm_samples=PREWARM_SAMPLES,
        golden=golden,
    )


def _layers(path: Path, described: object, inputs: int) -> list[Layer]:
    """Return the layers of a mono net with ``inputs`` input channels."""
    if not isinstance(described, list) or not 0 < len(described) <= 256:
        raise FormatError(f"{path}: layers is not a list of 1 to 256 layers; get the file again")
    layers: list[Layer] = []
    size = inputs
    for place, entry in enumerate(described):
        if not isinstance(entry, dict):
            raise FormatError(f"{path}: layer {place} is not an object; get the file again")
        made, size = _layer(path, f"layer {place}", entry, size)
        layers += made
    if size != 1:
        raise FormatError(f"{path}: the net has {size} outputs; only mono is supported")
    past = sum(layer.conv.past for layer in layers if isinstance(layer, ConvLayer))
    if past > MAX_RECEPTIVE_FIELD:
        raise FormatError(
            f"{path}: looks back {past:,} samples; at most {MAX_RECEPTIVE_FIELD:,} are supported"
        )
    return layers


def _last_size(path: Path, name: str, shape: object) -> int:
    size = shape[-1] if isinstance(shape, list) and 0 < len(shape) <= 3 else None
    if type(size) is not int or not 1 <= size <= MAX_SIZE:
        raise FormatError(
            f"{path}: {name} {shape!r:.60} does not end in a size from 1 to {MAX_SIZE}; "
            "nets over time and frequency are not supported"
        )
    return size


def _skip(path: Path, value: object) -> bool:
    if value not in (None, 0, 1):
        raise FormatError(f"{path}: in_skip = {value!r:.40} is not 0 or 1; the file is damaged")
    return bool(value)


def _factor(path: Path, document: Mapping[str, Any], key: str) -> float:
    value = document.get(key)
    if value is None:
        return 1.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= 90:
        raise FormatError(
            f"{path}: {key} = {value!r:.40} is not a gain from -90 to 90 dB; the file is damaged"
        )
    return float(from_db(value))


def _golden(path: Path, document: Mapping[str, Any]) -> Golden | None:
    """Return the test vector, if there is one and it is long enough for a golden vector."""
    keys = ("input_batch", "output_batch")
    if any(document.get(key) is None for key in keys):
        return None
    before, after = (float32_list(path, key, document[key]) for key in keys)
    if before.size != after.size:
        raise FormatError(
            f"{path}: input_batch has {before.size} samples, output_batch {after.size}; "
            "the file is damaged"
        )
    if before.size < GOLDEN_SAMPLES:
        return None
    return Golden(before[None, :GOLDEN_SAMPLES], after[None, :GOLDEN_SAMPLES])


# Layers


def _layer(path: Path, name: str, entry: Mapping[str, Any], inputs: int) -> tuple[list[Layer], int]:
    """Return the layer, or layer and activation, and its number of outputs."""
    kind = entry.get("type")
    size = _last_size(path, f"{name}: shape", entry.get("shape"))
    weights = entry.get("weights", [])
    if not isinstance(weights, list):
        raise FormatError(f"{path}: {name}: weights is not a list; get the file again")

    def table(place: int, *shape: int) -> Floats:
        values = weights[place] if place < len(weights) else None
        return float32_table(path, f"{name} ({kind}), weights {place}", values, shape)

    match kind:
        case "dense" | "time-distributed-dense":
            bias = table(1, size) if len(weights) > 1 else np.zeros(size, np.float32)
            dense = Dense(_transposed(table(0, inputs, size)), bias, _activation(path, name, entry))
            return [dense], size
        case "lstm":
            return [_lstm(table, inputs, size)], size
        case "gru":
            return [_gru(table, inputs, size)], size
        case "conv1d":
            conv = _conv(path, name, entry, inputs, size, table)
            return [ConvLayer(conv, _activation(path, name, entry))], size
        case "prelu" | "batchnorm" | "activation" if size != inputs:
            raise FormatError(
                f"{path}: {name} ({kind}) turns {inputs} channels into {size}; the file is damaged"
            )
        case "prelu":
            return [_prelu(path, name, weights, size)], size
        case "batchnorm":
            return [_batch_norm(path, name, entry, size, len(weights), table)], size
        case "activation":
            return [_activation(path, name, entry)], size
    raise FormatError(
        f"{path}: {name} is of the type {kind!r:.40}; supported are dense, conv1d, lstm, gru, "
        "prelu, batchnorm and activation"
    )


def _transposed(matrix: Floats) -> Floats:
    return np.ascontiguousarray(matrix.T)


def _lstm(table: Table, inputs: int, size: int) -> Lstm:
    zeros = np.zeros(size, np.float32)
    return Lstm(
        _transposed(table(0, inputs, 4 * size)),
        _transposed(table(1, size, 4 * size)),
        table(2, 4 * size),
        zeros,
        zeros,
    )


def _gru(table: Table, inputs: int, size: int) -> Gru:
    bias = table(2, 2, 3 * size)
    return Gru(
        _torch_gates(_transposed(table(0, inputs, 3 * size))),
        _torch_gates(_transposed(table(1, size, 3 * size))),
        _torch_gates(bias[0]),
        _torch_gates(bias[1]),
    )


def _torch_gates(weights: Floats) -> Floats:
    """Reorder gates: Keras stacks z, r, h where torch stacks r, z, n."""
    z, r, n = np.split(weights, 3)
    return np.concatenate([r, z, n])


def _prelu(path: Path, name: str, weights: list[Any], size: int) -> PRelu:
    first = weights[0][0] if weights and isinstance(weights[0], list) and weights[0] else []
    slope = float32_list(path, f"{name} (prelu), weights", first)
    if slope.size not in (1, size):
        raise FormatError(
            f"{path}: {name} (prelu) has {slope.size} slopes for {size} channels; "
            "the file is damaged"
        )
    return PRelu(np.resize(slope, size))


def _activation(path: Path, name: str, entry: Mapping[str, Any]) -> Activation:
    kind = entry.get("activation") or ""
    if not isinstance(kind, str) or kind not in _ACTIVATIONS:
        raise FormatError(
            f"{path}: {name}: activation {kind!r:.40} is unknown; known are "
            f"{', '.join(filter(None, _ACTIVATIONS))}"
        )
    return _ACTIVATIONS[kind]


def _conv(
    path: Path, name: str, entry: Mapping[str, Any], inputs: int, size: int, table: Table
) -> Conv:
    def number(key: str, largest: int, default: int | None = None) -> int:
        value = entry.get(key, default)
        value = value[-1] if isinstance(value, list) and value else value
        if type(value) is not int or not 1 <= value <= largest:
            raise FormatError(
                f"{path}: {name}: {key} = {value!r:.40} is not from 1 to {largest}; only such "
                "convolutions are supported"
            )
        return value

    taps, dilation = number("kernel_size", MAX_SIZE), number("dilation", MAX_RECEPTIVE_FIELD, 1)
    groups = number("groups", MAX_SIZE, 1)
    number("strides", 1, 1)
    if inputs % groups or size % groups:
        raise FormatError(
            f"{path}: {name}: {inputs} to {size} channels cannot have {groups} groups; "
            "the file is damaged"
        )
    kernel = table(0, taps, inputs // groups, size)
    weight = np.ascontiguousarray(kernel.transpose(2, 1, 0))
    return Conv(weight, table(1, size), dilation, groups)


def _batch_norm(
    path: Path, name: str, entry: Mapping[str, Any], size: int, count: int, table: Table
) -> BatchNorm:
    """Return a batch norm of ``count`` arrays: scale, shift, mean, variance; or the last two."""
    epsilon = entry.get("epsilon")
    if isinstance(epsilon, bool) or not isinstance(epsilon, int | float) or not 0 <= epsilon < 1e9:
        raise FormatError(
            f"{path}: {name} (batchnorm): epsilon = {epsilon!r:.40} is not a number of 0 or "
            "more; the file is damaged"
        )
    if count == 4:
        scale, shift, mean, variance = (table(place, size) for place in range(4))
    else:
        mean, variance = table(0, size), table(1, size)
        scale, shift = np.ones(size, np.float32), np.zeros(size, np.float32)
    deviation = variance.astype(np.float64) + epsilon
    if not (deviation > 0).all():
        raise FormatError(
            f"{path}: {name} (batchnorm): a variance is not positive; the file is damaged"
        )
    factor = scale / np.sqrt(deviation)
    return BatchNorm(factor.astype(np.float32), (shift - factor * mean).astype(np.float32))
