"""Compiled kernels on disk: whole and made of the present sources, or compiled again.

Numba stamps cached machine code with the one source file of its function, but the kernels inline
each other's helpers: an edited helper, or a new version over an old one, would leave stale code in
use. So the cache lies in a folder named after the state of every source file of the package.

A file is the SHA-256 of its content, and the content. A file that is cut, overwritten or of another
version of numba is as good as none: it is compiled and written again. Where nothing can be written
(a read-only place, a full disk, no home directory), kernels are read as far as they are there and
compiled as far as they are not. In Numba's own cache each of these ends the program.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

import llvmlite
import numba
from numba.core.caching import NullCache
from numba.core.compiler import CompileResult
from numba.core.runtime.nrt import rtsys
from numba.core.serialize import dumps

from rtaudio.runtime.folders import user_cache

_UNUSED_DAYS = 30
_DIGEST_BYTES = 32
_SETTINGS = (
    "OPT", "BOUNDSCHECK", "DEBUGINFO_DEFAULT", "LOOP_VECTORIZE", "SLP_VECTORIZE",
    "DISABLE_INTEL_SVML",
)  # fmt: skip
"""Settings of numba (``NUMBA_OPT`` ...) that change the machine code."""

_PACKAGE = Path(__file__).parents[1]


class Progress(NamedTuple):
    """A kernel that is about to be compiled.

    Attributes
    ----------
    name
        Its module and function.
    number
        How many have been compiled by this process, with this one.
    most
        How many the imported modules hold: a program may need fewer.
    """

    name: str
    number: int
    most: int


class _Counts:
    """The functions of this process that are declared and compiled, and who is told of it."""

    listener: Callable[[Progress | None], None] | None = None
    declared = 0
    compiled = 0


def watch(listener: Callable[[Progress | None], None] | None) -> None:
    """Call a function before each compilation, and with None after it.

    Examples
    --------
    >>> from rtaudio.runtime.jit import jit
    >>> compiled = []
    >>> watch(compiled.append)
    >>> jit(lambda x: 2 * x)(21)
    42
    >>> watch(None)
    >>> compiled[0].name.endswith("<lambda>"), compiled[1]
    (True, None)
    """
    _Counts.listener = listener


@cache
def cache_folder() -> Path | None:
    """Return the folder of this version's compiled kernels, which may not exist.

    ``NUMBA_CACHE_DIR`` chooses another place than the user's cache folder. None: there is no place.
    """
    if numba.config.CACHE_DIR:
        base = Path(numba.config.CACHE_DIR) / "rtaudio"
    elif (home := user_cache()) is not None:
        base = home / "rtaudio" / "kernels"
    else:
        return None
    state = hashlib.sha256(f"{numba.__version__} {llvmlite.__version__} {sys.version}\n".encode())
    for source in sorted(_PACKAGE.rglob("*.py")):
        state.update(_stamp(source).encode())
    folder = base / state.hexdigest()[:16]
    with suppress(OSError):
        os.utime(folder)
    return folder


def _stamp(source: Path) -> str:
    stat = source.stat()
    return f"{source} {stat.st_mtime_ns} {stat.st_size}\n"


class KernelCache(NullCache):  # type: ignore[misc]
    """The compiled forms of one function, in the way that numba asks for them.

    A function without a source file (of a notebook, of standard input) is never kept: nothing
    would tell that the values have changed that it takes from around it.

    Parameters
    ----------
    function
        The function.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._code, self._closure = function.__code__, function.__closure__
        self._name = f"{function.__module__.rpartition('.')[2]}.{function.__qualname__}"
        self._saves = Path(self._code.co_filename).is_file()
        _Counts.declared += 1

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled function of a signature; None if it must be compiled."""
        path = self._path(sig, target_context.codegen())
        found = None if path is None else _read(path)
        if found is None:
            target_context.refresh()
            _Counts.compiled += 1
            if _Counts.listener:
                number = _Counts.compiled
                most = max(number, _Counts.declared)
                _Counts.listener(Progress(self._name, number, most))
            return None
        # Ready code needs numba's runtime, but not its tables of types and functions: a refresh
        # would import all of numba and a part of scipy.
        rtsys.initialize(target_context)
        return CompileResult._rebuild(target_context, *found)

    def save_overload(self, sig: Any, cres: Any) -> None:
        """Keep a function that has just been compiled, if there is a place and room for it."""
        if _Counts.listener:
            _Counts.listener(None)
        path = self._path(sig, cres.codegen)
        if path is None or cres.library.has_dynamic_globals:
            return
        with suppress(OSError):
            _write(path, dumps(cres._reduce()))

    def _path(self, signature: Any, codegen: Any) -> Path | None:
        folder = cache_folder()
        if folder is None or not self._saves:
            return None
        return folder / f"{self.key(signature, codegen)}.kernel"

    def key(self, signature: Any, codegen: Any) -> str:
        """Return a name that no other code has: by the function, the machine and the settings.

        Parameters
        ----------
        signature
            The types of the function.
        codegen
            What compiles for the machine.
        """
        around = tuple(cell.cell_contents for cell in self._closure or ())
        source = Path(self._code.co_filename)
        parts = (
            "" if source.is_relative_to(_PACKAGE) else _stamp(source),
            self._name,
            self._code.co_firstlineno,
            _bytecode(self._code),
            hashlib.sha256(dumps(around)).hexdigest() if around else "",
            repr(signature),
            codegen.magic_tuple(),
            [getattr(numba.config, name, None) for name in _SETTINGS],
        )
        key = hashlib.sha256(repr(parts).encode()).hexdigest()[:24]
        plain = "".join(c if c.isalnum() or c in "._" else "-" for c in self._name)
        return f"{plain[-80:]}-{key}"


def _bytecode(code: CodeType) -> list[Any]:
    """Return all that decides what a function does, apart from what lies around it."""
    inner = [_bytecode(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    return [code.co_code, code.co_names, inner]


def _read(path: Path) -> Any:
    """Return the content of a file; None if it is absent or damaged."""
    try:
        stored = path.read_bytes()
    except OSError:
        return None
    digest, content = stored[:_DIGEST_BYTES], stored[_DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        return None
    return pickle.loads(content)


def _write(path: Path, content: bytes) -> None:
    """Write a file completely or not at all."""
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        _prune(path.parent.parent)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_bytes(hashlib.sha256(content).digest() + content)
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def _prune(base: Path) -> None:
    """Remove the kernels of versions that nobody has used for a month."""
    for version in base.iterdir():
        with suppress(OSError):  # another process may prune, too
            if time.time() - version.stat().st_mtime > _UNUSED_DAYS * 86400:
                shutil.rmtree(version, ignore_errors=True)
