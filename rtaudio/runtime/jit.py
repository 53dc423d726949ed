"""Compiling with a disk cache that knows all of rtaudio."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numba
from numba import njit
from numba.core.ccallback import CFunc
from numba.core.registry import cpu_target
from numba.core.sigutils import normalize_signature

from rtaudio.runtime.kernel_cache import KernelCache
from rtaudio.runtime.limits import RefusedError

if numba.config.DISABLE_JIT:
    raise RefusedError("NUMBA_DISABLE_JIT = 1: sound is played by compiled code only; unset it")


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Delay Ctrl-C until the compiler is done; raised in one of its callbacks, it would be lost."""
    former = signal.getsignal(signal.SIGINT)
    if former is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    kept: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: kept.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)
        if kept:
            signal.raise_signal(signal.SIGINT)


def inlined(function: Callable[..., Any]) -> Any:
    """Compile as a part of every compiled function that calls it."""
    return njit(nogil=True, forceinline=True, error_model="numpy")(function)


def helper(function: Callable[..., Any]) -> Any:
    """Compile as a function of its own that kernels call; never cached, as it is part of theirs."""
    return njit(error_model="numpy")(function)


def jit(function: Callable[..., Any]) -> Any:
    """Compile without the interpreter lock, on first use; cached."""
    compiled = njit(nogil=True, error_model="numpy")(function)
    compiled._cache = KernelCache(function)
    compile_now = compiled.compile

    def compile_uninterrupted(signature: Any) -> Any:
        with _uninterrupted():
            return compile_now(signature)

    compiled.compile = compile_uninterrupted
    return compiled


class CFunction:
    """A C function, compiled when its address is first asked for; cached.

    Parameters
    ----------
    function
        A Python function, in the subset of the language that numba compiles without allocating.
    signature
        Its numba signature.
    """

    def __init__(self, function: Callable[..., Any], signature: Any) -> None:
        self.function = function
        self.signature = normalize_signature(signature)
        self._cache = KernelCache(function)

    @cached_property
    def compiled(self) -> Any:
        """The compiled function."""
        compiled = self._new()
        compiled._cache = self._cache
        with _uninterrupted():
            compiled.compile()
        return compiled

    def compile_anew(self) -> Any:
        """Compile without the cache, whose machine code has lost what it was made of."""
        compiled = self._new()
        with _uninterrupted():
            compiled.compile()
        return compiled

    def _new(self) -> Any:
        options = {"error_model": "numpy"}
        return CFunc(self.function, self.signature, locals={}, options=options)

    @property
    def key(self) -> str:
        """A name that no other code has: by the function, the machine and the settings."""
        return self._cache.key(self.signature, cpu_target.target_context.codegen())

    @property
    def address(self) -> int:
        """The address to call."""
        return int(self.compiled.address)


def c_function(signature: Any) -> Callable[[Callable[..., Any]], CFunction]:
    """Decorate the Python form of a C function with its signature."""
    return lambda function: CFunction(function, signature)
