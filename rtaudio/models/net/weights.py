"""The tensors of a graph under the names that a hint gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import onnx.numpy_helper

from rtaudio.models.contract.card import ModelFile
from rtaudio.runtime.memory import Floats

__all__ = ["GraphWeights", "Misfit", "checked_size"]


class Misfit(ValueError):
    """The hint does not fit the graph."""


class GraphWeights:
    """The tensors of a graph under the names in one table of a hint.

    Parameters
    ----------
    file
        The model file.
    names
        The table: from a key to the name of a tensor.
    """

    def __init__(self, file: ModelFile, names: Mapping[str, Any]) -> None:
        self.names = names
        self._tensors = {tensor.name: tensor for tensor in file.proto.graph.initializer}

    def take(self, key: str, *shape: int) -> Floats:
        """Return a tensor in this shape; it may have other axes of length 1.

        Parameters
        ----------
        key
            Its key in the table.
        *shape
            Its shape.

        Raises
        ------
        KeyError, Misfit
            There is no such float32 tensor of that shape.
        """
        tensor = self._tensors[self.names[key]]
        if tensor.data_type != onnx.TensorProto.FLOAT or (
            [axis for axis in tensor.dims if axis != 1] != [axis for axis in shape if axis != 1]
        ):
            raise Misfit(key)
        array: Floats = onnx.numpy_helper.to_array(tensor)
        return array.reshape(shape)

    def table(self, names: Mapping[str, Any]) -> GraphWeights:
        """Return the same tensors under the names in another table.

        Parameters
        ----------
        names
            The other table.
        """
        other = GraphWeights.__new__(GraphWeights)
        other.names, other._tensors = names, self._tensors
        return other


def checked_size(value: object, largest: int) -> int:
    """Return a size of a hint.

    Parameters
    ----------
    value
        What the hint says.
    largest
        The largest size that is taken.

    Raises
    ------
    Misfit
        It is no int from 1 to ``largest``.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= largest:
        raise Misfit(value)
    return value
