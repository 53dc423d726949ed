"""The set list: what a player steps through."""

from __future__ import annotations

from pathlib import Path

from rtaudio.catalogue import catalogue
from rtaudio.models.loader import MODEL_SUFFIXES
from rtaudio.preset.load import is_model

_PRESETS = (".yaml", ".yml")


class SetList:
    """The presets beside the one that plays.

    From a preset with a name it goes through the shipped ones and the user's. From any other file
    it goes through those of its folder: the model files from a model, the presets from a preset.
    The folder is read again at each step, so a file that has just been saved is in it.

    Parameters
    ----------
    path
        What plays first: a file, or a folder of presets or models, of which the first one plays.

    Attributes
    ----------
    path
        Where the list stands.

    Raises
    ------
    FileNotFoundError
        The folder holds neither presets nor models.
    """

    def __init__(self, path: Path) -> None:
        self._folder: Path | None = None
        if path.is_dir() and not is_model(path):
            found = _files(path, _PRESETS) or _files(path, MODEL_SUFFIXES)
            if not found:
                raise FileNotFoundError(f"{path}: no preset and no model file is in this folder")
            path, self._folder = found[0], path
        elif path not in catalogue("preset").values():
            self._folder = path.parent
        self.path = path

    @property
    def paths(self) -> list[Path]:
        """All of the list, in order."""
        if self._folder is None:
            return list(catalogue("preset").values())
        models = is_model(self.path)
        return _files(self._folder, MODEL_SUFFIXES if models else _PRESETS)

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


def _files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    found = (file for file in folder.iterdir() if file.suffix.lower() in suffixes)
    played = (file for file in found if file.is_file() and not file.name.startswith("."))
    return sorted(played, key=lambda file: (file.stem, file.suffix))
