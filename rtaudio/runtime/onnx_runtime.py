"""ONNX Runtime below the interpreter: the C API of the shared library inside the installed wheel.

The wheel carries a library of its own beside its Python module. Its function table is append-only,
so functions are found by position. Everything here runs off the audio thread; the node that calls
``Run`` is in :mod:`rtaudio.runtime.onnx_node`.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rtaudio.runtime.abi import Foreign
from rtaudio.runtime.system import ORT_LIBRARY

_API_VERSION = 17
_POSITIONS = {
    "GetErrorMessage": 2,
    "CreateEnv": 3,
    "Run": 9,
    "CreateSessionOptions": 10,
    "DisableCpuMemArena": 19,
    "SetSessionGraphOptimizationLevel": 23,
    "SetIntraOpNumThreads": 24,
    "SetInterOpNumThreads": 25,
    "CreateTensorWithDataAsOrtValue": 49,
    "CreateCpuMemoryInfo": 69,
    "ReleaseStatus": 93,
    "ReleaseSession": 95,
    "ReleaseValue": 96,
    "ReleaseSessionOptions": 100,
    "AddSessionConfigEntry": 130,
    "AddInitializer": 150,
    "CreatePrepackedWeightsContainer": 166,
    "ReleasePrepackedWeightsContainer": 167,
    "CreateSessionFromArrayWithPrepackedWeightsContainer": 169,
}
_ELEMENT_TYPES = {np.dtype(np.float32): 1, np.dtype(np.int64): 7}
_LOG_FATAL_ONLY = 4


@dataclass(frozen=True)
class ApiFunction(Foreign):
    """A function of the C API."""

    name: str


@dataclass(frozen=True)
class ModelSession(Foreign):
    """A session of a model, with the options of `Session`."""

    model: bytes


@dataclass(frozen=True)
class Tensor(Foreign):
    """An ``OrtValue`` over memory: its shape, and its element type as the C API numbers it."""

    shape: tuple[int, ...]
    element_type: int
    bytes: int


Provider = Literal["cpu", "cuda"]
"""Where ONNX Runtime computes."""

_CUDA = "OrtSessionOptionsAppendExecutionProvider_CUDA"
"""A function that only the library of the package onnxruntime-gpu has."""


class OnnxRuntimeError(RuntimeError):
    """ONNX Runtime is missing, too old, or refused a model; the message is its reason."""


def library_path() -> Path:
    """Return the shared library of the installed onnxruntime wheel.

    Raises
    ------
    OnnxRuntimeError
        There is no wheel, or it carries no library of its own.
    """
    spec = importlib.util.find_spec("onnxruntime")
    if spec is None or spec.origin is None:
        raise OnnxRuntimeError("onnxruntime is not installed; pip install onnxruntime")
    folder = Path(spec.origin).parent / "capi"
    found = sorted(folder.glob(ORT_LIBRARY))
    if not found:
        raise OnnxRuntimeError(
            f"the onnxruntime wheel has no {ORT_LIBRARY}; pip install 'onnxruntime>=1.19'"
        )
    return found[-1]


class _Api:
    """The function table, one process-wide environment, and the CPU memory description."""

    def __init__(self) -> None:
        # Its telemetry would start threads, write to the user's cache and call home.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        self.library = ctypes.CDLL(str(library_path()))

        class Base(ctypes.Structure):
            _fields_ = [
                ("GetApi", ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint32)),
                ("GetVersionString", ctypes.CFUNCTYPE(ctypes.c_char_p)),
            ]

        self.library.OrtGetApiBase.restype = ctypes.POINTER(Base)
        base = self.library.OrtGetApiBase().contents
        self.version: str = base.GetVersionString().decode()
        table = base.GetApi(_API_VERSION)
        if not table or not self.version.startswith("1."):
            raise OnnxRuntimeError(
                f"onnxruntime {self.version} is not supported; pip install -U onnxruntime"
            )
        functions = ctypes.cast(table, ctypes.POINTER(ctypes.c_void_p))
        self.address = {name: int(functions[at] or 0) for name, at in _POSITIONS.items()}
        self.env = ctypes.c_void_p()
        self.call("CreateEnv", _LOG_FATAL_ONLY, b"rtaudio", ctypes.byref(self.env))
        self.memory = ctypes.c_void_p()
        self.call("CreateCpuMemoryInfo", 0, 0, ctypes.byref(self.memory))

    @property
    def has_cuda(self) -> bool:
        """Whether the library was built with CUDA; a device is another matter."""
        return hasattr(self.library, _CUDA)

    def use_cuda(self, options: ctypes.c_void_p) -> None:
        """Let the sessions of these options compute on the first CUDA device."""
        if not self.has_cuda:
            raise OnnxRuntimeError("the package onnxruntime has no CUDA")
        os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")  # 10 bits are too few for sound
        append = getattr(self.library, _CUDA)
        append.restype = ctypes.c_void_p
        self._check(append(options, 0))

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function that returns a status; a status becomes an :class:`OnnxRuntimeError`."""
        self._check(ctypes.CFUNCTYPE(ctypes.c_void_p)(self.address[name])(*arguments))

    def _check(self, status: int | None) -> None:
        if status:
            read = ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_void_p)(
                self.address["GetErrorMessage"]
            )
            text = read(status).decode(errors="replace").splitlines()[0]
            self.release("ReleaseStatus", status)
            raise OnnxRuntimeError(text)

    def release(self, name: str, handle: Any) -> None:
        """Release a status, session, value or options."""
        ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self.address[name])(handle)


@cache
def api() -> _Api:
    """Return the loaded C API; the first call loads the library."""
    return _Api()


class Tensors:
    """``OrtValue``s over existing memory, which they do not own; freed with the object."""

    def __init__(self) -> None:
        self._values: list[ctypes.c_void_p] = []

    def add(self, address: int, shape: Sequence[int], dtype: Any) -> tuple[int, Tensor]:
        """Return a new value, and what it is.

        Parameters
        ----------
        address
            Where the elements lie.
        shape, dtype
            Of the tensor: float32 or int64.

        Returns
        -------
        value, tensor
            Its address, and what it is.
        """
        dtype = np.dtype(dtype)
        dims = (ctypes.c_int64 * len(shape))(*shape)
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        tensor = Tensor(tuple(shape), _ELEMENT_TYPES[dtype], size)
        value = ctypes.c_void_p()
        ort = api()
        ort.call(
            "CreateTensorWithDataAsOrtValue",
            ort.memory,
            ctypes.c_void_p(address),
            ctypes.c_size_t(size),
            dims,
            ctypes.c_size_t(len(shape)),
            tensor.element_type,
            ctypes.byref(value),
        )
        self._values.append(value)
        return int(value.value or 0), tensor

    def __del__(self) -> None:
        for value in self._values:
            api().release("ReleaseValue", value)
