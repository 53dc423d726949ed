"""The weights of a graph, found by their place in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from rtaudio.models.graph.file import GraphFile
from rtaudio.runtime.memory import Floats

__all__ = ["GraphWalk"]

_REARRANGING = ("Reshape", "Transpose", "Squeeze", "Unsqueeze", "Pad")
_LEAST_INPUTS = {"Add": 2}


class GraphWalk:
    """A graph, walked from its outputs back to its inputs.

    Names of inner values and weights differ from export to export; the order of operators does not.
    The walk skips operators that only rearrange or pad a value, and the computation of their sizes.

    Parameters
    ----------
    file
        The graph. The size of a tensor is checked before it is read.

    Examples
    --------
    >>> from pathlib import Path
    >>> from rtaudio.models.graph.builder import GraphBuilder
    >>> graph = GraphBuilder(17)
    >>> weight = graph.constant(np.ones((4, 1, 3)))
    >>> _ = graph.op("Relu", graph.op("Conv", "audio", weight), to="y")
    >>> walk = GraphWalk(GraphFile(Path("net.onnx"), graph.model()))
    >>> relu, conv = walk.back("y", "Relu", "Conv", source="audio")
    >>> walk.constant(conv, 1, 4, 1, None).shape
    (4, 1, 3)
    """

    def __init__(self, file: GraphFile) -> None:
        self.name = file.path.name
        graph = file.proto.graph
        self._maker = {name: node for node in graph.node for name in node.output}
        self._tensors = {tensor.name: tensor for tensor in graph.initializer}
        for node in graph.node:
            if node.op_type == "Constant" and node.attribute and node.output:
                self._tensors[node.output[0]] = node.attribute[0].t

    def back(self, value: str, *kinds: str, source: str | None = None) -> list[onnx.NodeProto]:
        """Return the operators that made a value, last one first.

        Parameters
        ----------
        value
            Name of the value.
        *kinds
            Their types; from each the walk goes on at its first input.
        source
            Name of the value that the first of them takes; None: any.

        Raises
        ------
        ValueError
            Other operators made the value.
        """
        nodes = []
        at = value
        for kind in kinds:
            node = self._maker.get(self._origin(at))
            if node is None or node.op_type != kind or len(node.input) < _LEAST_INPUTS.get(kind, 1):
                found = "nothing" if node is None else node.op_type
                raise ValueError(f"{self.name} has {found} where {kind} was expected ({value})")
            nodes.append(node)
            at = node.input[0]
        if source is not None and self._origin(at) != source:
            raise ValueError(f"in {self.name}, {value} is not made of {source}")
        return nodes

    def constant(self, node: onnx.NodeProto, place: int, *shape: int | None) -> Floats:
        """Return a constant input of a node.

        Parameters
        ----------
        node
            The node.
        place
            Which of its inputs.
        *shape
            Shape that it must have; None is an axis of any size.

        Raises
        ------
        ValueError
            The input is not a float32 constant of that shape.
        """
        name = node.input[place] if place < len(node.input) else ""
        tensor = self._tensors.get(name, onnx.TensorProto())
        dims = list(tensor.dims)
        fits = len(dims) == len(shape) and all(
            size in (wanted, wanted or size) for size, wanted in zip(dims, shape, strict=True)
        )
        inside = tensor.data_location == onnx.TensorProto.DEFAULT and not tensor.external_data
        held = len(tensor.raw_data) // 4 or len(tensor.float_data)
        if (
            not fits
            or not inside
            or tensor.data_type != onnx.TensorProto.FLOAT
            or min(dims) < 1
            or held != int(np.prod(dims, dtype=object))
        ):
            wanted = [size or "any" for size in shape]
            raise ValueError(f"{self.name}: weights {name!r} are not float32 of shape {wanted}")
        return np.asarray(numpy_helper.to_array(tensor), np.float32)

    def expect(self, node: onnx.NodeProto, **attributes: int | Sequence[int] | str) -> None:
        """Check attributes of a node.

        Parameters
        ----------
        node
            The node.
        **attributes
            Their names and values.

        Raises
        ------
        ValueError
            One is absent or has another value.
        """
        found: dict[str, Any] = {
            attribute.name: onnx.helper.get_attribute_value(attribute)
            for attribute in node.attribute
        }
        for name, wanted in attributes.items():
            value = found.get(name)
            value = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
            if value != wanted:
                raise ValueError(
                    f"{self.name}: {node.op_type} {node.name!r} has {name} = {value}, not {wanted}"
                )

    def _origin(self, value: str) -> str:
        """Skip operators that only rearrange; ends even in a damaged graph with a circle."""
        for _ in range(len(self._maker)):
            node = self._maker.get(value)
            if node is None or node.op_type not in _REARRANGING or not node.input:
                break
            value = node.input[0]
        return value
