"""The effects by kind: every module of this folder holds the effect that it is called after."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING

import rtaudio.effects

if TYPE_CHECKING:
    from rtaudio.effects.base import Effect

_NO_EFFECTS = ("base", "model_player", "registry")


@cache
def effect_kinds() -> list[str]:
    """Return every kind of effect that a preset may name, in alphabetical order."""
    modules = (module.name for module in pkgutil.iter_modules(rtaudio.effects.__path__))
    return sorted(name for name in modules if name not in _NO_EFFECTS)


def class_name(kind: str) -> str:
    """Return the name of the class of a kind of effect.

    Examples
    --------
    >>> class_name("noise_gate")
    'NoiseGate'
    """
    return kind.title().replace("_", "")


def effect_class(kind: str) -> type[Effect]:
    """Return the class of a kind of effect."""
    module = importlib.import_module(f"rtaudio.effects.{kind}")
    effect: type[Effect] = getattr(module, class_name(kind))
    return effect
