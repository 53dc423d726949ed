"""Errors as one line on stderr: the only place that turns an exception into words."""

from __future__ import annotations

import sys

from typer.exceptions import TyperException

USER, BUG = 2, 1


def explain(error: Exception) -> tuple[str, int]:
    """Return what to tell about an exception, in one line, and the exit status."""
    if isinstance(error, TyperException):
        return _flat(error.format_message()), USER
    if isinstance(error, OSError):
        return _flat(_of_system(error)), USER
    if isinstance(error, ValueError):
        first = getattr(error, "errors", None)
        if callable(first):  # pydantic.ValidationError
            return _flat(_of_field(first()[0])), USER
        return _flat(str(error)), USER
    if isinstance(error, MemoryError):
        return "not enough memory for this; use a shorter file", USER
    if type(error).__module__.partition(".")[0] in ("rtaudio", "export", "training"):
        return _flat(str(error)), USER
    kind = type(error).__name__
    return _flat(f"rtaudio failed ({kind}: {error}); see where with: rtaudio --debug ..."), BUG


def report(error: Exception) -> int:
    """Print the line, unless the help has been shown instead, and return the exit status."""
    line, status = explain(error)
    if line:
        print(f"error: {line}", file=sys.stderr)
    return status


def plain(text: str) -> str:
    """Put a text on one line; control codes in names of files are no orders to the terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def _flat(text: str) -> str:
    return " ".join(plain(text).split())


def _of_system(error: OSError) -> str:
    if error.strerror is None:
        return str(error)
    reason = error.strerror[:1].lower() + error.strerror[1:]
    return f"{error.filename}: {reason}" if error.filename is not None else reason


def _of_field(first: dict[str, object]) -> str:
    place = first["loc"]
    key = ".".join(map(str, place)) if isinstance(place, tuple) else str(place)
    return f"{key} = {first['input']!r}: {first['msg']}" if key else str(first["msg"])
