"""The weights of a graph, found by where they stand in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from rtaudio.models.denoisers.family import GraphFile

__all__ = ["GraphWalk"]

_REARRANGING = ("Reshape", "Transpose", "Squeeze", "Unsqueeze", "Pad")
_LEAST_INPUTS = {"Add": 2}


class GraphWalk:
    """A graph, walked from its outputs back to its inputs.

    Names of inner values and weights differ from export to export; the order of operators does not.
    What only rearranges or pads a value, and how its sizes are computed, is passed over.

    Parameters
    ----------
    file
        The graph; none of its tensors is read before its size is checked.

    Examples
    --------
    >>> walk = GraphWalk(file)                                          # doctest: +SKIP
    >>> relu, conv = walk.back("e0", "Relu", "Conv", source="feat_erb") # doctest: +SKIP
    >>> walk.constant(conv, 1, 64, 1, 3, 3).shape                       # doctest: +SKIP
    (64, 1, 3, 3)
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
        kinds
            Their types; from each the walk goes on at its first input.
        source
            What the first of them must take; None: anything.

        Raises
        ------
        ValueError
            Others made it.
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

    def constant(self, node: onnx.NodeProto, place: int, *shape: int | None) -> NDArray[np.float32]:
        """Return the float32 constant that is an input of a node; None is any size.

        Raises
        ------
        ValueError
            It is not a constant of that shape.
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
        """Make sure that a node has these attributes.

        Raises
        ------
        ValueError
            It has not.
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
        """Pass over what only rearranges; a graph may hold a circle, a walk does not."""
        for _ in range(len(self._maker)):
            node = self._maker.get(value)
            if node is None or node.op_type not in _REARRANGING or not node.input:
                break
            value = node.input[0]
        return value
