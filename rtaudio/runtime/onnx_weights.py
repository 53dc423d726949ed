"""The weights of a model, in memory once for all its sessions.

Each node has a session of its own, as a run takes locks of it. Weights are only read, so
sessions share them: ``AddInitializer`` gives a session tensors over memory that stands here, and a
container keeps the forms into which kernels pack them. ONNX Runtime locks the container only while
a session is made.
"""

from __future__ import annotations

import ctypes
import hashlib
import threading
from collections.abc import Iterator
from weakref import WeakValueDictionary

import numpy as np
import onnx
from onnx import numpy_helper

from rtaudio.runtime.memory import Array, aligned
from rtaudio.runtime.onnx_runtime import Tensors, api

__all__ = ["Weights", "shared_weights"]

_LEAST_BYTES = 4096
"""Smaller tensors are not worth it, and ONNX Runtime computes with some while it optimizes."""


class Weights:
    """The larger float tensors of a model; freed with the object.

    Whoever makes a session with them keeps the object for longer than the session.

    Parameters
    ----------
    model
        The ONNX file's bytes.

    Attributes
    ----------
    values
        Name -> address of the ``OrtValue``.
    packed
        The container of packed weights.
    """

    def __init__(self, model: bytes) -> None:
        self._tensors, self._arrays = Tensors(), list[Array]()
        self.values: dict[str, int] = {}
        for name, tensor in _large(onnx.load_from_string(model).graph):
            array = aligned(tensor.size)
            array[:] = tensor.ravel()
            self.values[name], _ = self._tensors.add(array.ctypes.data, tensor.shape, array.dtype)
            self._arrays.append(array)
        self.packed = ctypes.c_void_p()
        api().call("CreatePrepackedWeightsContainer", ctypes.byref(self.packed))

    def __del__(self) -> None:
        if getattr(self, "packed", None):
            api().release("ReleasePrepackedWeightsContainer", self.packed)


def _large(graph: onnx.GraphProto) -> Iterator[tuple[str, Array]]:
    """Yield names and values of initializers, and of constants, which become initializers."""
    protos = [(proto.name, proto) for proto in graph.initializer]
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            protos.append((node.output[0], node.attribute[0].t))
    for name, proto in protos:
        if proto.data_type == onnx.TensorProto.FLOAT:
            tensor = numpy_helper.to_array(proto)
            if tensor.nbytes >= _LEAST_BYTES:
                yield name, np.asarray(tensor)


_SHARED: WeakValueDictionary[bytes, Weights] = WeakValueDictionary()
_LOCK = threading.Lock()


def shared_weights(model: bytes) -> Weights:
    """Return the weights of a model: the same ones for as long as a session has them.

    Parameters
    ----------
    model
        The ONNX file's bytes.
    """
    key = hashlib.sha256(model).digest()
    with _LOCK:
        weights = _SHARED.get(key)
        if weights is None:
            weights = _SHARED[key] = Weights(model)
    return weights
