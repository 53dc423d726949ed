"""From a file or a folder to a model file: one of ours, or a denoiser of others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from rtaudio.errors import FormatError
from rtaudio.models.contract.card import ModelFile
from rtaudio.models.contract.check import check_model, read_proto
from rtaudio.models.contract.metadata import CARD_KEY
from rtaudio.models.denoisers.cached import GTCRN, UL_UNAS
from rtaudio.models.denoisers.deepfilternet import DEEPFILTERNET3
from rtaudio.models.denoisers.dtln import DTLN
from rtaudio.models.denoisers.family import Family, GraphFile, Part

__all__ = ["FAMILIES", "model_paths", "read_onnx"]

FAMILIES = (DEEPFILTERNET3, DTLN, GTCRN, UL_UNAS)
MAX_FILES = 64


def read_onnx(path: str | Path) -> ModelFile:
    """Read a model file, or the user's own copy of a known denoiser.

    Parameters
    ----------
    path
        A model file; a graph of a denoiser of `FAMILIES`, beside which its other graphs lie; or the
        folder that holds them. Their inputs say what they are, not their names.

    Raises
    ------
    ContractError
        A file that breaks the contract.
    FormatError
        A denoiser that is damaged or not whole, or a folder without one.
    FileNotFoundError
        No such file.

    Examples
    --------
    >>> read_onnx("DTLN/pretrained_model").card.latency_samples                     # doctest: +SKIP
    384
    """
    path = Path(path)
    if path.is_dir():
        return _of_folder(path)
    proto, data = read_proto(path)
    if any(entry.key == CARD_KEY for entry in proto.metadata_props):
        return check_model(proto, path, data)
    file = GraphFile(path, proto)
    for family in FAMILIES:
        for part in family.parts:
            if part.matches(file):
                return family.model_file(path, _completed(family, part, file))
    return check_model(proto, path, data)


def model_paths(folder: Path) -> list[Path]:
    """Return the files that `read_onnx` looks at in a folder."""
    return sorted(folder.glob("*.onnx"))[:MAX_FILES]


def _of_folder(folder: Path) -> ModelFile:
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
            f"{folder}: holds no denoiser that is known ({names}); name a folder with its .onnx "
            "files, or a model file"
        )
    if len({family.name for family, _, _ in found}) > 1:
        names = ", ".join(file.path.name for _, _, file in found)
        raise FormatError(f"{folder}: holds several denoisers ({names}); name one of the files")
    family = found[0][0]
    return family.model_file(folder, [_only(folder, family, part, files) for part in family.parts])


def _known(paths: Iterable[Path]) -> list[GraphFile]:
    """Read files one by one, and keep those that are a part of a family; others may be large."""
    files = (GraphFile(path, read_proto(path)[0]) for path in paths)
    parts = [part for family in FAMILIES for part in family.parts]
    return [file for file in files if any(part.matches(file) for part in parts)]


def _completed(family: Family, part: Part, file: GraphFile) -> list[GraphFile]:
    """Find the other parts beside the file of one part."""
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
