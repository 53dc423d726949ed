"""Untrusted JSON files: objects and lists of numbers, checked before anything is allocated.

Every fault is a `FormatError` of one line.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtaudio.errors import FormatError, dotted
from rtaudio.runtime.limits import MAX_RATE_HZ, MIN_RATE_HZ

__all__ = ["MAX_BYTES", "float32_list", "float32_table", "read_object", "read_rate_hz", "section"]

MAX_BYTES = 64 << 20
MAX_DEPTH = 64
_LIMIT = float(np.finfo(np.float32).max)


_ABOUT = ("metadata", "author", "esr")
"""Keys whose values describe a model, and are not needed to play it."""


def read_object(path: Path) -> tuple[dict[str, Any], list[str]]:
    """Read a file that holds one JSON object, at most 64 MiB.

    Returns
    -------
    document, unknown
        The object, and the places of NaN and Infinity in what only describes the model: Python
        writes them, though they are not JSON, and here they become null.

    Raises
    ------
    FormatError
        Too large, not JSON text, not an object, nested more than 64 levels deep, or with NaN or
        Infinity among the values that are played.
    FileNotFoundError
        No such file.
    """
    if path.stat().st_size > MAX_BYTES:
        raise FormatError(f"{path}: larger than {MAX_BYTES >> 20} MiB; give an amp model file")
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError):
        raise FormatError(f"{path}: not JSON text, or cut short; get the file again") from None
    if not isinstance(document, dict):
        raise FormatError(f"{path}: holds no JSON object, so no model; get the file again")
    level: list[Any] = [document]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            break
    else:
        raise FormatError(f"{path}: nested more than {MAX_DEPTH} deep; give an amp model file")
    unknown = []
    for keys in _not_finite(document):
        if not any(key in _ABOUT for key in keys):
            raise FormatError(
                f"{path}: {dotted('', keys)} is not a finite float32; export it again"
            )
        unknown.append(dotted("", keys))
    return (_without(document) if unknown else document), unknown


def _not_finite(value: Any, keys: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the keys that lead to each NaN or infinity."""
    if isinstance(value, float):
        if not math.isfinite(value):
            yield keys
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _not_finite(inner, (*keys, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            if isinstance(inner, (float, dict, list)):
                yield from _not_finite(inner, (*keys, place))


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def section(path: Path, document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return the object under a key; an empty one if the key is absent or null.

    Parameters
    ----------
    path
        The file, for messages.
    document
        The object that has the key.
    key
        The key.

    Raises
    ------
    FormatError
        There is something else under the key, and it is needed to play.
    """
    value = document.get(key)
    if value is None or (key in _ABOUT and not isinstance(value, dict)):
        return {}
    if not isinstance(value, dict):
        raise FormatError(f"{path}: {key} is not an object; get the file again")
    return value


def read_rate_hz(path: Path, value: object, default: int) -> int:
    """Return a sample rate in hertz.

    Parameters
    ----------
    path
        The file, for messages.
    value
        A number, or its digits as text; None stands for ``default``.
    default
        Rate of a file that states none, in hertz.

    Raises
    ------
    FormatError
        The value is no rate from 8,000 to 384,000 Hz.
    """
    if value is None:
        return default
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:9])
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not (MIN_RATE_HZ <= value <= MAX_RATE_HZ)
    ):
        raise FormatError(
            f"{path}: sample_rate = {value!r:.40} is not a rate from {MIN_RATE_HZ:,} to "
            f"{MAX_RATE_HZ:,} Hz; export it again"
        )
    return round(value)


def float32_list(path: Path, name: str, values: object) -> NDArray[np.float32]:
    """Return a flat list of finite numbers as an array.

    Parameters
    ----------
    path
        The file, for messages.
    name
        Name of the list, for messages.
    values
        The list.

    Returns
    -------
    numpy.ndarray
        float32, one-dimensional.

    Raises
    ------
    FormatError
        Not a list of numbers, or one of them is not a finite float32.
    """
    if not isinstance(values, list) or not all(
        isinstance(v, int | float) and not isinstance(v, bool) for v in values
    ):
        raise FormatError(f"{path}: {name} is not a list of numbers; get the file again")
    for place, value in enumerate(values):
        # Compared as Python numbers: a huge integer does not fit any float at all.
        if (isinstance(value, float) and not math.isfinite(value)) or abs(value) > _LIMIT:
            raise FormatError(
                f"{path}: {name}, number {place} is not a finite float32; export it again"
            )
    return np.asarray(values, dtype=np.float32)


def float32_table(
    path: Path, name: str, values: object, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Return nested lists of finite numbers as an array.

    Parameters
    ----------
    path
        The file, for messages.
    name
        Name of the table, for messages.
    values
        The lists.
    shape
        The only shape that is accepted.

    Returns
    -------
    numpy.ndarray
        float32, of that shape.

    Raises
    ------
    FormatError
        Another shape, or a value that is not a finite float32.
    """
    rows: list[Any] = [values]
    for size in shape[:-1]:
        if any(not isinstance(row, list) or len(row) != size for row in rows):
            raise _wrong_shape(path, name, shape)
        rows = [inner for row in rows for inner in row]
    if any(not isinstance(row, list) or len(row) != shape[-1] for row in rows):
        raise _wrong_shape(path, name, shape)
    flat = [value for row in rows for value in row]
    return float32_list(path, name, flat).reshape(shape)


def _wrong_shape(path: Path, name: str, shape: tuple[int, ...]) -> FormatError:
    needed = " x ".join(map(str, shape))
    return FormatError(
        f"{path}: {name} does not have the size {needed} that the layers need; the file is damaged"
    )
