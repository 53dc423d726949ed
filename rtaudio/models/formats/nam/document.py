"""One net of a ``.nam`` file while it is read: where it is, its faults, and the warnings so far."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from rtaudio.errors import FormatError, first_fault
from rtaudio.models.formats.nam.schema import Config
from rtaudio.models.net.types import MAX_RECEPTIVE_FIELD

__all__ = ["Document"]

OLDEST, NEWEST = (0, 5, 0), (0, 7, 0)

Form = TypeVar("Form", bound=Config)


@dataclass(frozen=True)
class Document:
    """The JSON object of one net: the whole file, or a net inside it.

    Attributes
    ----------
    path
        The file, for messages.
    content
        The object.
    depth
        0 for the whole file, 1 for a net inside it (a size of a container, a condition), and so on.
    warnings
        Ways in which the net may sound different from the file; shared by all nets of the file.
    """

    path: Path
    content: Mapping[str, Any]
    depth: int = 0
    warnings: list[str] = field(default_factory=list)

    def inner(self, content: Mapping[str, Any]) -> Document:
        """Return a net inside this one."""
        return Document(self.path, content, self.depth + 1, self.warnings)

    def fault(self, text: str) -> FormatError:
        """Return the error to raise; ``text`` says the fault and the remedy."""
        return FormatError(f"{self.path}: {text}")

    def warn(self, text: str) -> None:
        """Add a warning, once."""
        if text not in self.warnings:
            self.warnings.append(text)

    def version(self) -> str:
        """Return the version of the format, after checking that it is supported."""
        text = self.content.get("version")
        match = (
            re.fullmatch(r"(\d{1,6})\.(\d{1,6})\.(\d{1,6})", text)
            if isinstance(text, str)
            else None
        )
        if match is None:
            raise self.fault(f"file version {text!r:.40} is not of the form 0.5.4; get it again")
        version = tuple(map(int, match.groups()))
        if version < OLDEST or version[:2] > NEWEST[:2]:
            raise self.fault(
                f"file version {text} is unknown; 0.5.0 to 0.7.0 are supported: update rtaudio, "
                "or export the file again"
            )
        if version > NEWEST:
            self.warn(f"file version {text} is newer than 0.7.0, the newest that rtaudio knows")
        return str(text)

    def config(self, form: type[Form]) -> Form:
        """Return the net's ``config``, validated; an unknown key makes a warning."""
        try:
            config = form.model_validate(self.content.get("config"))
        except ValidationError as error:
            raise self.fault(
                f"{first_fault(error, form, 'config'):.240}; the file is damaged or of a newer kind"
            ) from None
        for key in _unknown_keys(config):
            self.warn(f"{key:.60} in the config is unknown and was ignored")
        return config

    def check_receptive_field(self, samples: int) -> None:
        """Refuse a net that looks back too far."""
        if samples > MAX_RECEPTIVE_FIELD:
            raise self.fault(
                f"has a receptive field of {samples:,} samples; at most {MAX_RECEPTIVE_FIELD:,} "
                "are supported"
            )


def _unknown_keys(config: BaseModel) -> Iterator[str]:
    yield from config.model_extra or {}
    for name in type(config).model_fields:
        value = getattr(config, name)
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, BaseModel):
                yield from _unknown_keys(inner)
