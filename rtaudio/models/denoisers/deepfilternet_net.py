"""The graph of DeepFilterNet3 over one frame, made from the weights of its published graphs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx

from rtaudio.models.denoisers.deepfilternet_settings import OPSET, DeepFilterNetSettings
from rtaudio.models.graph.frames import FrameGraph
from rtaudio.models.graph.walk import GraphWalk
from rtaudio.runtime.memory import Array

START_DB = (-60.0, -90.0)
START_MAGNITUDE = (1e-3, 1e-4)
DB_SCALE = 40.0
DB_PER_LOG = 10.0 / math.log(10.0)
LEAST_POWER = 1e-10
TINY_POWER = 1e-36
"""Keeps the running level above zero in digital silence; any signal drowns it."""


class DeepFilterNetGraph(FrameGraph):
    """The graph under construction; its methods are named after the parts of the net.

    Frames stand in the axis of the channels: with one frame per call, a convolution over time is
    one over the channels of all frames that it sees. A value is given by its name in the graph.

    Parameters
    ----------
    settings
        Sizes of the net.
    """

    def __init__(self, settings: DeepFilterNetSettings) -> None:
        super().__init__(settings.fft_size, settings.hop_size, opset=OPSET)
        self.settings = settings
        self.bins = settings.fft_size // 2 + 1
        self.common = settings.nb_erb // 4 * settings.conv_ch
        self.latency_samples += settings.conv_lookahead * settings.hop_size
        angle = np.pi * (np.arange(self.n_fft) + 0.5) / self.n_fft
        self.window = np.sin(np.pi / 2 * np.sin(angle) ** 2)
        self.started, self.gate = self._flags()
        layers = settings.emb_num_layers + settings.df_num_layers
        hidden, self.next_hidden = self.state([layers, 1, settings.emb_hidden_dim], "gru")
        self.hidden = self._split(hidden, [1] * layers, axis=0)
        self.hidden_ends: list[str] = []

    def _flags(self) -> tuple[str, str | None]:
        """Return two flags: 1 after the first frame, and 1 from the frame where the net begins.

        Each frame pushes a 1 into a row of zeros that is as long as the look-ahead.
        """
        length = self.settings.conv_lookahead
        flags, following = self.state([max(length, 1)], "started")
        parts = self._split(flags, [1] * length, axis=0) if length > 1 else [flags]
        self.op("Concat", *parts[1:], self.constant(np.ones(1)), axis=0, to=following)
        return parts[-1], parts[0] if length else None

    # Pieces

    def _split(self, x: str, sizes: list[int], *, axis: int) -> list[str]:
        names = [self.name("part") for _ in sizes]
        node = onnx.helper.make_node(
            "Split", [x, self.integers(*sizes)], names, name=names[0], axis=axis
        )
        self.nodes.append(node)
        return names

    def _cut(self, x: str, *spans: tuple[int, int], to: str | None = None) -> str:
        """Slice the first axes."""
        starts, stops = zip(*spans, strict=True)
        axes = range(len(spans))
        ends = (self.integers(*values) for values in (starts, stops, axes))
        return self.op("Slice", x, *ends, to=to)

    def _gated(self, x: str, to: str | None = None) -> str:
        """Hold a value at zero before the net begins."""
        if self.gate is not None:
            return self.op("Mul", x, self.gate, to=to)
        return x if to is None else self.op("Identity", x, to=to)

    def _conv(self, x: str, weight: Array, bias: Array | None = None, **attributes: Any) -> str:
        width = weight.shape[3]
        weights = [self.constant(w) for w in (weight, bias) if w is not None]
        return self.op(
            "Conv",
            x,
            *weights,
            kernel_shape=[1, width],
            pads=[0, width // 2, 0, width // 2],
            **attributes,
        )

    def _flat(self, x: str) -> str:
        """Flatten [1, channels, 1, width], one bin after the other."""
        return self.reshape(self.op("Transpose", x, perm=[0, 2, 3, 1]), [-1])

    # The input of the net

    def features(self, spectrum: str) -> tuple[str, str]:
        """Return the inputs of the net for a spectrum [2, bins].

        Returns
        -------
        erb, spec
            Levels of the bands less their running mean [1, bands], and the lower bins divided by
            their running level [2, lower bins]. Levels are natural logarithms of powers; the factor
            to the net's unit, 40 dB, goes into the weights of the first convolution.
        """
        bands, lower = self.settings.nb_erb, self.settings.nb_df
        squares = self.op("Mul", spectrum, spectrum)
        tiny = self.constant([TINY_POWER])
        power = self.op("Gemm", self.constant(np.ones((1, 2))), squares, tiny)
        sizes = self.settings.band_bins
        mean = np.repeat(np.eye(bands) / sizes[:, None], sizes, axis=1).T
        level = self.op("Gemm", power, self.constant(mean), self.constant([LEAST_POWER]))
        level = self.op("Log", level)
        magnitude = self.op("Sqrt", self._cut(power, (0, 1), (0, lower)))
        seen = self.op("Concat", level, magnitude, axis=1)

        start = np.r_[np.linspace(*START_DB, bands) / DB_PER_LOG,
                      np.linspace(*START_MAGNITUDE, lower)]  # fmt: skip
        past, following = self.state([1, bands + lower], "norm")
        first = self.op("Sub", self.constant(np.ones(1)), self.started)
        past = self.op("Add", past, self.op("Mul", first, self.constant(start[None])))
        alpha = self.settings.alpha
        kept = self.op("Mul", past, self.constant(alpha))
        added = self.op("Mul", seen, self.constant(1 - alpha))
        running = self.op("Add", kept, added, to=following)
        mean_level, mean_magnitude = self._split(running, [bands, lower], axis=1)
        erb = self._gated(self.op("Sub", level, mean_level))
        one = self.constant(np.ones(1)) if self.gate is None else self.gate
        factor = self.op("Div", one, self.op("Sqrt", mean_magnitude))
        return erb, self.op("Mul", self._cut(spectrum, (0, 2), (0, lower)), factor)

    # Layers

    def input_conv(self, name: str, x: str, width: int, weight: Array, bias: Array) -> str:
        """Convolve the newest frames of features, with ReLU.

        Parameters
        ----------
        name
            Name of the state that holds the frames before the newest.
        x
            The newest frame, [in, width].
        width
            Bands or bins of a frame.
        weight, bias
            float32 [channels, in, frames, 3] and [channels].
        """
        _, channels, frames, _ = weight.shape
        x = self.reshape(x, [1, channels, 1, width])
        if frames > 1:
            past, following = self.state([1, channels * (frames - 1), 1, width], name)
            x = self.op("Concat", past, x, axis=1)
            self._cut(x, (0, 1), (channels, channels * frames), to=following)
        weight = weight.transpose(0, 2, 1, 3).reshape(len(weight), -1, 1, weight.shape[3])
        return self.op("Relu", self._conv(x, weight, bias))

    def separable(
        self, x: str, walk: GraphWalk, nodes: Sequence[onnx.NodeProto], *, stride: int = 1
    ) -> str:
        """Convolve each channel over frequency, then across channels, with ReLU.

        Parameters
        ----------
        x
            [1, channels, 1, width].
        walk
            The published graph.
        nodes
            Its operators, last one first: ReLU, across channels, over frequency.
        stride
            Step over frequency: down for a convolution, up for a transposed one.
        """
        (_, across, along), channels = nodes, self.settings.conv_ch
        weight = walk.constant(along, 1, channels, 1, 1, 3)
        walk.expect(along, group=channels, strides=[1, stride], pads=[0, 1, 0, 1])
        if along.op_type == "Conv":
            y = self._conv(x, weight, group=channels, strides=[1, stride])
        else:
            walk.expect(along, output_padding=[0, stride - 1])
            y = self.op(
                "ConvTranspose", x, self.constant(weight),
                kernel_shape=[1, 3], pads=[0, 1, 0, 1], output_padding=[0, stride - 1],
                strides=[1, stride], group=channels,
            )  # fmt: skip
        walk.expect(across, group=1, strides=[1, 1])
        weight = walk.constant(across, 1, channels, channels, 1, 1)
        return self.op("Relu", self._conv(y, weight, walk.constant(across, 2, channels)))

    def path(self, x: str, walk: GraphWalk, nodes: Sequence[onnx.NodeProto]) -> str:
        """Scale and shift every channel, with ReLU: the path from the encoder to the decoder.

        Parameters
        ----------
        x
            [1, channels, 1, width].
        walk
            The published graph.
        nodes
            Its operators, last one first: ReLU, convolution.
        """
        (_, conv), channels = nodes, self.settings.conv_ch
        walk.expect(conv, group=channels, strides=[1, 1])
        weight = walk.constant(conv, 1, channels, 1, 1, 1)
        bias = walk.constant(conv, 2, channels)
        return self.op("Relu", self._conv(x, weight, bias, group=channels))

    def grouped(self, x: str, walk: GraphWalk, einsum: onnx.NodeProto, size: int) -> str:
        """Multiply each group of values with a matrix of its own.

        Parameters
        ----------
        x
            ``size`` values.
        walk
            The published graph.
        einsum
            Its operator.
        size
            Number of values in all groups.

        Raises
        ------
        ValueError
            The matrices have another size.
        """
        walk.expect(einsum, equation="btgi,gih->btgh")
        weight = walk.constant(einsum, 1, None, None, None)
        if weight.shape[0] * weight.shape[1] != size:
            raise ValueError(f"{walk.name}: {einsum.name!r} does not take {size} values")
        x = self.reshape(x, [weight.shape[0], 1, weight.shape[1]])
        return self.op("MatMul", x, self.constant(weight))

    def recurrent(self, x: str, walk: GraphWalk, nodes: Sequence[onnx.NodeProto]) -> str:
        """Return the output of GRUs, [1, 1, hidden], after a grouped product with ReLU.

        Parameters
        ----------
        x
            Input of the grouped product.
        walk
            The published graph.
        nodes
            Its operators, last one first: GRUs, ReLU, grouped product.
        """
        *grus, _, einsum = nodes
        hidden = self.settings.emb_hidden_dim
        x = self.op("Relu", self.grouped(x, walk, einsum, self.common))
        x = self.reshape(x, [1, 1, hidden])
        for gru in reversed(grus):
            walk.expect(gru, hidden_size=hidden, linear_before_reset=1)
            weights = [
                walk.constant(gru, 1, 1, 3 * hidden, hidden),
                walk.constant(gru, 2, 1, 3 * hidden, hidden),
                walk.constant(gru, 3, 1, 6 * hidden),
            ]
            past, y = self.hidden[len(self.hidden_ends)], self.name("gru")
            inputs = [x, *(self.constant(weight) for weight in weights), "", past]
            node = onnx.helper.make_node(
                "GRU", inputs, ["", y], name=y, hidden_size=hidden, linear_before_reset=1
            )
            self.nodes.append(node)
            self.hidden_ends.append(y)
            x = y
        return x

    def keep_hidden(self) -> None:
        """Write the state of all GRUs; called after the last of them."""
        self._gated(self.op("Concat", *self.hidden_ends, axis=0), to=self.next_hidden)

    def time_conv(self, x: str, weight: Array, bias: Array) -> str:
        """Convolve over time, with ReLU.

        Each frame is multiplied with the weights of all times at once. The state keeps the parts of
        later outputs, which are far smaller than the frames themselves.

        Parameters
        ----------
        x
            The newest frame, [1, in, 1, lower bins].
        weight, bias
            float32 [out, in, frames, 1] and [out].
        """
        out, channels, frames, _ = weight.shape
        width, later = self.settings.nb_df, out * (frames - 1)
        weights = weight[:, :, ::-1, 0].transpose(2, 0, 1).reshape(-1, channels)
        biases = np.r_[bias, np.zeros(later)][:, None]
        x = self.reshape(x, [channels, width])
        y = self.op("Gemm", self.constant(weights), x, self.constant(biases))
        if later:
            past, following = self.state([later, width], "taps")
            padded = self.op("Concat", past, self.constant(np.zeros((out, width))), axis=0)
            y, rest = self._split(self.op("Add", y, padded), [out, later], axis=0)
            self._gated(rest, to=following)
        return self.op("Relu", y)

    # The three parts

    def encode(self, walk: GraphWalk, levels: str, lower: str) -> tuple[list[str], str, str]:
        """Write the encoder.

        Parameters
        ----------
        walk
            The published encoder.
        levels, lower
            As `features` returns them.

        Returns
        -------
        bands, bins, emb
            The bands at four depths, the lower bins at one, and the embedding of both.
        """
        settings, channels = self.settings, self.settings.conv_ch
        _, conv = walk.back("e0", "Relu", "Conv", source="feat_erb")
        walk.expect(conv, group=1, strides=[1, 1], pads=[0, 1, 0, 1])
        weight = walk.constant(conv, 1, channels, 1, None, 3) * (DB_PER_LOG / DB_SCALE)
        bias = walk.constant(conv, 2, channels)
        bands = [self.input_conv("erb", levels, settings.nb_erb, weight, bias)]
        for depth, stride in ((1, 2), (2, 2), (3, 1)):
            nodes = walk.back(f"e{depth}", "Relu", "Conv", "Conv", source=f"e{depth - 1}")
            bands.append(self.separable(bands[-1], walk, nodes, stride=stride))

        _, across, conv = walk.back("c0", "Relu", "Conv", "Conv", source="feat_spec")
        walk.expect(conv, group=2, strides=[1, 1], pads=[0, 1, 0, 1])
        weight = _joined(
            walk.constant(conv, 1, channels, 1, None, 3),
            walk.constant(across, 1, channels, channels, 1, 1),
        )
        bias = walk.constant(across, 2, channels)
        bins = self.input_conv("spec", lower, settings.nb_df, weight, bias)

        _, out, gru, relu, into, add = walk.back(
            "emb", "Relu", "Einsum", "GRU", "Relu", "Einsum", "Add"
        )
        walk.back(add.input[0], source="e3")
        _, einsum, *nodes = walk.back(
            add.input[1], "Relu", "Einsum", "Relu", "Conv", "Conv", source="c0"
        )
        y = self._flat(self.separable(bins, walk, nodes, stride=2))
        y = self.op("Relu", self.grouped(y, walk, einsum, settings.nb_df // 2 * channels))
        y = self.op("Add", self._flat(bands[3]), self.reshape(y, [-1]))
        y = self.recurrent(y, walk, [gru, relu, into])
        return bands, bins, self.op("Relu", self.grouped(y, walk, out, settings.emb_hidden_dim))

    def gains(self, walk: GraphWalk, bands: Sequence[str], emb: str) -> str:
        """Write the decoder of gains; returns a gain per band, [1, 1, 1, bands].

        Parameters
        ----------
        walk
            The published decoder.
        bands, emb
            As `encode` returns them.
        """
        settings, channels = self.settings, self.settings.conv_ch
        _, last, add = walk.back("m", "Sigmoid", "Conv", "Add")
        stages = []
        for depth, kind in ((0, "ConvTranspose"), (1, "ConvTranspose"), (2, "Conv")):
            path = walk.back(add.input[0], "Relu", "Conv", source=f"e{depth}")
            *nodes, following = walk.back(add.input[1], "Relu", "Conv", kind, "Add")
            stages.append((path, nodes))
            add = following
        path = walk.back(add.input[0], "Relu", "Conv", source="e3")
        grus = ["GRU"] * (settings.emb_num_layers - 1)
        _, out, *nodes = walk.back(
            add.input[1], "Relu", "Einsum", *grus, "Relu", "Einsum", source="emb"
        )
        y = self.recurrent(emb, walk, nodes)
        y = self.op("Relu", self.grouped(y, walk, out, settings.emb_hidden_dim))
        y = self.reshape(y, [1, 1, settings.nb_erb // 4, channels])
        y = self.op("Transpose", y, perm=[0, 3, 1, 2])
        y = self.op("Add", self.path(bands[3], walk, path), y)
        for depth, stride in ((2, 1), (1, 2), (0, 2)):
            path, nodes = stages[depth]
            y = self.separable(y, walk, nodes, stride=stride)
            y = self.op("Add", self.path(bands[depth], walk, path), y)
        walk.expect(last, group=1, strides=[1, 1], pads=[0, 1, 0, 1])
        weight, bias = walk.constant(last, 1, 1, channels, 1, 3), walk.constant(last, 2, 1)
        return self.op("Sigmoid", self._conv(y, weight, bias))

    def coefficients(self, walk: GraphWalk, bins: str, emb: str) -> str:
        """Write the decoder of coefficients; returns the filter, as `enhance` takes it.

        Parameters
        ----------
        walk
            The published decoder.
        bins, emb
            As `encode` returns them.
        """
        settings = self.settings
        hidden, parts = settings.df_hidden_dim, 2 * settings.df_order
        (add,) = walk.back("coefs", "Add")
        _, out, total = walk.back(add.input[0], "Tanh", "Einsum", "Add")
        grus = ["GRU"] * settings.df_num_layers
        nodes = walk.back(total.input[0], *grus, "Relu", "Einsum", source="emb")
        (skip,) = walk.back(total.input[1], "Einsum", source="emb")
        y = self.reshape(self.recurrent(emb, walk, nodes), [hidden])
        skipped = self.reshape(self.grouped(emb, walk, skip, self.common), [hidden])
        y = self.op("Tanh", self.grouped(self.op("Add", y, skipped), walk, out, hidden))
        y = self.op("Transpose", self.reshape(y, [settings.nb_df, parts]), perm=[1, 0])

        _, across, conv = walk.back(add.input[1], "Relu", "Conv", "Conv", source="c0")
        walk.expect(conv, group=2, strides=[1, 1], pads=[0, 0, 0, 0])
        weight = _joined(
            walk.constant(conv, 1, parts, settings.conv_ch // 2, None, 1),
            walk.constant(across, 1, parts, parts, 1, 1),
        )
        return self.op("Add", y, self.time_conv(bins, weight, walk.constant(across, 2, parts)))

    # The output

    def enhance(self, spectrum: str, gains: str, coefficients: str) -> str:
        """Return the enhanced spectrum [2, bins], of the frame before the look-ahead.

        Parameters
        ----------
        spectrum
            Of the newest frame, [2, bins].
        gains
            One per band.
        coefficients
            [2 order, lower bins]: real part, imaginary part, oldest frame first.
        """
        settings = self.settings
        order, lower = settings.df_order, settings.nb_df
        back = order - 1 - settings.df_lookahead
        past = settings.conv_lookahead + back
        kept, following = self.state([2 * past, self.bins], "spectra")
        frames = self.op("Concat", kept, spectrum, axis=0)
        self._cut(frames, (2, 2 * (past + 1)), to=following)

        # (a + ib)(c + id): a c - b d from the first set of products, a d + b c from the second.
        rows = np.arange(2 * order)
        pairs = self.constant(np.stack([rows, rows ^ 1]), np.int64)
        coefficients = self.op("Gather", coefficients, pairs, axis=0)
        products = self.op("Mul", coefficients, self._cut(frames, (0, 2 * order), (0, lower)))
        total = np.zeros((2, 4 * order))
        total[0, : 2 * order] = 1 - 2 * (rows % 2)
        total[1, 2 * order :] = 1
        products = self.reshape(products, [4 * order, lower])
        low = self._gated(self.op("MatMul", self.constant(total), products))

        upper = self._cut(frames, (2 * back, 2 * back + 2), (lower, self.bins))
        band = np.repeat(np.arange(settings.nb_erb), settings.band_bins)[lower:]
        gains = self.reshape(gains, [settings.nb_erb])
        gains = self.op("Gather", gains, self.constant(band, np.int64), axis=0)
        return self.op("Concat", low, self.op("Mul", upper, gains), axis=1)


def _joined(along: Array, across: Array) -> Array:
    """Merge a convolution in two groups and the 1x1 one after it: [out, in, time, bins]."""
    halves = np.split(along.astype(float), 2)
    mixes = np.split(across[..., 0, 0].astype(float), 2, axis=1)
    parts = [np.einsum("om,migb->oigb", mix, half) for mix, half in zip(mixes, halves, strict=True)]
    return np.concatenate(parts, axis=1)
