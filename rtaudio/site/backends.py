"""Back ends of the site: nets of ours, and programs with a command line."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from rtaudio.errors import UsageError, first_fault
from rtaudio.shipped import shipped_separators
from rtaudio.site.stems import PLACES, Recipe

SHIPPED = Path(__file__).parent / "backends.yaml"
"""The programs that are offered where they are installed."""

_MOST_BYTES = 1 << 16
_Word = Annotated[str, Field(min_length=1, max_length=1000)]


class Backend(BaseModel):
    """A way to take songs apart: a net, or a program.

    Parameters
    ----------
    title
        Its name on the page.
    about
        A sentence about it.
    model
        File of a net; None: it is a program.
    command
        Words of a program's command line, the first of them the program. ``{song}`` stands for the
        song, a WAV file, and ``{out}`` for the folder of its stems. No shell reads them.
    stems
        Pattern of the files in ``{out}`` that are stems; each is called as its file is.
    progress
        Regular expression with one group: the percentage that is done, in what the program prints.
        None: its progress is not known.

    Examples
    --------
    >>> Backend(title="Mine", command=["my-tool", "{song}", "{out}"]).is_usable
    False
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: _Word
    about: str = Field("", max_length=200)
    model: Path | None = None
    command: tuple[_Word, ...] = ()
    stems: _Word = "**/*.wav"
    progress: str | None = Field(None, max_length=200)

    @field_validator("command")
    @classmethod
    def _has_places(cls, command: tuple[str, ...]) -> tuple[str, ...]:
        for place in PLACES:
            if command and not any(place in word for word in command[1:]):
                raise ValueError(f"has no {place}; put it where the program expects it")
        return command

    @field_validator("stems")
    @classmethod
    def _stays_inside(cls, pattern: str) -> str:
        if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
            raise ValueError("leads out of {out}; give a pattern inside it")
        return pattern

    @field_validator("progress")
    @classmethod
    def _has_group(cls, progress: str | None) -> str | None:
        try:
            groups = re.compile(progress or "()").groups
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from None
        if groups != 1:
            raise ValueError(f"has {groups} groups; put one around the percentage")
        return progress

    @property
    def is_usable(self) -> bool:
        """Whether it is a net, or its program is installed."""
        return self.model is not None or shutil.which(self.command[0]) is not None

    @property
    def recipe(self) -> Recipe:
        """What a process needs to know of it."""
        model = None if self.model is None else str(self.model)
        return Recipe(model, list(self.command), self.stems, self.progress)


def usable_backends(models: Iterable[Path] = (), entries: Path | None = None) -> dict[str, Backend]:
    """Return what can be offered, by name: nets first, then the programs that are installed.

    Parameters
    ----------
    models
        Files of separators; none: those that are shipped.
    entries
        A YAML file of programs, beside the shipped ones and in place of those of the same name.

    Raises
    ------
    UsageError
        The YAML file is not valid, or two models have one name.
    ParameterError, ContractError, FileNotFoundError
        A model is no separator.
    """
    found: dict[str, Backend] = {}
    for path in list(models) or shipped_separators().values():
        if path.stem in found:
            raise UsageError(f"{path}: another model is called {path.stem}, too; rename one")
        found[path.stem] = _net(path)
    programs = _read(SHIPPED) | (_read(entries) if entries is not None else {})
    found |= {name: entry for name, entry in programs.items() if entry.is_usable}
    return found


def _net(path: Path) -> Backend:
    from rtaudio.batch.separate_file import stem_names  # programs do without the engine

    return Backend(title=path.stem, about=", ".join(stem_names(path)), model=path.resolve())


def _read(path: Path) -> dict[str, Backend]:
    """Read the entries of a YAML file."""
    with path.open("rb") as file:
        text = file.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        raise UsageError(f"{path}: is larger than {_MOST_BYTES} bytes; give a file of back ends")
    try:
        content: Any = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError):
        raise UsageError(f"{path}: not valid YAML; repair it") from None
    if not isinstance(content, dict):
        raise UsageError(f"{path}: not a mapping of names to back ends; see {SHIPPED}")
    return {str(name): _entry(path, str(name), keys) for name, keys in content.items()}


def _entry(path: Path, name: str, keys: Any) -> Backend:
    try:
        entry = Backend.model_validate(keys)
    except ValidationError as error:
        raise UsageError(f"{path}: {first_fault(error, Backend, name)}") from None
    if entry.model is not None or not entry.command:
        raise UsageError(f"{path}: {name}.command is missing; give the words of a command line")
    return entry
