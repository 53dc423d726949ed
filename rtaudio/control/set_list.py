"""The set list: what a player steps through."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import yaml

from rtaudio.catalogue import catalogue, find_file
from rtaudio.errors import PresetError, closest, shortened
from rtaudio.models.loader import MODEL_SUFFIXES
from rtaudio.preset.load import is_model

_PRESETS = (".yaml", ".yml")
_MAX_BYTES = 1 << 16
_MAX_PRESETS = 16384
"""As many as MIDI can choose with 128 programs of 128 banks."""


class _Entry(NamedTuple):
    name: str
    path: Path | None


class SetList:
    """The presets beside the one that plays, or those of a set list file.

    From a preset with a name it goes through the shipped ones and the user's. From any other file
    it goes through those of its folder: the model files from a model, the presets from a preset.
    The folder is read again at each step, so a file that has just been saved is in it. A set list
    file has a list of its own::

        presets:
          - crunch                  # a name
          - solo.yaml               # a file, relative to this one

    Parameters
    ----------
    path
        What plays first: a file, or a folder of presets or models, of which the first one plays; or
        a set list file, of which the first one that is there plays.

    Attributes
    ----------
    path
        Where the list stands.
    fixed
        Whether it is that of a set list file: then a missing preset keeps its number.
    missing
        A line for each preset of a set list file that is not there.

    Raises
    ------
    FileNotFoundError
        The folder holds neither presets nor models.
    PresetError
        The set list file cannot be understood, or none of its presets is there.
    """

    def __init__(self, path: Path) -> None:
        self._folder: Path | None = None
        self._entries: list[_Entry] = []
        self.missing: list[str] = []
        self.fixed = is_set(path)
        if self.fixed:
            self._read(path)
            path = self.paths[0]
        elif path.is_dir() and not is_model(path):
            found = _files(path, _PRESETS) or _files(path, MODEL_SUFFIXES)
            if not found:
                raise FileNotFoundError(f"{path}: no preset and no model file is in this folder")
            path, self._folder = found[0], path
        elif path not in catalogue("preset").values():
            self._folder = path.parent
        self.path = path

    def _read(self, file: Path) -> None:
        """Find the presets of a set list file."""
        for word in _words(file):
            try:
                beside = file.absolute().parent / word
                found = beside if beside.is_file() else find_file(word, "preset", "model")
            except FileNotFoundError as error:
                self.missing.append(f"{file}: {error}")
                self._entries.append(_Entry(word, None))
            else:
                self._entries.append(_Entry(found.stem, found))
        if not self.paths:
            raise PresetError(f"{file}: none of its presets is there: {self.missing[0]}")

    @property
    def paths(self) -> list[Path]:
        """All of the list that are there, in order."""
        if self.fixed:
            return [entry.path for entry in self._entries if entry.path is not None]
        if self._folder is None:
            return list(catalogue("preset").values())
        models = is_model(self.path)
        return _files(self._folder, MODEL_SUFFIXES if models else _PRESETS)

    @property
    def names(self) -> list[str]:
        """The names of all, those that are not there too."""
        return [e.name for e in self._entries] if self.fixed else [p.stem for p in self.paths]

    @property
    def place(self) -> int | None:
        """Where the list stands in :attr:`names`, from 0; None: nowhere in it."""
        paths = [entry.path for entry in self._entries] if self.fixed else self.paths
        return paths.index(self.path) if self.path in paths else None

    def choose(self, place: int) -> Path:
        """Go to a place.

        Parameters
        ----------
        place
            The place in :attr:`names`, from 0.

        Raises
        ------
        PresetError
            There are fewer, or this one is not there.
        """
        paths = [entry.path for entry in self._entries] if self.fixed else self.paths
        if not 0 <= place < len(paths):
            raise PresetError(f"program {place + 1}: the set list has {len(paths)} presets")
        path = paths[place]
        if path is None:
            raise PresetError(f"{self.names[place]}: this preset of the set list is not there")
        self.path = path
        return path

    def rename(self, old: Path, new: Path) -> None:
        """Follow a preset that has another file now.

        Parameters
        ----------
        old, new
            Its files.
        """
        self._entries = [
            _Entry(new.stem, new) if entry.path == old else entry for entry in self._entries
        ]
        if self.path == old:
            self.path = new

    def step(self, direction: int) -> Path:
        """Go to a neighbour, from the last one to the first.

        Parameters
        ----------
        direction
            1 is the next one, -1 the one before.

        Returns
        -------
        pathlib.Path
            The file, whether it can be played or not.
        """
        paths = self.paths
        if self.path in paths:
            self.path = paths[(paths.index(self.path) + direction) % len(paths)]
        elif paths:
            self.path = paths[0]
        return self.path


def find_playable(what: str | Path) -> Path:
    """Return the file of a preset, a model or a set list: ``rtaudio run`` plays each of them.

    Raises
    ------
    FileNotFoundError
        Nothing is called so.
    """
    path = Path(what)
    if path.suffix.lower() in MODEL_SUFFIXES and not path.exists():
        raise FileNotFoundError(f"{path}: no such model file")
    return find_file(what, "preset", "model", "set")


def is_set(path: Path) -> bool:
    """Say whether a path is a set list file: a mapping with a list ``presets:``."""
    if path.suffix.lower() not in _PRESETS or not path.is_file():
        return False
    if path.stat().st_size > _MAX_BYTES:
        return False
    lines = path.read_text("utf-8", "replace").splitlines()
    return any(line.startswith("presets:") for line in lines)


def _words(file: Path) -> list[str]:
    """Return the presets that a set list file names."""
    try:
        found: Any = yaml.safe_load(file.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        raise PresetError(f"{file}: not valid YAML; repair it") from None
    if not isinstance(found, dict):
        raise PresetError(f"{file}: a set list is a mapping with a list `presets:`")
    if unknown := [key for key in found if key not in ("name", "presets")]:
        raise PresetError(
            f"{file}: unknown key {shortened(str(unknown[0]))!r}; "
            f"{closest(str(unknown[0]), ('name', 'presets'))}"
        )
    words = found["presets"]
    if not isinstance(words, list) or not words or len(words) > _MAX_PRESETS:
        raise PresetError(f"{file}: presets is not a list of at least one preset")
    for word in words:
        if not isinstance(word, str) or not word:
            text = shortened(str(word))
            raise PresetError(f"{file}: presets: {text} is not the name or file of a preset")
    return words


def _files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    found = (file for file in folder.iterdir() if file.suffix.lower() in suffixes)
    played = (file for file in found if file.is_file() and not file.name.startswith("."))
    return sorted(played, key=lambda file: (file.stem, file.suffix))
