"""Compiling with a disk cache that knows all of rtaudio.

Numba stamps cached machine code with the one source file of its function, but the kernels inline
each other's helpers: an edited helper, or a new version over an old one, would leave stale code in
use. So the cache lies in a folder named after the state of every source file of the package.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba import cfunc, njit

_UNUSED_DAYS = 30


@cache
def cache_folder() -> Path:
    """Return the folder of the compiled kernels of this version; it is made if it is missing.

    ``NUMBA_CACHE_DIR`` chooses another place than the user's cache folder; where that cannot be
    written, it is a temporary folder.
    """
    sources = sorted(Path(__file__).parents[1].rglob("*.py"))
    state = hashlib.sha256()
    for source in sources:
        stat = source.stat()
        state.update(f"{source} {stat.st_mtime_ns} {stat.st_size}\n".encode())
    folder = _user_cache() / state.hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="rtaudio-kernels-"))
    for version in folder.parent.iterdir():
        with suppress(OSError):  # another process may prune, too
            if time.time() - version.stat().st_mtime > _UNUSED_DAYS * 86400:
                shutil.rmtree(version, ignore_errors=True)
    return folder


def _user_cache() -> Path:
    if numba.config.CACHE_DIR:
        return Path(numba.config.CACHE_DIR) / "rtaudio"
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "rtaudio" / "kernels"


@contextmanager
def _cached_here() -> Iterator[None]:
    """Numba reads the cache folder when a function is decorated."""
    folder = str(cache_folder())
    former = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = folder
    try:
        yield
    finally:
        numba.config.CACHE_DIR = former


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


def _has_file(function: Callable[..., Any]) -> bool:
    """Whether a function can be cached: not one from a notebook, stdin or ``exec``.

    What they say may change without a trace, and numba refuses most of them.
    """
    return Path(function.__code__.co_filename).is_file()


def jit(function: Callable[..., Any]) -> Any:
    """Compile without the interpreter lock, on first use; cached."""
    with _cached_here():
        cache = _has_file(function)
        compiled = njit(nogil=True, cache=cache, error_model="numpy")(function)
    compile_now = compiled.compile

    def compile_uninterrupted(signature: Any) -> Any:
        with _uninterrupted():
            return compile_now(signature)

    compiled.compile = compile_uninterrupted
    return compiled


def c_function(signature: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile to a C function with an address, at once; cached."""

    def decorate(function: Callable[..., Any]) -> Any:
        with _cached_here(), _uninterrupted():
            cache = _has_file(function)
            return cfunc(signature, cache=cache, error_model="numpy")(function)

    return decorate
