"""The note of a capture folder, ``capture.json``, as far as a training needs it."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rtaudio.errors import CaptureError, first_fault
from rtaudio.runtime.limits import MAX_RATE_HZ, MIN_RATE_HZ

__all__ = ["FILE", "FORMAT", "CaptureNote", "read_note"]

FILE = "capture.json"
FORMAT = 1
"""Version of the note."""

_Range = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(le=1 << 48)]]
_Ranges = Annotated[tuple[_Range, ...], Field(min_length=1)]
_Level = Annotated[float, Field(ge=-200, le=200)]


class CaptureNote(BaseModel):
    """The part of ``capture.json`` that a training needs; the rest is for people.

    Attributes
    ----------
    format
        Version of the note.
    rate_hz
        Sample rate of both recordings; ``sample_rate`` in the file.
    input_dbu, output_dbu
        Level in dBu of a 0 dBFS sine at the input and at the output of the gear; None if unknown.
    knobs
        Settings of the gear's knobs, by name.
    train, validation
        Ranges ``(from, to)`` in samples, none of which overlap.
    """

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    format: Literal[1]
    rate_hz: Annotated[int, Field(ge=MIN_RATE_HZ, le=MAX_RATE_HZ, alias="sample_rate")]
    input_dbu: _Level | None = None
    output_dbu: _Level | None = None
    knobs: dict[str, float]
    train: _Ranges
    validation: _Ranges


def read_note(folder: Path) -> CaptureNote:
    """Read and check the note of a capture folder.

    Raises
    ------
    CaptureError
        The note is missing, damaged, or of a newer version.

    Examples
    --------
    >>> read_note(Path("my-amp")).rate_hz                                   # doctest: +SKIP
    48000
    """
    path = folder / FILE
    try:
        note = CaptureNote.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise CaptureError(f"{folder}: no {FILE}; make one with: rtaudio capture") from None
    except ValidationError as error:
        raise CaptureError(
            f"{path}: {first_fault(error, CaptureNote):.160}; capture again, or update rtaudio if "
            "a newer version wrote it"
        ) from None
    ranges = sorted(note.train + note.validation)
    apart = all(one[1] <= other[0] for one, other in itertools.pairwise(ranges))
    if not apart or any(start >= end for start, end in ranges):
        raise CaptureError(f"{path}: its ranges are empty or overlap; capture again")
    return note
