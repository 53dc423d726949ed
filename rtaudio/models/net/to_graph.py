"""From a net to a streaming ONNX graph that keeps the contract: any block size, all state outside.

A causal convolution keeps its last inputs::

    state.k [1, C, past] --+
                           +-- Concat --+-- Conv --> y [1, C', frames]
    x       [1, C, frames] +            +-- Slice(-past:) --> next.k

A recurrent layer keeps its own state. By contract all state starts at zero; a start state is a
constant that is added before the layer and subtracted after it. Recurrent layers take the audio as
[frames, 1, C], all others as [1, C, frames].
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from rtaudio.models.graph.builder import GraphBuilder
from rtaudio.models.net.types import (
    Activation,
    BatchNorm,
    Conv,
    ConvLayer,
    Dense,
    Film,
    Gru,
    Lstm,
    Net,
    PRelu,
    Stack,
    WaveNet,
    WaveNetArray,
    WaveNetLayer,
)

__all__ = ["streaming_graph"]

OPSET = 17
_END = np.array([np.iinfo(np.int64).max])


def streaming_graph(net: Net) -> onnx.ModelProto:
    """Make the graph of a net, without metadata.

    The knobs of a `Stack` (its inputs after the audio) become the input ``params``.

    Examples
    --------
    >>> one = np.ones((1, 1), np.float32)
    >>> proto = streaming_graph(Stack((Dense(one, np.zeros(1, np.float32)),)))
    >>> [node.op_type for node in proto.graph.node]
    ['Conv', 'Identity']
    """
    graph = _Graph(OPSET)
    graph.give("audio", [1, 1, "frames"])
    if isinstance(net, Stack):
        y = graph.stack(net, "audio")
    else:
        y = graph.wavenet(net, "audio")
    graph.op("Identity", y, to="audio_out")
    graph.take("audio_out", [1, 1, "frames"])
    graph.outputs.insert(0, graph.outputs.pop())
    return graph.model()


class _Graph(GraphBuilder):
    """The graph of a net; a method returns the name of its result."""

    # Pieces

    def halves(self, x: str, size: int) -> tuple[str, str]:
        """Split x, of 2 * ``size`` channels, in the middle."""
        first, second = self.name("half"), self.name("half")
        sizes = self.integers(size, size)
        self.nodes.append(helper.make_node("Split", [x, sizes], [first, second], axis=1))
        return first, second

    def conv(self, conv: Conv, x: str) -> str:
        if conv.past:
            channels = conv.weight.shape[1] * conv.groups
            current, following = self.state([1, channels, conv.past])
            x = self.op("Concat", current, x, axis=2)
            start, end = self.integers(-conv.past), self.constant(_END, np.int64)
            self.op("Slice", x, start, end, self.integers(2), to=following)
        weights = [self.constant(conv.weight)]
        if conv.bias is not None:
            weights.append(self.constant(conv.bias))
        return self.op(
            "Conv",
            x,
            *weights,
            dilations=[conv.dilation],
            group=conv.groups,
            kernel_shape=[conv.weight.shape[2]],
        )

    def activation(self, activation: Activation, x: str) -> str:
        """Apply an activation to x [1, C, frames]."""
        values = activation.values
        match activation.name:
            case "linear":
                return x
            case "tanh" | "sigmoid" | "relu" | "softsign":
                return self.op(activation.name.capitalize(), x)
            case "hard_tanh":
                return self.op("Clip", x, self.constant(-1.0), self.constant(1.0))
            case "leaky_relu":
                return self.op("LeakyRelu", x, alpha=values[0])
            case "prelu":
                return self.op("PRelu", x, self.constant(np.array(values)[:, None]))
            case "silu":
                return self.op("Mul", x, self.op("Sigmoid", x))
            case "hard_swish":
                return self.op("HardSwish", x)
            case "elu":
                return self.op("Elu", x, alpha=values[0])
            case "softmax":
                return self.op("Softmax", x, axis=1)
            case "leaky_hard_tanh":
                return self.leaky_hard_tanh(x, *values)
            case "fast_tanh":
                return self.fast_tanh(x)
        raise ValueError(f"activation {activation.name!r} is unknown")

    def leaky_hard_tanh(
        self, x: str, low: float, high: float, low_slope: float, high_slope: float
    ) -> str:
        zero, bottom, top = self.constant(0.0), self.constant(low), self.constant(high)
        below = self.op("Min", self.op("Sub", x, bottom), zero)
        above = self.op("Max", self.op("Sub", x, top), zero)
        return self.op(
            "Sum", self.op("Clip", x, bottom, top),
            self.op("Mul", below, self.constant(low_slope)),
            self.op("Mul", above, self.constant(high_slope)),
        )  # fmt: skip

    def fast_tanh(self, x: str) -> str:
        """Write the rational function that .nam files call Fasttanh."""

        def times(a: str, factor: float) -> str:
            return self.op("Mul", a, self.constant(factor))

        def plus(a: str, b: str | float) -> str:
            return self.op("Add", a, b if isinstance(b, str) else self.constant(b))

        size, square = self.op("Abs", x), self.op("Mul", x, x)
        outer = plus(times(size, 2.45550750702956), 2.45550750702956)
        inner = plus(times(size, 0.821226666969744), 0.893229853513558)
        above = self.op("Mul", x, plus(outer, self.op("Mul", inner, square)))
        bent = plus(x, times(self.op("Mul", x, size), 0.814642734961073))
        weight = self.op("Abs", bent)
        below = plus(self.op("Mul", plus(square, 2.44506634652299), weight), 2.44506634652299)
        return self.op("Div", above, below)

    # A stack

    def stack(self, net: Stack, x: str) -> str:
        if net.in_gain != 1.0:
            x = self.op("Mul", x, self.constant(net.in_gain))
        audio = x
        if net.inputs > 1:
            self.give("params", [1, net.inputs - 1])
            knobs = self.op("Unsqueeze", "params", self.integers(2))
            x = self.op("Concat", x, self.op("Expand", knobs, self.op("Shape", "audio")), axis=1)
        frames_first = False
        for layer in net.layers:
            recurrent = isinstance(layer, Lstm | Gru)
            if recurrent != frames_first:
                x = self.op("Transpose", x, perm=[2, 0, 1] if recurrent else [1, 2, 0])
                frames_first = recurrent
            x = self.layer(layer, x)
        if frames_first:
            x = self.op("Transpose", x, perm=[1, 2, 0])
        if net.skip:
            x = self.op("Add", x, audio)
        if net.out_gain != 1.0:
            x = self.op("Mul", x, self.constant(net.out_gain))
        return x

    def layer(self, layer: Any, x: str) -> str:
        match layer:
            case Lstm():
                return self.lstm(layer, x)
            case Gru():
                return self.gru(layer, x)
            case Dense():
                return self.activation(
                    layer.activation, self.conv(Conv(layer.weight[:, :, None], layer.bias), x)
                )
            case ConvLayer():
                return self.activation(layer.activation, self.conv(layer.conv, x))
            case PRelu():
                return self.op("PRelu", x, self.constant(layer.slope[:, None]))
            case BatchNorm():
                scaled = self.op("Mul", x, self.constant(layer.scale[:, None]))
                return self.op("Add", scaled, self.constant(layer.shift[:, None]))
            case Activation():
                return self.activation(layer, x)
        raise ValueError(f"layer {layer!r} is unknown")

    def recurrent_state(self, start: NDArray[np.float32]) -> tuple[str, str, str | None]:
        """Declare a state with a start value; returns names to read and write it, and of the start.

        The last is None if the state starts at zero.
        """
        current, following = self.state([1, 1, start.size])
        if not start.any():
            return current, following, None
        offset = self.constant(start.reshape(1, 1, -1))
        return self.op("Add", current, offset), following, offset

    def lstm(self, layer: Lstm, x: str) -> str:
        size = layer.hidden.size

        def gates(weights: NDArray[np.float32]) -> NDArray[np.float32]:
            """Reorder gates: ONNX stacks i, o, f, c where torch stacks i, f, g, o."""
            i, f, g, o = np.split(weights, 4)
            return np.concatenate([i, o, f, g])[None]

        bias = np.concatenate([gates(layer.bias), np.zeros((1, 4 * size), np.float32)], axis=1)
        states = [self.recurrent_state(start) for start in (layer.hidden, layer.cell)]
        weights = [self.constant(w) for w in (gates(layer.weight_ih), gates(layer.weight_hh), bias)]
        return self.recurrent("LSTM", x, weights, states, size)

    def gru(self, layer: Gru, x: str) -> str:
        size = layer.weight_hh.shape[1]

        def gates(weights: NDArray[np.float32]) -> NDArray[np.float32]:
            """Reorder gates: ONNX stacks z, r, h where torch stacks r, z, n."""
            r, z, n = np.split(weights, 3)
            return np.concatenate([z, r, n])[None]

        bias = np.concatenate([gates(layer.bias_ih), gates(layer.bias_hh)], axis=1)
        states = [self.recurrent_state(np.zeros(size, np.float32))]
        weights = [self.constant(w) for w in (gates(layer.weight_ih), gates(layer.weight_hh), bias)]
        return self.recurrent("GRU", x, weights, states, size, linear_before_reset=1)

    def recurrent(
        self,
        kind: str,
        x: str,
        weights: list[str],
        states: list[tuple[str, str, str | None]],
        size: int,
        **attributes: Any,
    ) -> str:
        y = self.name(kind)
        ends = [following if start is None else self.name("end") for _, following, start in states]
        self.nodes.append(
            helper.make_node(
                kind,
                [x, *weights, "", *(current for current, _, _ in states)],
                [y, *ends],
                name=y,
                hidden_size=size,
                **attributes,
            )
        )
        for end, (_, following, start) in zip(ends, states, strict=True):
            if start is not None:
                self.op("Sub", end, start, to=following)
        return self.op("Squeeze", y, self.integers(1))

    # A WaveNet

    def wavenet(self, net: WaveNet, x: str) -> str:
        condition = x if net.condition is None else self.wavenet(net.condition, x)
        y, head = x, None
        for array in net.arrays:
            y, head = self.array(array, y, condition, head)
        assert head is not None
        for activation, conv in net.post:
            head = self.conv(conv, self.activation(activation, head))
        return self.op("Mul", head, self.constant(net.head_scale))

    def array(
        self, array: WaveNetArray, x: str, condition: str, head: str | None
    ) -> tuple[str, str]:
        y = self.conv(array.rechannel, x)
        mixed = self.mixers(array, condition)
        heads = [] if head is None else [head]
        for layer, mix in zip(array.layers, mixed, strict=True):
            y, z = self.wavenet_layer(layer, y, condition, mix)
            heads.append(z)
        return y, self.conv(array.head, self.op("Sum", *heads))

    def mixers(self, array: WaveNetArray, condition: str) -> list[str]:
        """Return the outputs of all mixers, by one convolution if no FiLM or group prevents it."""
        layers = array.layers
        if any(layer.mixer.groups > 1 or "mixer_pre" in layer.films for layer in layers):
            return [
                self.conv(layer.mixer, self.film(layer, "mixer_pre", condition, condition))
                for layer in layers
            ]
        weights = [layer.mixer.weight for layer in layers]
        mixed = self.conv(Conv(np.concatenate(weights)), condition)
        names = [self.name("mix") for _ in layers]
        sizes = self.integers(*(len(weight) for weight in weights))
        self.nodes.append(helper.make_node("Split", [mixed, sizes], names, axis=1))
        return names

    def wavenet_layer(
        self, layer: WaveNetLayer, y: str, condition: str, mix: str
    ) -> tuple[str, str]:
        """Return the signal for the next layer, and the signal for the head."""

        def film(place: str, signal: str) -> str:
            return self.film(layer, place, signal, condition)

        z = film("conv_post", self.conv(layer.conv, film("conv_pre", y)))
        z = film("activation_pre", self.op("Add", z, film("mixer_post", mix)))
        if layer.gating == "none":
            z = self.activation(layer.activation, z)
        else:
            assert layer.secondary is not None
            first, second = self.halves(z, layer.conv.weight.shape[0] // 2)
            active = self.activation(layer.activation, first)
            gate = self.activation(layer.secondary, second)
            if layer.gating == "gated":
                z = self.op("Mul", active, gate)
            else:
                change = self.op("Mul", gate, self.op("Sub", active, first))
                z = self.op("Add", first, change)
        z = film("activation_post", z)
        head = z if layer.head_1x1 is None else film("head_post", self.conv(layer.head_1x1, z))
        if layer.out is not None:
            y = self.op("Add", y, film("out_post", self.conv(layer.out, z)))
        return y, head

    def film(self, layer: WaveNetLayer, place: str, signal: str, condition: str) -> str:
        film: Film | None = layer.films.get(place)
        if film is None:
            return signal
        made = self.conv(film.conv, condition)
        if not film.shift:
            return self.op("Mul", signal, made)
        scale, shift = self.halves(made, film.conv.weight.shape[0] // 2)
        return self.op("Add", self.op("Mul", signal, scale), shift)
