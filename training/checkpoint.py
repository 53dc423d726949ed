"""Read a trained net back from a checkpoint, without running any code that lies in it."""

from __future__ import annotations

import importlib
import pickle
import sys
from pathlib import Path
from typing import Any

import torch

from export.streaming import StreamingModule

__all__ = ["CheckpointError", "load_checkpoint"]

NETS_PACKAGE = "training.models"
_KEYS = {"net", "arguments", "weights", "card"}


class CheckpointError(ValueError):
    """A checkpoint that cannot be exported; one line with file, fault and remedy."""


def load_checkpoint(path: str | Path) -> tuple[StreamingModule, dict[str, Any]]:
    """Rebuild the net of a ``best.pt``.

    A checkpoint holds plain data: ``net`` ("module:class"), ``arguments`` of the class,
    ``weights``, and the ``card`` as far as training knows it. The module is one of
    ``training.models``, or one that the program has imported itself: a file imports nothing.

    Returns
    -------
    net, card
        The net in evaluation mode on the CPU; the entries for `export.exporter.export_model`.

    Raises
    ------
    CheckpointError
        No checkpoint of this kind, an unknown net, or weights that do not fit it.
    FileNotFoundError
        No such file.
    """
    path = Path(path)
    path.stat()
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, LookupError, OSError):
        raise CheckpointError(
            f"{path}: not a checkpoint of plain weights; give the best.pt of a run"
        ) from None
    if not isinstance(content, dict) or set(content) != _KEYS:
        raise CheckpointError(f"{path}: not made for export; give the best.pt of the run")
    net = _make(path, content["net"], content["arguments"])
    try:
        net.load_state_dict(content["weights"])
    except (RuntimeError, TypeError, AttributeError):
        raise CheckpointError(
            f"{path}: the weights do not fit the net {content['net']!r}; train it again"
        ) from None
    return net.eval(), content["card"]


def _make(path: Path, name: object, arguments: object) -> StreamingModule:
    unknown = CheckpointError(
        f"{path}: net {name!r} is not known here; update rtaudio, or import the module of a net "
        "of your own first"
    )
    if not isinstance(name, str) or not isinstance(arguments, dict):
        raise unknown
    module, _, attribute = name.partition(":")
    if not module.startswith(f"{NETS_PACKAGE}.") and module not in sys.modules:
        raise unknown
    try:
        kind = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError):
        raise unknown from None
    if not (isinstance(kind, type) and issubclass(kind, StreamingModule)):
        raise unknown
    try:
        return kind(**arguments)
    except (TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path}: net {name!r}: {error}") from None
