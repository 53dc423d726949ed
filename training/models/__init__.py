"""The trainable nets, one module each; `NETS` maps the type in a configuration to its class.

A class of your own needs no entry: its type is ``package.module:Class``.
"""

from __future__ import annotations

import importlib
import inspect
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model

from export.streaming import StreamingModule
from training.models.codec import Codec
from training.models.context import ContextNet
from training.models.convolutional_codec import ConvolutionalCodec
from training.models.crnn import Crnn
from training.models.denoiser import Denoiser
from training.models.fine_denoiser import FineDenoiser
from training.models.gru import GruAmp
from training.models.lstm import LstmAmp
from training.models.naive import NaiveLstm  # no type of its own, but its checkpoints must load
from training.models.open_unmix import OpenUnmix
from training.models.room_denoiser import RoomDenoiser
from training.models.separator import Separator
from training.models.spectral import SpectralAmp
from training.models.wave_u_net import WaveUNet
from training.models.wavenet import WaveNetAmp

__all__ = ["NETS", "net_arguments", "net_class"]

NETS: dict[str, type[StreamingModule]] = {
    "lstm": LstmAmp,
    "gru": GruAmp,
    "wavenet": WaveNetAmp,
    "spectral": SpectralAmp,
    "context": ContextNet,
    "denoiser": Denoiser,
    "fine-denoiser": FineDenoiser,
    "room-denoiser": RoomDenoiser,
    "codec": Codec,
    "convolutional-codec": ConvolutionalCodec,
    "crnn": Crnn,
    "wave-u-net": WaveUNet,
    "separator": Separator,
    "open-unmix": OpenUnmix,
}


def net_class(name: str) -> type[StreamingModule]:
    """Return the class of a net: by its key in `NETS`, or as ``package.module:Class``.

    Raises
    ------
    ValueError
        No such class, or one that is no `StreamingModule` with all its methods.
    """
    if ":" not in name:
        if name not in NETS:
            raise ValueError(
                f"unknown net {name!r}; choose {', '.join(NETS)}, or package.module:Class"
            )
        return NETS[name]
    kind = imported(name)
    if not (isinstance(kind, type) and issubclass(kind, StreamingModule)):
        raise ValueError(f"{name}: not a class derived from export.streaming.StreamingModule")
    for method in ("initial_state", "forward"):
        if getattr(kind, method) is getattr(StreamingModule, method):
            raise ValueError(f"{name}: lacks the method {method}(), which every net must have")
    return kind


def net_arguments(kind: type[StreamingModule]) -> type[BaseModel]:
    """Return a pydantic model of a constructor's arguments, to check a configuration with.

    ``knobs`` is left out: it comes from the data.
    """
    hints = get_type_hints(kind.__init__, include_extras=True)
    fields: dict[str, Any] = {
        name: (hints.get(name, Any), ... if p.default is p.empty else p.default)
        for name, p in inspect.signature(kind).parameters.items()
        if name != "knobs" and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    }
    return create_model(kind.__name__, __config__=ConfigDict(extra="forbid"), **fields)


_MOVED = {"training.circuit": "training.guitar.circuit"}
"""Former names of modules, which configurations and model cards may still contain."""


def imported(name: str) -> Any:
    """Import a module that a configuration names, and return its ``name``.

    Parameters
    ----------
    name
        ``package.module:name``.

    Raises
    ------
    ValueError
        No such module or name.
    """
    module, _, attribute = name.partition(":")
    module = _MOVED.get(module, module)
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"{name}: cannot be imported: {error}") from None
