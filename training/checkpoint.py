"""Checkpoints: a trained net in a file of plain data, which runs no code when it is read."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from export.streaming import StreamingModule
from rtaudio.atomic import replacing
from rtaudio.errors import RtaudioError
from training.config import ConfigError
from training.models import NETS

__all__ = [
    "CheckpointError",
    "Fit",
    "load_checkpoint",
    "load_fitting",
    "load_weights",
    "read_plain",
    "save_checkpoint",
]

_KEYS = {"net", "arguments", "weights", "card"}


class CheckpointError(RtaudioError):
    """A checkpoint that cannot be used; one line with file, fault and remedy."""


def save_checkpoint(
    path: Path, net: nn.Module, arguments: Mapping[str, Any], card: Mapping[str, Any]
) -> None:
    """Write a net so that `load_checkpoint` rebuilds it; whole or not at all.

    Parameters
    ----------
    path
        The file.
    net
        Its class and weights are kept.
    arguments
        The arguments of its class, as plain data.
    card
        The entries for `export.exporter.export_model`, as plain data.
    """
    content = {
        "net": f"{type(net).__module__}:{type(net).__qualname__}",
        "arguments": dict(arguments),
        "weights": {name: value.cpu() for name, value in net.state_dict().items()},
        "card": dict(card),
    }
    with replacing(path) as temporary:
        torch.save(content, temporary)


def load_checkpoint(path: str | Path) -> tuple[StreamingModule, dict[str, Any]]:
    """Rebuild the net of a ``best.pt``.

    The file names its class as "module:class". It must be a class of `training.models.NETS`, or of
    a module that the program has imported: a file imports nothing.

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
    try:
        content = read_plain(path)
    except CheckpointError:
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


def load_weights(net: nn.Module, path: Path) -> None:
    """Give a net the weights of a ``best.pt``.

    Parameters
    ----------
    net
        A net of the same class and sizes.
    path
        The checkpoint.

    Raises
    ------
    ConfigError
        The checkpoint is of another class, or of other sizes.
    CheckpointError
        As `load_checkpoint`.
    """
    trained, _ = load_checkpoint(path)
    if type(trained) is not type(net):
        raise ConfigError(
            f"{path}: a {type(trained).__name__}, but the run is of a {type(net).__name__}"
        )
    try:
        net.load_state_dict(trained.state_dict())
    except RuntimeError:
        raise ConfigError(
            f"{path}: its sizes are not those of the run; make net: the same as there"
        ) from None


@dataclass(frozen=True)
class Fit:
    """Names of weights: loaded from a file, skipped in it, and missing in it."""

    loaded: tuple[str, ...]
    skipped: tuple[str, ...]
    missing: tuple[str, ...]

    def __str__(self) -> str:
        told = [f"{len(self.loaded)} weights loaded"]
        told += [f"skipped: {', '.join(self.skipped)}"] if self.skipped else []
        told += [f"new: {', '.join(self.missing)}"] if self.missing else []
        return "; ".join(told)


def load_fitting(net: nn.Module, path: Path) -> Fit:
    """Give a net those weights of a ``best.pt`` whose names and shapes are its own.

    Parameters
    ----------
    net
        A net of the same or of similar sizes; weights that are missing stay as they are.
    path
        The checkpoint.

    Raises
    ------
    ConfigError
        No weight fits.
    CheckpointError
        As `load_checkpoint`.
    """
    trained, _ = load_checkpoint(path)
    stored, own = trained.state_dict(), net.state_dict()
    fitting = {
        name: value
        for name, value in stored.items()
        if name in own and own[name].shape == value.shape
    }
    if not fitting:
        raise ConfigError(
            f"{path}: no weight of its {type(trained).__name__} fits the {type(net).__name__} of "
            "the run; make net: the same as there"
        )
    net.load_state_dict(own | fitting)
    return Fit(
        tuple(fitting),
        tuple(name for name in stored if name not in fitting),
        tuple(name for name in own if name not in fitting),
    )


def read_plain(path: Path) -> Any:
    """Read tensors and plain data that torch has saved, onto the CPU.

    Raises
    ------
    CheckpointError
        The file is cut short, of another kind, or holds code.
    FileNotFoundError
        No such file.
    """
    path.stat()
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, LookupError, OSError):
        raise CheckpointError(f"{path}: damaged, or not plain data; make it again") from None


def _make(path: Path, name: object, arguments: object) -> StreamingModule:
    kind = _known_class(name) if isinstance(name, str) and isinstance(arguments, dict) else None
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise CheckpointError(
            f"{path}: net {name!r} is not known here; update rtaudio, or import the module of a "
            "net of your own first"
        )
    if not issubclass(kind, StreamingModule):
        raise CheckpointError(f"{path}: net {name!r} does not stream, so it cannot be exported")
    try:
        return kind(**arguments)  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path}: net {name!r}: {error}") from None


def _known_class(name: str) -> object:
    """Return what "module:class" names among `NETS` and the imported modules, or None."""
    for kind in NETS.values():
        if name == f"{kind.__module__}:{kind.__qualname__}":
            return kind
    module, _, attribute = name.partition(":")
    return getattr(sys.modules.get(module), attribute, None)
