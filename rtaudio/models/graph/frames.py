"""A third-party graph over single frames of a signal, as a model file over audio.

Every part is a method of `FrameGraph`, called in the order of the signal::

    graph = FrameGraph(512, 256, opset=11)
    spectrum = graph.transform(graph.frame(), window, [1, 257, 1, 2])   # re, im last
    made = graph.insert(inner, {"mix": spectrum}, {"cache": "cache_out"})
    graph.overlap_add(graph.inverse(made["enh"], window, pairs=True))
    proto = graph.model()                                               # audio -> audio_out
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx

from rtaudio.models.graph.builder import GraphBuilder
from rtaudio.models.graph.fourier import FourierStages
from rtaudio.runtime.memory import Array

__all__ = ["FrameGraph"]


_RECURRENT = ("LSTM", "GRU", "RNN")


class FrameGraph(GraphBuilder):
    r"""A graph that keeps the contract, around graphs that take one frame at a time.

    ::

        state.history [1, 1, n_fft - hop] | audio [1, 1, hop]
        \____________________________________________________/  frame
              * window -> Fourier -> inserted graphs -> inverse Fourier -> * window
        /----------------------------------------------------\
        + state.overlap [1, 1, n_fft - hop]                     overlap_add
        = audio_out [1, 1, hop]            | next.overlap

    Parameters
    ----------
    n_fft, hop
        Length of a frame, and its distance to the next one, in samples.
    opset
        Version of ONNX's operators; that of the graphs to be inserted.

    Attributes
    ----------
    latency_samples
        n_fft - hop; a graph that answers later adds its own latency.
    across_bins
        Names of the recurrent nodes of inserted graphs that run both ways. Each call passes one
        frame, so they cannot run along time (see `rtaudio.models.contract.card.Card`).
    """

    def __init__(self, n_fft: int, hop: int, *, opset: int) -> None:
        super().__init__(opset)
        self.n_fft = n_fft
        self.hop = hop
        self.latency_samples = n_fft - hop
        self.across_bins: tuple[str, ...] = ()
        self.fourier = FourierStages.of(n_fft)
        self.ir_version = 0
        self.give("audio", [1, 1, hop])

    def frame(self) -> str:
        """Return the newest ``n_fft`` samples, [1, 1, n_fft]."""
        kept = self.n_fft - self.hop
        past, following = self.state([1, 1, kept], "history")
        frame = self.op("Concat", past, "audio", axis=2)
        self._slice(frame, self.hop, self.n_fft, to=following)
        return frame

    def transform(self, frame: str, window: Array | None, shape: list[int]) -> str:
        """Return the bins of a frame.

        Parameters
        ----------
        frame
            ``n_fft`` values.
        window
            ``n_fft`` factors; None: no window.
        shape
            Shape of the result, 2 * bins values. Real and imaginary part are the last axis, of
            size 2, or else another axis of size 2.
        """
        stages, order = self.fourier, self.fourier.order
        if shape[-1] == 2:
            order = order.reshape(2, -1).T
        x = frame if window is None else self.op("Mul", frame, self.constant(window))
        x = self.reshape(x, [stages.rows, stages.columns])
        x = self.op("MatMul", self.constant(stages.first), x)
        x = self.reshape(x, [stages.kept, 1, 2 * stages.columns])
        x = self.op("MatMul", x, self.constant(stages.second))
        x = self.reshape(x, [2 * stages.kept * stages.columns])
        return self.op("Gather", x, self.constant(order.reshape(shape), np.int64), axis=0)

    def inverse(self, spectrum: str, window: Array | None, *, pairs: bool) -> str:
        """Return the frame [1, 1, n_fft] of a spectrum.

        Parameters
        ----------
        spectrum
            2 * bins values of any shape.
        window
            ``n_fft`` factors for the result; None: no window.
        pairs
            Order of the spectrum: True has the real and imaginary part of each bin side by side,
            False has all real parts before all imaginary parts.
        """
        stages, places = self.fourier, self.fourier.places
        if pairs:
            places = 2 * (places % stages.bins) + places // stages.bins
        rows = [stages.kept, 1, 2 * stages.columns]
        x = self.reshape(spectrum, [2 * stages.bins])
        x = self.op("Gather", x, self.constant(places.reshape(rows), np.int64), axis=0)
        x = self.op("MatMul", x, self.constant(stages.second_inverse))
        x = self.reshape(x, [2 * stages.kept, stages.columns])
        x = self.op("MatMul", self.constant(stages.first.T), x)
        x = self.reshape(x, [1, 1, self.n_fft])
        return x if window is None else self.op("Mul", x, self.constant(window))

    def overlap_add(self, frame: str) -> None:
        """Add up frames [1, 1, n_fft], hop by hop, to the output."""
        kept = self.n_fft - self.hop
        past, following = self.state([1, 1, kept], "overlap")
        padded = self.op("Concat", past, self.constant(np.zeros((1, 1, self.hop))), axis=2)
        total = self.op("Add", frame, padded)
        self._slice(total, 0, self.hop, to="audio_out")
        self._slice(total, self.hop, self.n_fft, to=following)
        self.take("audio_out", [1, 1, self.hop])

    def insert(
        self,
        proto: onnx.ModelProto,
        inputs: Mapping[str, str],
        states: Mapping[str, str] | None = None,
        *,
        prefix: str = "net",
    ) -> dict[str, str]:
        """Add all of a graph, with a prefix before its names.

        Parameters
        ----------
        proto
            The graph. Its states start at zero, and it takes one frame at a time.
        inputs
            Its input -> the value of this graph that it takes, of the same shape.
        states
            Its input -> its output that it takes there with the next frame. An axis without a
            fixed size is 1.
        prefix
            A word that no other inserted graph has.

        Returns
        -------
        dict
            Its output -> the name of it in this graph, for all outputs that are not states.

        Raises
        ------
        ValueError
            It is written in another opset, or lacks these inputs and outputs.
        """
        states = states or {}
        opset = {entry.domain: entry.version for entry in proto.opset_import}.get("")
        if opset != self.opset:
            raise ValueError(f"opset {opset}, not {self.opset}")
        shapes = {value.name: value for value in proto.graph.input}
        outputs = [value.name for value in proto.graph.output]
        for name in (*inputs, *states):
            if name not in shapes:
                raise ValueError(f"no input {name!r}")
        names = {"": "", **inputs}
        for current, following in states.items():
            if following not in outputs:
                raise ValueError(f"no output {following!r}")
            axes = shapes[current].type.tensor_type.shape.dim
            names[current], names[following] = self.state(
                [axis.dim_value or 1 for axis in axes], f"{prefix}.{current}"
            )
        self._insert(proto.graph, names, prefix)
        self.ir_version = max(self.ir_version, proto.ir_version)
        left = (name for name in outputs if name not in states.values())
        return {name: names.get(name, f"{prefix}.{name}") for name in left}

    def _insert(self, graph: onnx.GraphProto, names: dict[str, str], prefix: str) -> None:
        """Copy nodes and constants; adds the names of all values to ``names``."""

        def renamed(name: str) -> str:
            return names.setdefault(name, f"{prefix}.{name}")

        for tensor in graph.initializer:
            copy = onnx.TensorProto()
            copy.CopyFrom(tensor)
            copy.name = renamed(tensor.name)
            self.constants.append(copy)
        for place, node in enumerate(graph.node):
            copied = onnx.NodeProto()
            copied.CopyFrom(node)
            copied.name = f"{prefix}.{place}.{node.op_type}"
            copied.input[:] = [renamed(name) for name in node.input]
            copied.output[:] = [renamed(name) for name in node.output]
            self.nodes.append(copied)
            if node.op_type in _RECURRENT and any(
                attribute.name == "direction" and attribute.s == b"bidirectional"
                for attribute in node.attribute
            ):
                self.across_bins += (copied.name,)

    def model(self) -> onnx.ModelProto:
        """Return the graph as a model, without metadata."""
        proto = super().model()
        proto.ir_version = max(proto.ir_version, self.ir_version)
        return proto

    def reshape(self, x: str, shape: list[int]) -> str:
        """Return a value in another shape.

        Parameters
        ----------
        x
            The value.
        shape
            Sizes of the axes.
        """
        return self.op("Reshape", x, self.integers(*shape))

    def _slice(self, x: str, start: int, stop: int, *, to: str) -> None:
        ends = (self.integers(n) for n in (start, stop, 2))
        self.op("Slice", x, *ends, to=to)
