"""An ONNX file and its graph, before anything is checked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import onnx

__all__ = ["GraphFile", "Shape"]

Shape = tuple[int | None, ...]
"""Sizes of axes; None is an axis without a fixed size."""


@dataclass(frozen=True)
class GraphFile:
    """An ONNX file and its graph, of which nothing has been checked."""

    path: Path
    proto: onnx.ModelProto

    @property
    def inputs(self) -> list[tuple[str, Shape]]:
        """Name and shape of every input."""
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
        """Version of ONNX's operators; 0 if the file states none."""
        return max((e.version for e in self.proto.opset_import if e.domain == ""), default=0)

    @property
    def weights(self) -> int:
        """Number of values that its floating-point constants claim to have."""
        return sum(
            math.prod(tensor.dims)
            for tensor in (
                *self.proto.graph.initializer,
                *(a.t for node in self.proto.graph.node for a in node.attribute),
            )
            if tensor.data_type == onnx.TensorProto.FLOAT
        )
