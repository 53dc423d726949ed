"""A family of denoisers: how its files are recognised, and how they become a model file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rtaudio.errors import FormatError
from rtaudio.models.contract.card import Card, ModelFile
from rtaudio.models.graph.file import GraphFile, Shape
from rtaudio.models.graph.frames import FrameGraph
from rtaudio.models.onnx_player import proved_file

__all__ = ["Family", "Part"]


@dataclass(frozen=True)
class Part:
    """One graph of a family.

    Attributes
    ----------
    name
        For messages.
    inputs
        Name and shape of its inputs in their order. The name "" matches any name, an axis None any
        size, and an axis without a size in the file matches any.
    """

    name: str
    inputs: tuple[tuple[str, Shape], ...]

    def matches(self, file: GraphFile) -> bool:
        """Return whether the graph of a file has these inputs."""
        found = file.inputs
        return len(found) == len(self.inputs) and all(
            wanted in ("", name)
            and len(shape) == len(axes)
            and all(a is None or b is None or a == b for a, b in zip(shape, axes, strict=True))
            for (name, shape), (wanted, axes) in zip(found, self.inputs, strict=True)
        )


@dataclass(frozen=True)
class Family:
    """The common properties of all files of a family.

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
        From the files of these parts, in their order, to the graph over audio.
    """

    name: str
    description: str
    origin: str
    license: str
    rate_hz: int
    parts: tuple[Part, ...]
    build: Callable[[Sequence[GraphFile]], FrameGraph]

    def model_file(self, path: Path, files: Sequence[GraphFile]) -> ModelFile:
        """Return the model file of a denoiser.

        Parameters
        ----------
        path
            The file or folder that the user named, for messages.
        files
            The files of all parts, in their order.

        Raises
        ------
        FormatError
            The graphs are damaged, or make no usable signal.
        ContractError
            They break the contract.
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
