"""Read ``.nam`` amp captures (Neural Amp Modeler): plain data, checked, without a network library.

A capture is JSON text: ``version``, ``architecture``, ``config``, ``weights`` (one flat list of
floats) and, optionally, ``sample_rate`` and ``metadata``. Versions 0.5.0 to 0.7.0 are read, with
the architectures Linear, ConvNet, LSTM, WaveNet and SlimmableContainer; what each of them computes
is said in :mod:`rtaudio.models.net.types`.

Two files hold nets of several sizes, of which the value ``slim`` (0 to 1) takes one: a
``SlimmableContainer`` holds whole captures, a slimmable ``WaveNet`` is cut down to the leading
rows and columns of its matrices.

Where the format leaves a choice, it is made as by the reference player, NeuralAmpModelerCore: the
head scale at the end of the weights wins over the one in the config, and the FiLM behind the 1x1
convolution of a layer acts in blended layers only.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rtaudio.errors import FormatError, first_fault
from rtaudio.models.formats.foreign_net import Capture
from rtaudio.models.formats.json_file import float32_list, read_object, sample_rate, section
from rtaudio.models.net.types import (
    Activation,
    BatchNorm,
    Conv,
    ConvLayer,
    Dense,
    Film,
    Lstm,
    Net,
    Stack,
    WaveNet,
    WaveNetArray,
    WaveNetLayer,
)
from rtaudio.runtime.memory import Floats

__all__ = ["nam_capture", "read_nam"]


DEFAULT_RATE = 48_000
OLDEST, NEWEST = (0, 5, 0), (0, 7, 0)
LSTM_PREWARM_S = 0.5
MAX_RECEPTIVE_FIELD = 1 << 20
SLIM_METHOD = "slice_channels_uniform"

_FILMS = {
    "conv_pre_film": "conv_pre", "conv_post_film": "conv_post",
    "input_mixin_pre_film": "mixer_pre", "input_mixin_post_film": "mixer_post",
    "activation_pre_film": "activation_pre", "activation_post_film": "activation_post",
    "layer1x1_post_film": "out_post", "head1x1_post_film": "head_post",
}  # fmt: skip
"""Key in the file -> place in `WaveNetLayer.films`, in the order of the weights."""

_ACTIVATIONS = {
    "Tanh": "tanh", "Hardtanh": "hard_tanh", "Fasttanh": "fast_tanh", "ReLU": "relu",
    "LeakyReLU": "leaky_relu", "PReLU": "prelu", "Sigmoid": "sigmoid", "SiLU": "silu",
    "Hardswish": "hard_swish", "LeakyHardtanh": "leaky_hard_tanh",
    "LeakyHardTanh": "leaky_hard_tanh", "Softsign": "softsign",
}  # fmt: skip

Size = Annotated[int, Field(ge=1, le=4096)]
Dilation = Annotated[int, Field(ge=1, le=1 << 20)]
Finite = Annotated[float, Field(allow_inf_nan=False, ge=-1e6, le=1e6)]


class _Config(BaseModel):
    # Unknown keys are kept, to be named in a warning: the reference player passes over them too.
    model_config = ConfigDict(extra="allow", strict=True)


class _ActivationConfig(_Config):
    type: str
    negative_slope: Finite | None = None
    negative_slopes: Annotated[list[Finite], Field(min_length=1, max_length=4096)] | None = None
    min_val: Finite = -1.0
    max_val: Finite = 1.0
    min_slope: Finite = 0.01
    max_slope: Finite = 0.01


class _FilmConfig(_Config):
    active: bool = True
    shift: bool = True
    groups: Size = 1


class _Layer1x1Config(_Config):
    active: bool = True
    groups: Size = 1


class _Head1x1Config(_Config):
    active: bool
    out_channels: Size = 1
    groups: Size = 1


class _ArrayHeadConfig(_Config):
    out_channels: Size
    kernel_size: Size
    bias: bool
    head_dilation: Dilation = 1


AnActivation = str | _ActivationConfig | None
Gating = Literal["none", "gated", "blended"]


class _ArrayConfig(_Config):
    input_size: Size
    condition_size: Size
    channels: Size
    dilations: Annotated[list[Dilation], Field(min_length=1, max_length=1024)]
    kernel_size: Size | None = None
    kernel_sizes: list[Size] | None = None
    activation: AnActivation | list[AnActivation]
    gated: bool | None = None
    gating_mode: Gating | list[Gating] | None = None
    secondary_activation: AnActivation | list[AnActivation] = None
    head: _ArrayHeadConfig | None = None
    head_size: Size | None = None
    head_bias: bool | None = None
    bottleneck: Size | None = None
    head1x1: _Head1x1Config | None = None
    layer1x1: _Layer1x1Config | None = None
    groups_input: Size = 1
    groups_input_mixin: Size = 1
    slimmable: dict[str, Any] | None = None
    conv_pre_film: _FilmConfig | Literal[False] | None = None
    conv_post_film: _FilmConfig | Literal[False] | None = None
    input_mixin_pre_film: _FilmConfig | Literal[False] | None = None
    input_mixin_post_film: _FilmConfig | Literal[False] | None = None
    activation_pre_film: _FilmConfig | Literal[False] | None = None
    activation_post_film: _FilmConfig | Literal[False] | None = None
    layer1x1_post_film: _FilmConfig | Literal[False] | None = None
    head1x1_post_film: _FilmConfig | Literal[False] | None = None


class _PostHeadConfig(_Config):
    in_channels: Size | None = None
    channels: Size
    out_channels: Size
    kernel_sizes: Annotated[list[Size], Field(min_length=1, max_length=64)]
    activation: AnActivation


class _WaveNetConfig(_Config):
    layers: Annotated[list[_ArrayConfig], Field(min_length=1, max_length=64)]
    head: _PostHeadConfig | None = None
    head_scale: Finite
    in_channels: Literal[1] = 1
    condition_dsp: dict[str, Any] | None = None


class _LstmConfig(_Config):
    input_size: Literal[1]
    hidden_size: Size
    num_layers: Annotated[int, Field(ge=1, le=16)]
    in_channels: Literal[1] = 1
    out_channels: Literal[1] = 1


class _ConvNetConfig(_Config):
    channels: Size
    dilations: Annotated[list[Dilation], Field(min_length=1, max_length=1024)]
    batchnorm: bool
    activation: AnActivation
    groups: Size = 1
    in_channels: Literal[1] = 1
    out_channels: Literal[1] = 1


class _LinearConfig(_Config):
    receptive_field: Annotated[int, Field(ge=1, le=MAX_RECEPTIVE_FIELD)]
    bias: bool
    in_channels: Literal[1] = 1
    out_channels: Literal[1] = 1
    implementation: str = "auto"


class _Submodel(_Config):
    max_value: Finite
    model: dict[str, Any]


class _ContainerConfig(_Config):
    submodels: Annotated[list[_Submodel], Field(min_length=1, max_length=64)]


def read_nam(path: str | Path, *, slim: float = 1.0) -> Capture:
    """Read and check a ``.nam`` capture.

    Parameters
    ----------
    path
        The file.
    slim
        Which size to take from a file that holds several: 0 is the smallest, 1 the whole.

    Returns
    -------
    Capture
        The net as arrays of float32. A file without a rate is a 48,000 Hz one, by convention.

    Raises
    ------
    FormatError
        Not a ``.nam`` file, one of a newer version, a net of another kind, a weight list that does
        not fit the sizes in the file, or a weight that is not a finite number.
    FileNotFoundError
        No such file.

    Examples
    --------
    >>> capture = read_nam("ac10.nam")                                      # doctest: +SKIP
    >>> capture.net.receptive_field                                         # doctest: +SKIP
    4093
    """
    path = Path(path)
    return nam_capture(path, read_object(path), slim=slim)


def nam_capture(path: Path, document: Mapping[str, Any], *, slim: float = 1.0) -> Capture:
    """As `read_nam`, from the JSON object that ``path`` held."""
    return _Reader(path).read(document, slim)


Form = TypeVar("Form", bound=_Config)


class _Reader:
    """The reading of one file: its name for the messages, and the warnings so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.warnings: list[str] = []

    def fault(self, text: str) -> FormatError:
        return FormatError(f"{self.path}: {text}")

    def read(self, document: Mapping[str, Any], slim: float, depth: int = 0) -> Capture:
        version = self.version(document)
        rate = sample_rate(self.path, document.get("sample_rate"), DEFAULT_RATE)
        metadata = section(self.path, document, "metadata")
        architecture = document.get("architecture")
        if architecture == "SlimmableContainer":
            return self.container(document, slim, depth)
        build: Callable[..., tuple[Net, tuple[float, ...]]]
        match architecture:
            case "WaveNet":
                build = self.wavenet
            case "LSTM":
                build = self.lstm
            case "ConvNet":
                build = self.convnet
            case "Linear":
                build = self.linear
            case _:
                raise self.fault(
                    f"a {architecture!r:.40} net is not supported; Linear, ConvNet, LSTM, WaveNet "
                    "and SlimmableContainer are"
                )
        weights = _Weights(self, document.get("weights"))
        net, steps = build(document, weights, slim, rate, depth)
        if depth == 0:
            self.check_mono(net)
        return Capture(
            path=self.path, format="nam", version=version, sample_rate=rate, net=net,
            metadata=metadata, prewarm_samples=self.prewarm(net, rate),
            levels=self.levels(metadata), slim_steps=steps, warnings=tuple(self.warnings),
        )  # fmt: skip

    def version(self, document: Mapping[str, Any]) -> str:
        text = document.get("version")
        match = (
            re.fullmatch(r"(\d{1,6})\.(\d{1,6})\.(\d{1,6})", text)
            if isinstance(text, str)
            else None
        )
        if match is None:
            raise self.fault(f"file version {text!r:.40} is not of the form 0.5.4")
        version = tuple(map(int, match.groups()))
        if version < OLDEST or version[:2] > NEWEST[:2]:
            raise self.fault(
                f"file version {text} is unknown; versions 0.5.0 to 0.7.0 are read: "
                "update rtaudio, or export it again"
            )
        if version > NEWEST:
            self.warn(f"file version {text} is newer than 0.7.0, the newest known here")
        return str(text)

    def warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)

    def config(self, document: Mapping[str, Any], form: type[Form]) -> Form:
        try:
            config = form.model_validate(document.get("config"))
        except ValidationError as error:
            raise self.fault(
                f"{first_fault(error, form, 'config'):.240}; the file is damaged or of a newer kind"
            ) from None
        for key in _unknown_keys(config):
            self.warn(f"{key:.60} in the config is unknown here and was passed over")
        return config

    def levels(self, metadata: Mapping[str, Any]) -> dict[str, float]:
        names = {
            "loudness": "loudness_db",
            "input_level_dbu": "input_dbu",
            "output_level_dbu": "output_dbu",
        }
        found = {}
        for key, name in names.items():
            value = metadata.get(key)
            if value is None:
                continue
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not abs(value) <= 200:
                raise self.fault(f"metadata.{key} = {value!r:.40} is no level in decibels")
            found[name] = float(value)
        return found

    def prewarm(self, net: Net, rate: int) -> int:
        if isinstance(net, WaveNet):
            return net.receptive_field
        if any(isinstance(layer, Lstm) for layer in net.layers):
            return round(LSTM_PREWARM_S * rate)
        return sum(layer.conv.past for layer in net.layers if isinstance(layer, ConvLayer))

    def check_mono(self, net: Net) -> None:
        if isinstance(net, WaveNet) and (channels := _out_channels(net)) != 1:
            raise self.fault(f"the net has {channels} output channels; only mono captures are read")

    def container(self, document: Mapping[str, Any], slim: float, depth: int) -> Capture:
        if depth:
            raise self.fault("a SlimmableContainer inside another; export it again")
        submodels = self.config(document, _ContainerConfig).submodels
        limits = [submodel.max_value for submodel in submodels]
        if sorted(set(limits)) != limits or limits[-1] < 1:
            raise self.fault(
                f"the sizes of the container end at {limits}, not one above the other up to 1; "
                "the file is damaged"
            )
        outer = section(self.path, document, "metadata")
        # Every size is read, so that a damaged one is found whichever is asked for.
        sizes = [self.read(submodel.model, 1.0, depth + 1) for submodel in submodels]
        if len({size.sample_rate for size in sizes}) > 1:
            raise self.fault("the sizes of the container are of several rates; export it again")
        chosen = next(
            (s for s, limit in zip(sizes, limits, strict=True) if slim < limit), sizes[-1]
        )
        self.check_mono(chosen.net)
        return dataclasses.replace(
            chosen,
            version=self.version(document),
            metadata={**outer, **chosen.metadata},
            levels={**self.levels(outer), **chosen.levels},
            slim_steps=tuple(limits[:-1]),
            warnings=tuple(self.warnings),
        )

    # The architectures

    def linear(
        self, document: Mapping[str, Any], weights: _Weights, *_: Any
    ) -> tuple[Net, tuple[float, ...]]:
        config = self.config(document, _LinearConfig)
        newest_first = weights.take(config.receptive_field)
        bias = weights.take(1) if config.bias else None
        weights.finish()
        kernel = np.ascontiguousarray(newest_first[::-1]).reshape(1, 1, -1)
        return Stack((ConvLayer(Conv(kernel, bias)),)), ()

    def convnet(
        self, document: Mapping[str, Any], weights: _Weights, *_: Any
    ) -> tuple[Net, tuple[float, ...]]:
        config = self.config(document, _ConvNetConfig)
        activation = self.activation(config.activation, config.channels)
        layers: list[Any] = []
        given = 1
        for dilation in config.dilations:
            conv = self.conv(
                weights,
                given,
                config.channels,
                2,
                bias=not config.batchnorm,
                dilation=dilation,
                groups=config.groups,
            )
            if config.batchnorm:
                mean, variance, scale, shift = (weights.take(config.channels) for _ in range(4))
                deviation = variance + weights.take(1)
                if not (deviation > 0).all():
                    raise self.fault("a variance of the batch norm is not positive")
                factor = scale / np.sqrt(deviation)
                norm = BatchNorm(factor, shift - factor * mean)
                layers += [ConvLayer(conv), norm, activation]
            else:
                layers.append(ConvLayer(conv, activation))
            given = config.channels
        layers.append(Dense(weights.take(1, given), weights.take(1)))
        weights.finish()
        self.check_receptive_field(1 + sum(config.dilations))
        return Stack(tuple(layers)), ()

    def lstm(
        self, document: Mapping[str, Any], weights: _Weights, *_: Any
    ) -> tuple[Net, tuple[float, ...]]:
        config = self.config(document, _LstmConfig)
        size = config.hidden_size
        layers: list[Any] = []
        given = 1
        for _layer in range(config.num_layers):
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
        return Stack(tuple(layers)), ()

    def wavenet(
        self, document: Mapping[str, Any], weights: _Weights, slim: float, rate: int, depth: int
    ) -> tuple[Net, tuple[float, ...]]:
        config = self.config(document, _WaveNetConfig)
        condition = None
        if config.condition_dsp is not None:
            if depth > 4:
                raise self.fault("conditions of conditions are nested too deeply")
            inner = self.read(config.condition_dsp, 1.0, depth + 1)
            if not isinstance(inner.net, WaveNet):
                raise self.fault("condition_dsp is not a WaveNet; only WaveNets are read there")
            if inner.sample_rate != rate:
                raise self.fault(
                    f"condition_dsp is of {inner.sample_rate} Hz, the net of {rate} Hz; "
                    "the file is damaged"
                )
            condition = inner.net
        condition_size = 1 if condition is None else _out_channels(condition)
        arrays: list[WaveNetArray] = []
        given, head = 1, None
        for place, array in enumerate(config.layers):
            if array.condition_size != condition_size:
                raise self.fault(
                    f"config.layers.{place}.condition_size is {array.condition_size}, the "
                    f"condition has {condition_size} channels; the file is damaged"
                )
            arrays.append(self.array(array, weights, f"config.layers.{place}"))
            width = arrays[-1].head.weight.shape[1]
            if array.input_size != given or head not in (None, width):
                raise self.fault(
                    f"the layer arrays do not fit together (input_size {array.input_size} and "
                    f"head of {width} channels after channels {given} and head_size {head}); "
                    "the file is damaged"
                )
            given, head = array.channels, arrays[-1].head.weight.shape[0]
        post = [] if config.head is None else self.post_head(config.head, weights, head)
        # The scale at the end of the list, not the one in the config, is what players apply.
        head_scale = float(weights.take(1)[0])
        weights.finish()
        net, steps = self.slimmed(WaveNet(tuple(arrays), head_scale), config, slim)
        if post:
            # Players scale in front of the head; here the scale is the last factor of a net.
            last = net.arrays[-1]
            scaled = dataclasses.replace(
                last.head,
                weight=last.head.weight * np.float32(head_scale),
                bias=None if last.head.bias is None else last.head.bias * np.float32(head_scale),
            )
            arrays = [*net.arrays[:-1], dataclasses.replace(last, head=scaled)]
            net = WaveNet(tuple(arrays), 1.0, tuple(post))
        net = dataclasses.replace(net, condition=condition)
        self.check_receptive_field(net.receptive_field)
        return net, steps

    # Parts

    def check_receptive_field(self, samples: int) -> None:
        if samples > MAX_RECEPTIVE_FIELD:
            raise self.fault(
                f"a receptive field of {samples:,} samples; at most "
                f"{MAX_RECEPTIVE_FIELD:,} are played"
            )

    def conv(
        self,
        weights: _Weights,
        inputs: int,
        outputs: int,
        taps: int = 1,
        *,
        bias: bool,
        dilation: int = 1,
        groups: int = 1,
    ) -> Conv:
        if inputs % groups or outputs % groups:
            raise self.fault(
                f"a convolution from {inputs} to {outputs} channels cannot have {groups} groups; "
                "the file is damaged"
            )
        weight = weights.take(outputs, inputs // groups, taps)
        return Conv(weight, weights.take(outputs) if bias else None, dilation, groups)

    def array(self, config: _ArrayConfig, weights: _Weights, where: str) -> WaveNetArray:
        count = len(config.dilations)

        def each(key: str, value: Any) -> list[Any]:
            """One value per layer, from a list of them or one for all."""
            if not isinstance(value, list):
                return [value] * count
            if len(value) != count:
                raise self.fault(
                    f"{where}.{key} has {len(value)} entries for {count} dilations; "
                    "the file is damaged"
                )
            return value

        if (config.kernel_size is None) == (config.kernel_sizes is None):
            raise self.fault(f"{where} needs either kernel_size or kernel_sizes")
        taps = each("kernel_sizes", config.kernel_size or config.kernel_sizes)
        gating = config.gating_mode or ("gated" if config.gated else "none")
        layer_settings = zip(
            config.dilations, taps, each("activation", config.activation),
            each("gating_mode", gating), each("secondary_activation", config.secondary_activation),
            strict=True,
        )  # fmt: skip
        if config.head is not None:
            head = config.head
        elif config.head_size is not None and config.head_bias is not None:
            head = _ArrayHeadConfig(
                out_channels=config.head_size, kernel_size=1, bias=config.head_bias
            )
        else:
            raise self.fault(f"{where} needs head, or head_size and head_bias")
        rechannel = self.conv(weights, config.input_size, config.channels, bias=False)
        layers = tuple(self.layer(config, weights, *settings) for settings in layer_settings)
        width = config.bottleneck or config.channels
        if config.head1x1 is not None and config.head1x1.active:
            width = config.head1x1.out_channels
        out = self.conv(
            weights,
            width,
            head.out_channels,
            head.kernel_size,
            bias=head.bias,
            dilation=head.head_dilation,
        )
        return WaveNetArray(rechannel, layers, out)

    def layer(
        self,
        config: _ArrayConfig,
        weights: _Weights,
        dilation: int,
        taps: int,
        activation: AnActivation,
        gating: Gating,
        secondary: AnActivation,
    ) -> WaveNetLayer:
        channels, condition = config.channels, config.condition_size
        width = config.bottleneck or channels
        rows = width if gating == "none" else 2 * width
        conv = self.conv(
            weights, channels, rows, taps, bias=True, dilation=dilation, groups=config.groups_input
        )
        mixer = self.conv(weights, condition, rows, bias=False, groups=config.groups_input_mixin)
        one = config.layer1x1 or _Layer1x1Config()
        out = None
        if one.active:
            out = self.conv(weights, width, channels, bias=True, groups=one.groups)
        head_1x1, head_width = None, width
        if config.head1x1 is not None and config.head1x1.active:
            head_width = config.head1x1.out_channels
            head_1x1 = self.conv(
                weights, width, head_width, bias=True, groups=config.head1x1.groups
            )
        sizes = {
            "conv_pre": channels,
            "conv_post": rows,
            "mixer_pre": condition,
            "mixer_post": rows,
            "activation_pre": rows,
            "activation_post": width,
            "out_post": channels,
            "head_post": head_width,
        }
        films = {}
        for key, place in _FILMS.items():
            film = getattr(config, key)
            if not film or not film.active:
                continue
            if place == "out_post" and out is None:
                raise self.fault("layer1x1_post_film without layer1x1; the file is damaged")
            if place == "head_post" and head_1x1 is None:
                continue
            size = (2 if film.shift else 1) * sizes[place]
            films[place] = Film(
                self.conv(weights, condition, size, bias=True, groups=film.groups), film.shift
            )
        if gating != "blended":
            films.pop("out_post", None)
        return WaveNetLayer(
            conv, mixer, self.activation(activation, width), out, gating,
            None if gating == "none" else self.activation(secondary or "Sigmoid", width),
            head_1x1, films,
        )  # fmt: skip

    def post_head(
        self, config: _PostHeadConfig, weights: _Weights, given: int | None
    ) -> list[tuple[Activation, Conv]]:
        assert given is not None
        if config.in_channels not in (None, given):
            raise self.fault(
                f"config.head.in_channels is {config.in_channels}, the last array gives {given}; "
                "the file is damaged"
            )
        sizes = [config.channels] * (len(config.kernel_sizes) - 1) + [config.out_channels]
        pairs = []
        for taps, size in zip(config.kernel_sizes, sizes, strict=True):
            activation = self.activation(config.activation, given)
            pairs.append((activation, self.conv(weights, given, size, taps, bias=True)))
            given = size
        return pairs

    def activation(self, config: AnActivation, channels: int) -> Activation:
        if isinstance(config, str):
            config = _ActivationConfig(type=config)
        if config is None or config.type not in _ACTIVATIONS:
            kind = None if config is None else config.type
            raise self.fault(
                f"activation {kind!r:.40} is unknown; known are {', '.join(_ACTIVATIONS)}"
            )
        name = _ACTIVATIONS[config.type]
        match name:
            case "prelu" if config.negative_slopes is not None and len(config.negative_slopes) > 1:
                if len(config.negative_slopes) != channels:
                    raise self.fault(
                        f"PReLU has {len(config.negative_slopes)} slopes for {channels} channels; "
                        "the file is damaged"
                    )
                return Activation("prelu", tuple(config.negative_slopes))
            case "prelu" | "leaky_relu":
                slope = 0.01 if config.negative_slope is None else config.negative_slope
                return Activation("leaky_relu", ((config.negative_slopes or [slope])[0],))
            case "leaky_hard_tanh":
                return Activation(
                    name, (config.min_val, config.max_val, config.min_slope, config.max_slope)
                )
        return Activation(name)

    def slimmed(
        self, net: WaveNet, config: _WaveNetConfig, slim: float
    ) -> tuple[WaveNet, tuple[float, ...]]:
        """Cut the net to the channels that ``slim`` asks for, if its arrays are slimmable."""
        choices: list[Sequence[int]] = []
        for place, array in enumerate(config.layers):
            allowed: Any = [array.channels]
            if array.slimmable is not None:
                if (method := array.slimmable.get("method")) != SLIM_METHOD:
                    raise self.fault(f"slimmable by {method!r:.40}; {SLIM_METHOD!r} is known")
                arguments = array.slimmable.get("kwargs")
                allowed = arguments.get("allowed_channels") if isinstance(arguments, dict) else None
                allowed = allowed or list(range(1, array.channels + 1))
                if (
                    not isinstance(allowed, list)
                    or not all(type(size) is int and size > 0 for size in allowed)
                    or sorted(set(allowed)) != allowed
                    or allowed[-1] != array.channels
                ):
                    raise self.fault(
                        f"config.layers.{place}.slimmable: allowed_channels {allowed!r:.60} does "
                        f"not rise to the {array.channels} channels; the file is damaged"
                    )
            choices.append(allowed)
        steps = sorted({i / len(allowed) for allowed in choices for i in range(1, len(allowed))})
        channels = [a[min(math.floor(slim * len(a)), len(a) - 1)] for a in choices]
        if channels == [array.channels for array in config.layers]:
            return net, tuple(steps)
        convs = [layer.conv for array in net.arrays for layer in array.layers]
        if (
            config.head is not None
            or any(c.groups > 1 for c in convs)
            or any(array.head.weight.shape[2] > 1 for array in net.arrays)
        ):
            raise self.fault(
                "a net with groups, a long head or a head behind the arrays cannot be slimmed; "
                "use it with slim: 1"
            )
        return _slim(net, config, channels), tuple(steps)


def _slim(net: WaveNet, config: _WaveNetConfig, channels: Sequence[int]) -> WaveNet:
    arrays = []
    last = len(channels) - 1
    for place, (array, settings, size) in enumerate(
        zip(net.arrays, config.layers, channels, strict=True)
    ):
        given = channels[place - 1] if place else array.rechannel.weight.shape[1]
        has_out = array.layers[0].out is not None
        full_width = settings.bottleneck or settings.channels
        width = max(1, full_width * size // settings.channels) if has_out else size
        has_head = array.layers[0].head_1x1 is not None
        head_in = array.head.weight.shape[1] if has_head else width
        head_out = array.head.weight.shape[0] if place == last else channels[place + 1]
        arrays.append(
            WaveNetArray(
                rechannel=_cut(array.rechannel, size, given),
                layers=tuple(_slim_layer(layer, size, width) for layer in array.layers),
                head=_cut(array.head, head_out, head_in),
            )
        )
    return dataclasses.replace(net, arrays=tuple(arrays))


def _slim_layer(layer: WaveNetLayer, channels: int, width: int) -> WaveNetLayer:
    condition = layer.mixer.weight.shape[1]
    rows = width if layer.gating == "none" else 2 * width
    sizes = {
        "conv_pre": channels,
        "conv_post": rows,
        "mixer_post": rows,
        "activation_pre": rows,
        "activation_post": width,
        "out_post": channels,
    }
    films = {
        place: film
        if place not in sizes
        else Film(_cut(film.conv, (2 if film.shift else 1) * sizes[place], condition), film.shift)
        for place, film in layer.films.items()
    }
    head = layer.head_1x1
    return dataclasses.replace(
        layer,
        conv=_cut(layer.conv, rows, channels),
        mixer=_cut(layer.mixer, rows, condition),
        activation=_cut_slopes(layer.activation, width),
        secondary=None if layer.secondary is None else _cut_slopes(layer.secondary, width),
        out=None if layer.out is None else _cut(layer.out, channels, width),
        head_1x1=None if head is None else _cut(head, head.weight.shape[0], width),
        films=films,
    )


def _cut(conv: Conv, rows: int, columns: int) -> Conv:
    return dataclasses.replace(
        conv,
        weight=np.ascontiguousarray(conv.weight[:rows, :columns]),
        bias=None if conv.bias is None else conv.bias[:rows],
    )


def _cut_slopes(activation: Activation, channels: int) -> Activation:
    if activation.name != "prelu":
        return activation
    return Activation("prelu", activation.values[:channels])


def _out_channels(net: WaveNet) -> int:
    conv = net.post[-1][1] if net.post else net.arrays[-1].head
    return int(conv.weight.shape[0])


def _unknown_keys(config: BaseModel) -> Iterator[str]:
    yield from config.model_extra or {}
    for name in type(config).model_fields:
        value = getattr(config, name)
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, BaseModel):
                yield from _unknown_keys(inner)


class _Weights:
    """A cursor over the flat list; a size is checked before anything is taken by it."""

    def __init__(self, reader: _Reader, values: object) -> None:
        self.fault = reader.fault
        self.values = float32_list(reader.path, "weights", values)
        self.position = 0

    def take(self, *shape: int) -> Floats:
        end = self.position + math.prod(shape)
        if end > self.values.size:
            raise self.fault(
                f"{self.values.size} weights are too few for the config "
                f"(at least {end} wanted); the file is damaged or of a newer kind"
            )
        taken = self.values[self.position : end].reshape(shape)
        self.position = end
        return taken

    def finish(self) -> None:
        if self.position != self.values.size:
            raise self.fault(
                f"{self.values.size} weights do not fit the config "
                f"({self.position} wanted); the file is damaged or of a newer kind"
            )
