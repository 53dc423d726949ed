"""Third-party denoisers: which family a graph belongs to, and where its other graphs are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from rtaudio.errors import FormatError
from rtaudio.models.contract.card import ModelFile
from rtaudio.models.contract.check import read_proto
from rtaudio.models.denoisers.cached import GTCRN, UL_UNAS
from rtaudio.models.denoisers.deepfilternet import DEEPFILTERNET3
from rtaudio.models.denoisers.dtln import DTLN
from rtaudio.models.denoisers.family import Family, Part
from rtaudio.models.graph.file import GraphFile

__all__ = ["FAMILIES", "model_paths", "read_denoiser", "read_denoiser_folder"]

FAMILIES = (DEEPFILTERNET3, DTLN, GTCRN, UL_UNAS)
MAX_FILES = 64


def read_denoiser(file: GraphFile) -> ModelFile | None:
    """Return the model file of the denoiser that a graph belongs to; None if it is unknown.

    The other graphs of the denoiser are searched in the folder of the file.

    Raises
    ------
    ContractError
        Its graph breaks the contract.
    FormatError
        The denoiser is damaged or incomplete.
    """
    for family in FAMILIES:
        for part in family.parts:
            if part.matches(file):
                return family.model_file(file.path, _completed(family, part, file))
    return None


def read_denoiser_folder(folder: Path) -> ModelFile:
    """Return the model file of the denoiser whose graphs are in a folder.

    Raises
    ------
    ContractError
        Its graph breaks the contract.
    FormatError
        The folder holds no known denoiser, or several; or the denoiser is damaged or incomplete.
    """
    files = _known(model_paths(folder))
    found = [
        (family, part, file)
        for family in FAMILIES
        for part in family.parts
        for file in files
        if part.matches(file)
    ]
    if not found:
        names = ", ".join(family.name for family in FAMILIES)
        raise FormatError(
            f"{folder}: holds no known denoiser ({names}); name a folder with its .onnx files, or "
            "a model file"
        )
    if len({family.name for family, _, _ in found}) > 1:
        names = ", ".join(file.path.name for _, _, file in found)
        raise FormatError(f"{folder}: holds several denoisers ({names}); name one of the files")
    family = found[0][0]
    return family.model_file(folder, [_only(folder, family, part, files) for part in family.parts])


def model_paths(folder: Path) -> list[Path]:
    """Return the files that are searched for denoisers in a folder."""
    return sorted(folder.glob("*.onnx"))[:MAX_FILES]


def _known(paths: Iterable[Path]) -> list[GraphFile]:
    """Read files one by one, and keep only the parts of a family, as the others may be large."""
    files = (GraphFile(path, read_proto(path)[0]) for path in paths)
    parts = [part for family in FAMILIES for part in family.parts]
    return [file for file in files if any(part.matches(file) for part in parts)]


def _completed(family: Family, part: Part, file: GraphFile) -> list[GraphFile]:
    """Find the other parts in the folder of the file of one part."""
    if len(family.parts) == 1:
        return [file]
    folder = file.path.parent
    beside = [path for path in model_paths(folder) if not path.samefile(file.path)]
    files = _known(beside)
    return [
        file if other is part else _only(folder, family, other, files) for other in family.parts
    ]


def _only(folder: Path, family: Family, part: Part, files: Sequence[GraphFile]) -> GraphFile:
    fitting = [file for file in files if part.matches(file)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = " and ".join(file.path.name for file in fitting)
        raise FormatError(f"{folder}: {names} are both {family.name}; name one of them")
    inputs = ", ".join(
        f"{name or 'any'} [{', '.join(str(size or '?') for size in shape)}]"
        for name, shape in part.inputs
    )
    raise FormatError(
        f"{folder}: the {part.name} of {family.name} is missing (an .onnx file with the inputs "
        f"{inputs}); put it into the folder"
    )
