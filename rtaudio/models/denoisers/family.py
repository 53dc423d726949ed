"""A family of denoisers: how its files are recognised, and how they become a model file."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from rtaudio.errors import FormatError
from rtaudio.models.contract.card import Card, ModelFile
from rtaudio.models.graph.frames import FrameGraph
from rtaudio.models.onnx_player import proved_file

__all__ = ["Family", "GraphFile", "Part"]

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class GraphFile:
    """An ONNX file and its graph, of which nothing has been checked."""

    path: Path
    proto: onnx.ModelProto

    @property
    def inputs(self) -> list[tuple[str, Shape]]:
        """Name and shape of every input; an axis without a fixed size is None."""
        constants = {tensor.name for tensor in self.proto.graph.initializer}
        return [
            (value.name, tuple(a.dim_value or None for a in value.type.tensor_type.shape.dim))
            for value in self.proto.graph.input
            if value.name not in constants
        ]

    @property
    def outputs(self) -> list[str]:
        """Names of the outputs."""
        return [value.name for value in self.proto.graph.output]

    @property
    def opset(self) -> int:
        """Version of ONNX's operators; 0 if the file does not say it."""
        return max((e.version for e in self.proto.opset_import if e.domain == ""), default=0)

    @property
    def weights(self) -> int:
        """How many numbers its floating-point constants claim to have."""
        return sum(
            math.prod(tensor.dims)
            for tensor in (
                *self.proto.graph.initializer,
                *(a.t for node in self.proto.graph.node for a in node.attribute),
            )
            if tensor.data_type == onnx.TensorProto.FLOAT
        )


@dataclass(frozen=True)
class Part:
    """One graph of a family.

    Attributes
    ----------
    name
        What people call it, for messages.
    inputs
        Name and shape of its inputs in their order. The name "" is any name, an axis None any
        size, and an axis without a size in the file is any that is wanted.
    """

    name: str
    inputs: tuple[tuple[str, Shape], ...]

    def matches(self, file: GraphFile) -> bool:
        """Whether the graph of a file has these inputs."""
        found = file.inputs
        return len(found) == len(self.inputs) and all(
            wanted in ("", name)
            and len(shape) == len(axes)
            and all(a is None or b is None or a == b for a, b in zip(shape, axes, strict=True))
            for (name, shape), (wanted, axes) in zip(found, self.inputs, strict=True)
        )


@dataclass(frozen=True)
class Family:
    """What all files of a family have in common.

    Attributes
    ----------
    name, description
        As in the card.
    origin, license
        Where its authors publish it, and under which licence.
    rate_hz
        Sample rate.
    parts
        The graphs it consists of.
    build
        Makes the graph over audio of the files of these parts, in their order.
    """

    name: str
    description: str
    origin: str
    license: str
    rate_hz: int
    parts: tuple[Part, ...]
    build: Callable[[Sequence[GraphFile]], FrameGraph]

    def model_file(self, path: Path, files: Sequence[GraphFile]) -> ModelFile:
        """Make the model file of the files of all parts; ``path`` is what the user named.

        Raises
        ------
        FormatError
            The graphs are damaged, or make no usable signal.
        ContractError
            They hold what is not played.
        """
        try:
            graph = self.build(files)
        except ValueError as error:
            raise FormatError(f"{path}: not {self.name} as published: {error}") from None
        card = Card(
            name=self.name,
            description=self.description,
            rate_hz=self.rate_hz,
            channels=(1, 1),
            task="denoise",
            hop=graph.hop,
            latency_samples=graph.latency_samples,
            architecture={
                "type": self.name,
                "n_fft": graph.n_fft,
                "weights": sum(file.weights for file in files),
            },
            across_bins=graph.across_bins,
            license=self.license,
            provenance={
                "source": f"user's copy of {self.origin}",
                "files": [file.path.name for file in files],
            },
        )
        made = proved_file(path, graph.model(), card)
        return dataclasses.replace(made, sources=tuple(file.path for file in files))
