"""The errors of an export."""

from __future__ import annotations

from rtaudio.errors import RtaudioError

__all__ = ["ExportError", "ParityError"]


class ExportError(RtaudioError):
    """A net that cannot be exported; one line with the reason. Nothing has been written."""


class ParityError(RtaudioError):
    """The graph and the net differ, or the net does not stream; the text says which and where."""
