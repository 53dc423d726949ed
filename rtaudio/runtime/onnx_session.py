"""A session of ONNX Runtime, made through its C API."""

from __future__ import annotations

import ctypes

from rtaudio.runtime.denormals import flushed_denormals
from rtaudio.runtime.onnx_runtime import Provider, api
from rtaudio.runtime.onnx_weights import shared_weights

__all__ = ["Session"]

_OPTIMIZE_ALL = 99


class Session:
    """One ``OrtSession``: one thread, no arena, denormals to zero; freed with the object.

    Each node has its own: a run takes several locks of its session, which a thread of a lower
    priority could hold while the audio thread waits. On the CPU, sessions of a model share weights.

    Parameters
    ----------
    model
        The ONNX file's bytes.
    provider
        Where it computes.

    Raises
    ------
    OnnxRuntimeError
        ONNX Runtime refuses the model, or there is no such provider.
    """

    def __init__(self, model: bytes, provider: Provider = "cpu") -> None:
        ort = api()
        self._weights = weights = shared_weights(model) if provider == "cpu" else None
        options = ctypes.c_void_p()
        ort.call("CreateSessionOptions", ctypes.byref(options))
        try:
            ort.call("SetIntraOpNumThreads", options, 1)
            ort.call("SetInterOpNumThreads", options, 1)
            ort.call("DisableCpuMemArena", options)
            ort.call("SetSessionGraphOptimizationLevel", options, _OPTIMIZE_ALL)
            ort.call("AddSessionConfigEntry", options, b"session.set_denormal_as_zero", b"1")
            if provider == "cuda":
                ort.use_cuda(options)
            for name, value in weights.values.items() if weights else ():
                ort.call("AddInitializer", options, name.encode(), ctypes.c_void_p(value))
            self.handle = ctypes.c_void_p()
            # Making the session leaves denormals flushed in this thread, which is Python's.
            with flushed_denormals():
                ort.call(
                    "CreateSessionFromArrayWithPrepackedWeightsContainer",
                    ort.env,
                    model,
                    ctypes.c_size_t(len(model)),
                    options,
                    weights.packed if weights else None,
                    ctypes.byref(self.handle),
                )
        finally:
            ort.release("ReleaseSessionOptions", options)

    def __del__(self) -> None:
        if getattr(self, "handle", None):
            api().release("ReleaseSession", self.handle)
