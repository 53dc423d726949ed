"""Read ``.nam`` amp captures (Neural Amp Modeler): plain data, checked, without a network library.

A capture is JSON text: ``version``, ``architecture``, ``config``, ``weights`` (one flat list of
floats) and, optionally, ``sample_rate`` and ``metadata``. Two kinds of net are read here:

``WaveNet`` (the "A1" form)
    Arrays of dilated convolution layers. For one array, with ``x`` the raw input (the condition),
    ``y`` the signal handed on and ``head`` the sum that becomes the output::

        y = rechannel(y)                       1x1, no bias
        for each layer:
            z     = tanh(conv(y) + mixer(x))   conv: kernel taps, dilated, causal
            head += z
            y    += layer1x1(z)
        head = head_rechannel(head)            goes on to the next array, or to the output

``LSTM``
    Stacked layers with the gates in the order i, f, g, o, a start state, and a linear head.

Everything newer (gated, bottleneck, FiLM, slimmable, A2 containers) is refused by name.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

__all__ = ["LstmLayer", "LstmNet", "NamCapture", "NamError", "WaveNet", "WaveNetArray",
           "WaveNetLayer", "read_nam"]

Floats = NDArray[np.float32]

MAX_BYTES = 64 << 20
DEFAULT_RATE = 48_000


class NamError(ValueError):
    """A ``.nam`` file that cannot be read; the text names the file, the fault and the remedy."""


@dataclass(frozen=True)
class WaveNetLayer:
    """One dilated layer.

    Shapes: ``conv_weight`` (channels, channels, taps; the last tap is the newest sample),
    ``conv_bias`` (channels,), ``mixer`` (channels, 1), ``out_weight`` (channels, channels),
    ``out_bias`` (channels,). ``dilation`` is in samples.
    """

    conv_weight: Floats
    conv_bias: Floats
    mixer: Floats
    out_weight: Floats
    out_bias: Floats
    dilation: int


@dataclass(frozen=True)
class WaveNetArray:
    """A stack of layers; ``rechannel`` (channels, in), ``head_weight`` (head, channels)."""

    rechannel: Floats
    layers: tuple[WaveNetLayer, ...]
    head_weight: Floats
    head_bias: Floats | None
    activation: str


@dataclass(frozen=True)
class WaveNet:
    """A whole WaveNet; the output is ``head_scale`` times the head of the last array."""

    arrays: tuple[WaveNetArray, ...]
    head_scale: float

    @property
    def receptive_field(self) -> int:
        """Samples of input that one output sample depends on, itself included."""
        return 1 + sum(
            (layer.conv_weight.shape[2] - 1) * layer.dilation
            for array in self.arrays
            for layer in array.layers
        )


@dataclass(frozen=True)
class LstmLayer:
    """One layer; ``weight`` (4H, in + H), ``bias`` (4H,), start ``hidden`` and ``cell`` (H,)."""

    weight: Floats
    bias: Floats
    hidden: Floats
    cell: Floats


@dataclass(frozen=True)
class LstmNet:
    """Stacked LSTM layers, then ``head_weight`` (H,) and ``head_bias``; no residual."""

    layers: tuple[LstmLayer, ...]
    head_weight: Floats
    head_bias: float


@dataclass(frozen=True)
class NamCapture:
    """A capture: the net, its rate in hertz, and what the file says about itself."""

    path: Path
    version: str
    sample_rate: int
    metadata: Mapping[str, Any]
    net: WaveNet | LstmNet


Size = Annotated[int, Field(ge=1, le=4096)]


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _ArrayConfig(_Config):
    input_size: Size
    condition_size: Literal[1]
    head_size: Size
    channels: Size
    kernel_size: Size
    dilations: Annotated[list[Annotated[int, Field(ge=1, le=1 << 20)]], Field(min_length=1)]
    activation: Literal["Tanh", "ReLU"]
    gated: Literal[False] = False
    head_bias: bool


class _WaveNetConfig(_Config):
    layers: Annotated[list[_ArrayConfig], Field(min_length=1)]
    head: None = None
    head_scale: float


class _LstmConfig(_Config):
    input_size: Literal[1]
    hidden_size: Size
    num_layers: Annotated[int, Field(ge=1, le=16)]


def read_nam(path: str | Path) -> NamCapture:
    """Read and check a ``.nam`` capture.

    Parameters
    ----------
    path
        The file. WaveNet (A1) and LSTM captures of file versions 0.5 to 0.7 are read.

    Returns
    -------
    NamCapture
        The net as arrays of float32. A file without a rate is a 48,000 Hz one, by convention.

    Raises
    ------
    NamError
        Not a ``.nam`` file, a net of another kind, a weight list that does not fit the sizes in
        the file, or a weight that is not a finite number.
    FileNotFoundError
        No such file.

    Examples
    --------
    >>> capture = read_nam("ac10.nam")                                      # doctest: +SKIP
    >>> capture.net.receptive_field                                         # doctest: +SKIP
    4093
    """
    path = Path(path)
    document = _load(path)
    version = document.get("version")
    if not isinstance(version, str) or version.split(".")[:2] not in (
        ["0", "5"], ["0", "6"], ["0", "7"],
    ):
        raise NamError(f"{path}: file version {version!r} is unknown; versions 0.5 to 0.7 are read")
    architecture = document.get("architecture")
    readers: dict[Any, tuple[type[BaseModel], Callable[[Any, _Weights], WaveNet | LstmNet]]] = {
        "WaveNet": (_WaveNetConfig, _read_wavenet), "LSTM": (_LstmConfig, _read_lstm),
    }
    if not isinstance(architecture, str) or architecture not in readers:
        raise NamError(
            f"{path}: a {architecture!r} net is not supported; use a WaveNet (A1) or LSTM capture"
        )
    form, build = readers[architecture]
    try:
        config = form.model_validate(document.get("config"))
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in ("config", *fault["loc"]))
        raise NamError(
            f"{path}: {where}: {fault['msg']}; only plain WaveNet (A1) and LSTM captures are read"
        ) from None
    weights = _Weights(path, document.get("weights"))
    net = build(config, weights)
    weights.finish()
    return NamCapture(path, version, _rate(path, document), _metadata(path, document), net)


def _load(path: Path) -> dict[str, Any]:
    if path.stat().st_size > MAX_BYTES:
        raise NamError(f"{path}: larger than {MAX_BYTES >> 20} MiB; this is no amp capture")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise NamError(f"{path}: not JSON text, so no .nam capture; get the file again") from None
    if not isinstance(document, dict):
        raise NamError(f"{path}: holds no JSON object, so no .nam capture; get the file again")
    return document


def _rate(path: Path, document: Mapping[str, Any]) -> int:
    rate = document.get("sample_rate")
    if rate is None:
        return DEFAULT_RATE
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 8e3 <= rate <= 384e3:
        raise NamError(f"{path}: sample_rate {rate!r} is not a rate from 8,000 to 384,000 Hz")
    return round(rate)


def _metadata(path: Path, document: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = document.get("metadata")
    if metadata is None:
        return {}
    if not isinstance(metadata, dict):
        raise NamError(f"{path}: metadata is not an object; get the file again")
    return metadata


class _Weights:
    """A cursor over the flat list; checks every bit before anything is allocated from a size."""

    def __init__(self, path: Path, values: object) -> None:
        if not isinstance(values, list) or not all(
            isinstance(v, int | float) and not isinstance(v, bool) for v in values
        ):
            raise NamError(f"{path}: weights is not a list of numbers; get the file again")
        # Compared as Python numbers: a huge integer does not fit any float at all.
        limit = float(np.finfo(np.float32).max)
        bad = [v for v in values if not (math.isfinite(v) if isinstance(v, float) else True)
               or abs(v) > limit]
        if bad:
            place = values.index(bad[0])
            raise NamError(f"{path}: weight {place} is not a finite float32; export it again")
        self.path = path
        self.values = np.asarray(values, dtype=np.float32)
        self.position = 0

    def take(self, *shape: int) -> Floats:
        end = self.position + math.prod(shape)
        if end > self.values.size:
            raise NamError(
                f"{self.path}: {self.values.size} weights are too few for the config "
                f"(at least {end} wanted); the file is damaged or of a newer kind"
            )
        taken = self.values[self.position : end].reshape(shape)
        self.position = end
        return taken

    def finish(self) -> None:
        if self.position != self.values.size:
            raise NamError(
                f"{self.path}: {self.values.size} weights do not fit the config "
                f"({self.position} wanted); the file is damaged or of a newer kind"
            )


def _read_wavenet(config: _WaveNetConfig, weights: _Weights) -> WaveNet:
    arrays: list[WaveNetArray] = []
    given, head = 1, None
    for array in config.layers:
        if array.input_size != given or head not in (None, array.channels):
            raise NamError(
                f"{weights.path}: the layer arrays do not fit together "
                f"(input_size {array.input_size} and channels {array.channels} after "
                f"channels {given} and head_size {head}); the file is damaged"
            )
        rows = array.channels
        rechannel = weights.take(rows, array.input_size)
        layers = tuple(
            WaveNetLayer(
                conv_weight=weights.take(rows, rows, array.kernel_size),
                conv_bias=weights.take(rows),
                mixer=weights.take(rows, 1),
                out_weight=weights.take(rows, rows),
                out_bias=weights.take(rows),
                dilation=dilation,
            )
            for dilation in array.dilations
        )
        head_weight = weights.take(array.head_size, rows)
        head_bias = weights.take(array.head_size) if array.head_bias else None
        arrays.append(WaveNetArray(rechannel, layers, head_weight, head_bias, array.activation))
        given, head = rows, array.head_size
    if head != 1:
        raise NamError(f"{weights.path}: the last head_size is {head}; only mono captures are read")
    # The scale at the end of the list, not the one in the config, is what players apply.
    return WaveNet(tuple(arrays), float(weights.take(1)[0]))


def _read_lstm(config: _LstmConfig, weights: _Weights) -> LstmNet:
    size = config.hidden_size
    layers = tuple(
        LstmLayer(
            weight=weights.take(4 * size, (config.input_size if index == 0 else size) + size),
            bias=weights.take(4 * size),
            hidden=weights.take(size),
            cell=weights.take(size),
        )
        for index in range(config.num_layers)
    )
    return LstmNet(layers, weights.take(size), float(weights.take(1)[0]))
