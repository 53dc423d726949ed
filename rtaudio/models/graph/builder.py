"""The parts of an ONNX graph under construction."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

__all__ = ["GraphBuilder"]

IR_VERSION = 9


def _element(dtype: Any) -> int:
    """Return ONNX's number of a numpy type."""
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


class GraphBuilder:
    """Nodes, constants and states that become a graph; a method returns the name of what it adds.

    Parameters
    ----------
    opset
        Version of ONNX's operators.

    Examples
    --------
    >>> graph = GraphBuilder(17)
    >>> graph.give("audio", [1, 1, "frames"])
    >>> half = graph.op("Mul", "audio", graph.constant(0.5), to="audio_out")
    >>> graph.take("audio_out", [1, 1, "frames"])
    >>> [node.op_type for node in graph.model().graph.node]
    ['Mul']
    """

    def __init__(self, opset: int) -> None:
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self.count = 0

    def name(self, kind: str) -> str:
        """Return a new name that starts with ``kind``."""
        self.count += 1
        return f"{kind.lower()}.{self.count}"

    def give(self, name: str, shape: list[int | str], dtype: Any = np.float32) -> None:
        """Declare an input.

        Parameters
        ----------
        name
            Its name.
        shape
            Sizes of its axes; a text names a dynamic axis.
        dtype
            Its type.
        """
        self.inputs.append(helper.make_tensor_value_info(name, _element(dtype), shape))

    def take(self, name: str, shape: list[int | str], dtype: Any = np.float32) -> None:
        """Declare an output.

        Parameters
        ----------
        name
            Name of a value of the graph.
        shape
            Sizes of its axes; a text names a dynamic axis.
        dtype
            Its type.
        """
        self.outputs.append(helper.make_tensor_value_info(name, _element(dtype), shape))

    def op(self, kind: str, *inputs: str, to: str | None = None, **attributes: Any) -> str:
        """Add an operator that has one output.

        Parameters
        ----------
        kind
            ONNX's name of the operator.
        *inputs
            Names of its inputs.
        to
            Name of its output; None: a new name.
        **attributes
            Its attributes.
        """
        to = to or self.name(kind)
        self.nodes.append(helper.make_node(kind, list(inputs), [to], name=to, **attributes))
        return to

    def cast(self, value: str, dtype: Any, to: str | None = None) -> str:
        """Add a conversion to another type.

        Parameters
        ----------
        value
            Name of the value.
        dtype
            The new type.
        to
            Name of the output; None: a new name.
        """
        to = to or self.name("cast")
        self.nodes.append(helper.make_node("Cast", [value], [to], name=to, to=_element(dtype)))
        return to

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        """Add a constant.

        Parameters
        ----------
        value
            A number, or an array of any shape.
        dtype
            Its type in the graph.
        """
        name = self.name("constant")
        array = np.ascontiguousarray(value, dtype).reshape(np.shape(value))
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def integers(self, *values: int) -> str:
        """Add a constant list of int64."""
        return self.constant(np.array(values), np.int64)

    def state(
        self, shape: list[int | str], name: str | None = None, dtype: Any = np.float32
    ) -> tuple[str, str]:
        """Declare one state.

        Parameters
        ----------
        shape
            Sizes of its axes.
        name
            Its name; None: a new one.
        dtype
            Its type.

        Returns
        -------
        current, following
            Names to read the state from and to write it to.
        """
        name = name or self.name("past")
        self.give(f"state.{name}", shape, dtype)
        self.take(f"next.{name}", shape, dtype)
        return f"state.{name}", f"next.{name}"

    def model(self) -> onnx.ModelProto:
        """Return the graph as a model, without metadata."""
        return helper.make_model(
            helper.make_graph(self.nodes, "net", self.inputs, self.outputs, self.constants),
            opset_imports=[helper.make_opsetid("", self.opset)],
            ir_version=IR_VERSION,
            producer_name="rtaudio",
        )
