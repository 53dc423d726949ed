r"""Nets as plain data: the form between all file formats and all engines.

::

    .onnx (with a hint)  .nam  .aidax / RTNeural .json  GuitarML .json
              \             |             |              /
               +------------+--- Net -----+-------------+
                            /             \
             native kernel (one node)     streaming ONNX graph (ONNX Runtime, export)

A net is a `Stack` (layers one after the other: recurrent, dense, convolution, ...) or a
`WaveNet` (residual arrays of dilated convolutions with a summed head). All weights are float32 in
torch layout. All nets are causal: one sample in, one sample out, without delay. Readers check the
shapes; the constructors do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from rtaudio.runtime.memory import Floats

__all__ = [
    "LINEAR",
    "MAX_RECEPTIVE_FIELD",
    "Activation",
    "BatchNorm",
    "Conv",
    "ConvLayer",
    "Dense",
    "Film",
    "Gru",
    "Layer",
    "Lstm",
    "Net",
    "PRelu",
    "Stack",
    "WaveNet",
    "WaveNetArray",
    "WaveNetLayer",
]


@dataclass(frozen=True)
class Activation:
    """A function of one sample.

    ``name`` is one of linear, tanh, hard_tanh, fast_tanh, relu, leaky_relu, prelu, sigmoid, silu,
    hard_swish, leaky_hard_tanh, softsign, elu, softmax. ``values`` are its constants: the slope of
    leaky_relu, one slope per channel of prelu, (low, high, low slope, high slope) of
    leaky_hard_tanh, alpha of elu.
    """

    name: str = "linear"
    values: tuple[float, ...] = ()


LINEAR = Activation()

MAX_RECEPTIVE_FIELD = 1 << 20
"""Samples; no reader takes a net that looks further back."""


@dataclass(frozen=True)
class Conv:
    """Causal convolution; ``weight`` (out, in / groups, taps), ``bias`` (out,) or None.

    The last tap meets the newest sample; ``dilation`` is in samples. One tap is a 1x1 convolution.
    """

    weight: Floats
    bias: Floats | None = None
    dilation: int = 1
    groups: int = 1

    @property
    def past(self) -> int:
        """Samples before a block that its first output needs."""
        return int(self.weight.shape[2] - 1) * self.dilation


# Layers of a stack


@dataclass(frozen=True)
class Lstm:
    """``weight_ih`` (4H, in), ``weight_hh`` (4H, H), ``bias`` (4H,), gates in the order i, f, g, o;
    start state ``hidden`` and ``cell`` (H,).
    """

    weight_ih: Floats
    weight_hh: Floats
    bias: Floats
    hidden: Floats
    cell: Floats


@dataclass(frozen=True)
class Gru:
    """``weight_ih`` (3H, in), ``weight_hh`` (3H, H), ``bias_ih`` and ``bias_hh`` (3H,), gates in
    the order r, z, n: n = tanh(x part + r * (h part)); h = (1 - z) n + z h. Starts at zero.
    """

    weight_ih: Floats
    weight_hh: Floats
    bias_ih: Floats
    bias_hh: Floats


@dataclass(frozen=True)
class Dense:
    """activation(``weight`` (out, in) x + ``bias`` (out,)), sample by sample."""

    weight: Floats
    bias: Floats
    activation: Activation = LINEAR


@dataclass(frozen=True)
class ConvLayer:
    """activation(conv(x))."""

    conv: Conv
    activation: Activation = LINEAR


@dataclass(frozen=True)
class PRelu:
    """x where it is positive, else ``slope`` (channels,) x."""

    slope: Floats


@dataclass(frozen=True)
class BatchNorm:
    """``scale`` x + ``shift``, each (channels,): the folded form of evaluation mode."""

    scale: Floats
    shift: Floats


Layer = Lstm | Gru | Dense | ConvLayer | PRelu | BatchNorm | Activation


@dataclass(frozen=True)
class Stack:
    """``out_gain`` (layers(``in_gain`` x, knobs) + skip ``in_gain`` x); gains are factors.

    The first layer has ``inputs`` channels: the audio, then one constant channel for each knob.
    The last layer has one channel. ``skip`` adds the audio channel of the input to the output.
    """

    layers: tuple[Layer, ...]
    inputs: int = 1
    skip: bool = False
    in_gain: float = 1.0
    out_gain: float = 1.0


# WaveNet


@dataclass(frozen=True)
class Film:
    """y * scale(c) + shift(c) with the condition c; ``conv`` is 1x1 and makes the scales and, if
    ``shift``, the shifts after them.
    """

    conv: Conv
    shift: bool


@dataclass(frozen=True)
class WaveNetLayer:
    """One dilated layer, with the condition x and the signal y from layer to layer::

        z     = activation(conv(y) + mixer(x))                 gating "none"
        head += head_1x1(z)          or z, without one
        y    += out(z)               or unchanged, without one

    ``gating`` "gated": conv and mixer have twice the rows; z = activation(first half) *
    secondary(second half); "blended": z = a activation(first half) + (1 - a) first half, with
    a = secondary(second half). ``films`` are keyed by place: conv_pre, conv_post, mixer_pre,
    mixer_post, activation_pre, activation_post, out_post, head_post.
    """

    conv: Conv
    mixer: Conv
    activation: Activation
    out: Conv | None
    gating: Literal["none", "gated", "blended"] = "none"
    secondary: Activation | None = None
    head_1x1: Conv | None = None
    films: Mapping[str, Film] = field(default_factory=dict)


@dataclass(frozen=True)
class WaveNetArray:
    """y = ``rechannel`` (1x1) of the signal of the array before; then the layers; then the ``head``
    of the sum that they add up.
    """

    rechannel: Conv
    layers: tuple[WaveNetLayer, ...]
    head: Conv


@dataclass(frozen=True)
class WaveNet:
    """Arrays; each takes the signal and the head of the one before it.

    ``post`` are pairs of activation and convolution after the last head. The output is
    ``head_scale`` times the result. The condition of all layers is the input of the net, or the
    output of the net ``condition`` for it.
    """

    arrays: tuple[WaveNetArray, ...]
    head_scale: float
    post: tuple[tuple[Activation, Conv], ...] = ()
    condition: WaveNet | None = None

    @property
    def receptive_field(self) -> int:
        """Samples of input that one output sample depends on, itself included."""
        own = sum(layer.conv.past for array in self.arrays for layer in array.layers)
        own += sum(array.head.past for array in self.arrays)
        own += sum(conv.past for _, conv in self.post)
        return own + (self.condition.receptive_field if self.condition else 1)


Net = Stack | WaveNet
