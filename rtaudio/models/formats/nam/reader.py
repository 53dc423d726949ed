"""From a ``.nam`` file to its net."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rtaudio.models.formats.foreign_net import ForeignNet
from rtaudio.models.formats.json_file import read_object, read_rate_hz, section
from rtaudio.models.formats.nam.document import Document
from rtaudio.models.formats.nam.schema import (
    ContainerConfig,
    ConvNetConfig,
    LinearConfig,
    LstmConfig,
    WaveNetConfig,
)
from rtaudio.models.formats.nam.wavenet import out_channels, read_activation, read_wavenet
from rtaudio.models.formats.nam.weights import Weights
from rtaudio.models.net.types import (
    BatchNorm,
    Conv,
    ConvLayer,
    Dense,
    Layer,
    Lstm,
    Net,
    Stack,
    WaveNet,
)

__all__ = ["nam_net", "read_nam"]

DEFAULT_RATE_HZ = 48_000
LSTM_PREWARM_S = 0.5
MAX_DEPTH = 5
"""Nets inside nets: conditions of conditions."""

_LEVELS = {
    "loudness": "loudness_db",
    "input_level_dbu": "input_dbu",
    "output_level_dbu": "output_dbu",
}
"""Key in the metadata -> key of `ForeignNet.levels`."""


def read_nam(path: str | Path, *, slim: float = 1.0) -> ForeignNet:
    """Read and check a ``.nam`` file.

    Parameters
    ----------
    path
        The file.
    slim
        Which size to take from a file that holds several: 0 is the smallest, 1 the whole.

    Returns
    -------
    ForeignNet
        The net as arrays of float32. Its rate is 48,000 Hz, as the format has it, if the file
        states none.

    Raises
    ------
    FormatError
        Not a ``.nam`` file, one of a newer version, a net of another kind, a weight list that does
        not fit the sizes in the file, or a weight that is not a finite number.
    FileNotFoundError
        No such file.

    Examples
    --------
    >>> import json, tempfile
    >>> content = {"version": "0.5.4", "architecture": "Linear", "weights": [0.5, 1.0],
    ...            "config": {"receptive_field": 2, "bias": False}}
    >>> path = Path(tempfile.mkdtemp()) / "amp.nam"
    >>> _ = path.write_text(json.dumps(content))
    >>> read_nam(path).net.layers[0].conv.weight
    array([[[1. , 0.5]]], dtype=float32)
    """
    path = Path(path)
    return nam_net(path, read_object(path)[0], slim=slim)


def nam_net(path: Path, content: Mapping[str, Any], *, slim: float = 1.0) -> ForeignNet:
    """Read a net as `read_nam` does, from the JSON object in the file.

    Parameters
    ----------
    path
        The file, for messages.
    content
        The object.
    slim
        As for `read_nam`.

    Raises
    ------
    FormatError
        As `read_nam`.
    """
    return _read(Document(path, content), slim)


def _read(document: Document, slim: float) -> ForeignNet:
    content = document.content
    version = document.version()
    rate_hz = read_rate_hz(document.path, content.get("sample_rate"), DEFAULT_RATE_HZ)
    metadata = section(document.path, content, "metadata")
    architecture = content.get("architecture")
    if architecture == "SlimmableContainer":
        return _container(document, slim)
    if architecture not in ("WaveNet", "LSTM", "ConvNet", "Linear"):
        raise document.fault(
            f"architecture {architecture!r:.40} is not supported; Linear, ConvNet, LSTM, WaveNet "
            "and SlimmableContainer are"
        )
    weights = Weights(document)
    net: Net
    steps: tuple[float, ...] = ()
    match architecture:
        case "WaveNet":
            config = document.config(WaveNetConfig)
            condition = _condition(document, config, rate_hz)
            net, steps = read_wavenet(document, config, weights, condition, slim)
        case "LSTM":
            net = _lstm(document, weights)
        case "ConvNet":
            net = _convnet(document, weights)
        case _:
            net = _linear(document, weights)
    if document.depth == 0:
        _check_mono(document, net)
    return ForeignNet(
        path=document.path,
        format="nam",
        version=version,
        rate_hz=rate_hz,
        net=net,
        metadata=metadata,
        prewarm_samples=_prewarm_samples(net, rate_hz),
        levels=_levels(document, metadata),
        slim_steps=steps,
        warnings=tuple(document.warnings),
    )


def _check_mono(document: Document, net: Net) -> None:
    if isinstance(net, WaveNet) and (channels := out_channels(net)) != 1:
        raise document.fault(f"the net has {channels} output channels; only mono is supported")


def _prewarm_samples(net: Net, rate_hz: int) -> int:
    if isinstance(net, WaveNet):
        return net.receptive_field
    if any(isinstance(layer, Lstm) for layer in net.layers):
        return round(LSTM_PREWARM_S * rate_hz)
    return sum(layer.conv.past for layer in net.layers if isinstance(layer, ConvLayer))


_MOST_DB = 200.0


def _levels(document: Document, metadata: Mapping[str, Any]) -> dict[str, float]:
    found = {}
    for key, name in _LEVELS.items():
        value = metadata.get(key)
        if value is None:
            continue
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and abs(value) <= _MOST_DB:
            found[name] = float(value)
        else:
            document.warn(f"metadata.{key} = {value!r:.40} is no level in dB and was ignored")
    return found


# The architectures


def _container(document: Document, slim: float) -> ForeignNet:
    if document.depth:
        raise document.fault("a SlimmableContainer inside another; export it again")
    submodels = document.config(ContainerConfig).submodels
    limits = [submodel.max_value for submodel in submodels]
    if sorted(set(limits)) != limits or limits[-1] < 1:
        raise document.fault(
            f"the max_value of the container's sizes is {limits}, which does not rise to 1; "
            "the file is damaged"
        )
    outer = section(document.path, document.content, "metadata")
    # All sizes are read, so that a damaged one is found whichever is selected.
    sizes = [_read(document.inner(submodel.model), 1.0) for submodel in submodels]
    if len({size.rate_hz for size in sizes}) > 1:
        raise document.fault("the container's sizes have several sample rates; export it again")
    chosen = next((s for s, limit in zip(sizes, limits, strict=True) if slim < limit), sizes[-1])
    _check_mono(document, chosen.net)
    return dataclasses.replace(
        chosen,
        version=document.version(),
        metadata={**outer, **chosen.metadata},
        levels={**_levels(document, outer), **chosen.levels},
        slim_steps=tuple(limits[:-1]),
        warnings=tuple(document.warnings),
    )


def _condition(document: Document, config: WaveNetConfig, rate_hz: int) -> WaveNet | None:
    """Read the net that makes the condition of a WaveNet, if it has one."""
    if config.condition_dsp is None:
        return None
    if document.depth >= MAX_DEPTH:
        raise document.fault(
            f"condition_dsp is nested more than {MAX_DEPTH} deep; the file is damaged"
        )
    inner = _read(document.inner(config.condition_dsp), 1.0)
    if not isinstance(inner.net, WaveNet):
        raise document.fault("condition_dsp is not a WaveNet; only WaveNets are supported there")
    if inner.rate_hz != rate_hz:
        raise document.fault(
            f"condition_dsp has a sample rate of {inner.rate_hz} Hz, the net {rate_hz} Hz; "
            "the file is damaged"
        )
    return inner.net


def _linear(document: Document, weights: Weights) -> Stack:
    config = document.config(LinearConfig)
    newest_first = weights.take(config.receptive_field)
    bias = weights.take(1) if config.bias else None
    weights.finish()
    kernel = np.ascontiguousarray(newest_first[::-1]).reshape(1, 1, -1)
    return Stack((ConvLayer(Conv(kernel, bias)),))


def _convnet(document: Document, weights: Weights) -> Stack:
    config = document.config(ConvNetConfig)
    activation = read_activation(document, config.activation, config.channels)
    layers: list[Layer] = []
    given = 1
    for dilation in config.dilations:
        conv = weights.conv(
            given,
            config.channels,
            2,
            bias=not config.batchnorm,
            dilation=dilation,
            groups=config.groups,
        )
        if config.batchnorm:
            layers += [ConvLayer(conv), _batch_norm(document, weights, config.channels), activation]
        else:
            layers.append(ConvLayer(conv, activation))
        given = config.channels
    layers.append(Dense(weights.take(1, given), weights.take(1)))
    weights.finish()
    document.check_receptive_field(1 + sum(config.dilations))
    return Stack(tuple(layers))


def _batch_norm(document: Document, weights: Weights, channels: int) -> BatchNorm:
    mean, variance, scale, shift = (weights.take(channels) for _ in range(4))
    deviation = variance + weights.take(1)
    if not (deviation > 0).all():
        raise document.fault("a variance of the batch norm is not positive; the file is damaged")
    factor = scale / np.sqrt(deviation)
    return BatchNorm(factor, shift - factor * mean)


def _lstm(document: Document, weights: Weights) -> Stack:
    config = document.config(LstmConfig)
    size = config.hidden_size
    layers: list[Layer] = []
    given = 1
    for _ in range(config.num_layers):
        both = weights.take(4 * size, given + size)
        layers.append(
            Lstm(
                weight_ih=np.ascontiguousarray(both[:, :given]),
                weight_hh=np.ascontiguousarray(both[:, given:]),
                bias=weights.take(4 * size),
                hidden=weights.take(size),
                cell=weights.take(size),
            )
        )
        given = size
    layers.append(Dense(weights.take(1, size), weights.take(1)))
    weights.finish()
    return Stack(tuple(layers))
