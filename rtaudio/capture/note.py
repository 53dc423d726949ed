"""The note of a capture folder: what ``capture.json`` says of the two recordings beside it."""

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

_Range = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(le=1 << 48)]]
_Ranges = Annotated[tuple[_Range, ...], Field(min_length=1)]
_Level = Annotated[float, Field(ge=-200, le=200)]


class CaptureNote(BaseModel):
    """What of ``capture.json`` a training needs; the rest is for people.

    ``sample_rate`` is in hertz, levels are in dBu. ``train`` and ``validation`` are ranges
    ``(from, to)`` of samples, of which no two overlap.
    """

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    format: Literal[1]
    sample_rate: Annotated[int, Field(ge=MIN_RATE_HZ, le=MAX_RATE_HZ)]
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
        It is missing, damaged, or of a newer form.

    Examples
    --------
    >>> read_note(Path("my-amp")).sample_rate                               # doctest: +SKIP
    48000
    """
    path = folder / FILE
    try:
        note = CaptureNote.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise CaptureError(f"{folder}: no {FILE}; make one with rtaudio capture") from None
    except ValidationError as error:
        raise CaptureError(
            f"{path}: {first_fault(error, CaptureNote):.160}; capture it again, or update rtaudio "
            "if it is from a newer one"
        ) from None
    ranges = sorted(note.train + note.validation)
    apart = all(one[1] <= other[0] for one, other in itertools.pairwise(ranges))
    if not apart or any(start >= end for start, end in ranges):
        raise CaptureError(f"{path}: its ranges are empty or overlap; capture it again")
    return note
