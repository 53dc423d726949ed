"""From an ``.onnx`` file, or the folder of a denoiser, to a model file that keeps the contract."""

from __future__ import annotations

from pathlib import Path

from rtaudio.models.contract.card import ModelFile
from rtaudio.models.contract.check import check_model, read_proto
from rtaudio.models.contract.metadata import has_card
from rtaudio.models.denoisers.reader import read_denoiser, read_denoiser_folder
from rtaudio.models.graph.file import GraphFile

__all__ = ["read_onnx"]


def read_onnx(path: str | Path) -> ModelFile:
    """Read a model file, or the user's own copy of a known denoiser.

    Parameters
    ----------
    path
        A model file; a graph of a denoiser, beside its other graphs; or the folder of a denoiser.
        Denoisers are recognised by the inputs of their graphs, not by file names.

    Raises
    ------
    ContractError
        A file that breaks the contract.
    FormatError
        A denoiser that is damaged or incomplete, or a folder without one.
    FileNotFoundError
        No such file.

    Examples
    --------
    >>> from rtaudio.shipped import shipped_models
    >>> card = read_onnx(shipped_models()["denoise"]).card
    >>> card.rate_hz, card.hop, card.latency_samples
    (48000, 480, 960)
    """
    path = Path(path)
    if path.is_dir():
        return read_denoiser_folder(path)
    proto, data = read_proto(path)
    denoiser = None if has_card(proto) else read_denoiser(GraphFile(path, proto))
    return check_model(proto, path, data) if denoiser is None else denoiser
