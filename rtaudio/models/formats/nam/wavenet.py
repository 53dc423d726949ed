"""A WaveNet from a ``.nam`` file: its layer arrays, in the order of the weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from rtaudio.models.formats.nam.document import Document
from rtaudio.models.formats.nam.schema import (
    ActivationConfig,
    AnyActivation,
    ArrayConfig,
    ArrayHeadConfig,
    Gating,
    Layer1x1Config,
    PostHeadConfig,
    WaveNetConfig,
)
from rtaudio.models.formats.nam.slim import slimmed
from rtaudio.models.formats.nam.weights import Weights
from rtaudio.models.net.types import Activation, Conv, Film, WaveNet, WaveNetArray, WaveNetLayer

__all__ = ["out_channels", "read_activation", "read_wavenet"]

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


def read_wavenet(
    document: Document,
    config: WaveNetConfig,
    weights: Weights,
    condition: WaveNet | None,
    slim: float,
) -> tuple[WaveNet, tuple[float, ...]]:
    """Read a WaveNet.

    Parameters
    ----------
    document
        What is read, for messages.
    config
        Its sizes.
    weights
        Its weights; all of them are taken.
    condition
        The net that makes the condition of the layers; None: the input is the condition.
    slim
        Which size to take, if it is slimmable: 0 is the smallest, 1 the whole.

    Returns
    -------
    net, steps
        The net, and the values of ``slim`` where its size changes.

    Raises
    ------
    FormatError
        The sizes do not fit together, or do not fit the weights.
    """
    arrays = _arrays(document, config, weights, condition)
    post: list[tuple[Activation, Conv]] = []
    if config.head is not None:
        given = int(arrays[-1].head.weight.shape[0])
        post = _post_head(document, config.head, weights, given)
    # Players apply the scale at the end of the list, not the one in the config.
    head_scale = float(weights.take(1)[0])
    weights.finish()
    net, steps = slimmed(document, config, WaveNet(tuple(arrays), head_scale), slim)
    if post:
        net = _with_post_head(net, post)
    net = dataclasses.replace(net, condition=condition)
    document.check_receptive_field(net.receptive_field)
    return net, steps


def out_channels(net: WaveNet) -> int:
    """Return the number of output channels of a net."""
    conv = net.post[-1][1] if net.post else net.arrays[-1].head
    return int(conv.weight.shape[0])


def read_activation(document: Document, config: AnyActivation, channels: int) -> Activation:
    """Return the activation that a config names.

    Parameters
    ----------
    document
        What is read, for messages.
    config
        Name, or name and constants.
    channels
        How many channels it is applied to.

    Raises
    ------
    FormatError
        It is unknown, or has slopes for another number of channels.
    """
    if isinstance(config, str):
        config = ActivationConfig(type=config)
    if config is None or config.type not in _ACTIVATIONS:
        kind = None if config is None else config.type
        raise document.fault(
            f"activation {kind!r:.40} is unknown; known are {', '.join(_ACTIVATIONS)}"
        )
    name = _ACTIVATIONS[config.type]
    match name:
        case "prelu" if config.negative_slopes is not None and len(config.negative_slopes) > 1:
            if len(config.negative_slopes) != channels:
                raise document.fault(
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


def _arrays(
    document: Document, config: WaveNetConfig, weights: Weights, condition: WaveNet | None
) -> list[WaveNetArray]:
    """Read all layer arrays, and check that each fits the one before it and the condition."""
    condition_size = 1 if condition is None else out_channels(condition)
    arrays: list[WaveNetArray] = []
    given, head = 1, None
    for place, array in enumerate(config.layers):
        where = f"config.layers[{place}]"
        if array.condition_size != condition_size:
            raise document.fault(
                f"{where}.condition_size is {array.condition_size}, but the condition has "
                f"{condition_size} channels; the file is damaged"
            )
        arrays.append(_array(document, array, weights, where))
        width = arrays[-1].head.weight.shape[1]
        if array.input_size != given or head not in (None, width):
            raise document.fault(
                f"the layer arrays do not fit together (input_size {array.input_size} and "
                f"head of {width} channels after channels {given} and head_size {head}); "
                "the file is damaged"
            )
        given, head = array.channels, arrays[-1].head.weight.shape[0]
    return arrays


def _array(document: Document, config: ArrayConfig, weights: Weights, where: str) -> WaveNetArray:
    """Read one layer array; ``where`` is its key, for messages."""
    settings = _layer_settings(document, config, where)
    head = _array_head(document, config, where)
    rechannel = weights.conv(config.input_size, config.channels, bias=False)
    layers = tuple(_layer(document, config, weights, *values) for values in settings)
    width = config.bottleneck or config.channels
    if config.head1x1 is not None and config.head1x1.active:
        width = config.head1x1.out_channels
    out = weights.conv(
        width,
        head.out_channels,
        head.kernel_size,
        bias=head.bias,
        dilation=head.head_dilation,
    )
    return WaveNetArray(rechannel, layers, out)


def _layer_settings(
    document: Document, config: ArrayConfig, where: str
) -> list[tuple[int, int, AnyActivation, Gating, AnyActivation]]:
    """Return dilation, taps, activation, gating and secondary activation of each layer."""
    count = len(config.dilations)

    def each(key: str, value: Any) -> list[Any]:
        """One value per layer, from a list of them or one for all."""
        if not isinstance(value, list):
            return [value] * count
        if len(value) != count:
            raise document.fault(
                f"{where}.{key} has {len(value)} entries for {count} dilations; the file is damaged"
            )
        return value

    if (config.kernel_size is None) == (config.kernel_sizes is None):
        raise document.fault(
            f"{where} needs either kernel_size or kernel_sizes; the file is damaged"
        )
    taps = each("kernel_sizes", config.kernel_size or config.kernel_sizes)
    gating = config.gating_mode or ("gated" if config.gated else "none")
    activations = each("activation", config.activation)
    gatings = each("gating_mode", gating)
    secondaries = each("secondary_activation", config.secondary_activation)
    return list(zip(config.dilations, taps, activations, gatings, secondaries, strict=True))


def _array_head(document: Document, config: ArrayConfig, where: str) -> ArrayHeadConfig:
    if config.head is not None:
        return config.head
    if config.head_size is None or config.head_bias is None:
        raise document.fault(f"{where} needs head, or head_size and head_bias; the file is damaged")
    return ArrayHeadConfig(out_channels=config.head_size, kernel_size=1, bias=config.head_bias)


def _layer(
    document: Document,
    config: ArrayConfig,
    weights: Weights,
    dilation: int,
    taps: int,
    activation: AnyActivation,
    gating: Gating,
    secondary: AnyActivation,
) -> WaveNetLayer:
    channels, condition = config.channels, config.condition_size
    width = config.bottleneck or channels
    rows = width if gating == "none" else 2 * width
    conv = weights.conv(
        channels, rows, taps, bias=True, dilation=dilation, groups=config.groups_input
    )
    mixer = weights.conv(condition, rows, bias=False, groups=config.groups_input_mixin)
    one = config.layer1x1 or Layer1x1Config()
    out = None
    if one.active:
        out = weights.conv(width, channels, bias=True, groups=one.groups)
    head_1x1, head_width = None, width
    if config.head1x1 is not None and config.head1x1.active:
        head_width = config.head1x1.out_channels
        head_1x1 = weights.conv(width, head_width, bias=True, groups=config.head1x1.groups)
    sizes = {
        "conv_pre": channels,
        "conv_post": rows,
        "mixer_pre": condition,
        "mixer_post": rows,
        "activation_pre": rows,
        "activation_post": width,
        "out_post": channels if out is not None else 0,
        "head_post": head_width if head_1x1 is not None else 0,
    }
    films = _films(document, config, weights, sizes)
    if gating != "blended":
        films.pop("out_post", None)
    return WaveNetLayer(
        conv,
        mixer,
        read_activation(document, activation, width),
        out,
        gating,
        None if gating == "none" else read_activation(document, secondary or "Sigmoid", width),
        head_1x1,
        films,
    )


def _films(
    document: Document, config: ArrayConfig, weights: Weights, sizes: dict[str, int]
) -> dict[str, Film]:
    """Read the FiLMs of a layer; ``sizes`` are the channels at each place, 0 if it is absent."""
    films = {}
    for key, place in _FILMS.items():
        film = getattr(config, key)
        if not film or not film.active:
            continue
        if place == "out_post" and not sizes[place]:
            raise document.fault("layer1x1_post_film without layer1x1; the file is damaged")
        if place == "head_post" and not sizes[place]:
            continue
        size = (2 if film.shift else 1) * sizes[place]
        conv = weights.conv(config.condition_size, size, bias=True, groups=film.groups)
        films[place] = Film(conv, film.shift)
    return films


def _post_head(
    document: Document, config: PostHeadConfig, weights: Weights, given: int
) -> list[tuple[Activation, Conv]]:
    """Read the layers after the last array, whose head has ``given`` channels."""
    if config.in_channels not in (None, given):
        raise document.fault(
            f"config.head.in_channels is {config.in_channels}, but the last array has {given} "
            "output channels; the file is damaged"
        )
    sizes = [config.channels] * (len(config.kernel_sizes) - 1) + [config.out_channels]
    pairs = []
    for taps, size in zip(config.kernel_sizes, sizes, strict=True):
        activation = read_activation(document, config.activation, given)
        pairs.append((activation, weights.conv(given, size, taps, bias=True)))
        given = size
    return pairs


def _with_post_head(net: WaveNet, post: Sequence[tuple[Activation, Conv]]) -> WaveNet:
    """Add the layers after the last array.

    Players apply the head scale before them; `WaveNet` applies it last. So it moves into the head.
    """
    last = net.arrays[-1]
    scale = np.float32(net.head_scale)
    scaled = dataclasses.replace(
        last.head,
        weight=last.head.weight * scale,
        bias=None if last.head.bias is None else last.head.bias * scale,
    )
    arrays = (*net.arrays[:-1], dataclasses.replace(last, head=scaled))
    return WaveNet(arrays, 1.0, tuple(post))
