"""The effects by kind, and what their classes say about their fields."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from functools import cache
from typing import Any, get_args, get_origin

from pydantic import BaseModel

import rtaudio.effects
from rtaudio.chain import Chain, Parallel
from rtaudio.effects.base import Effect

CONTAINERS: dict[str, type[Effect]] = {"chain": Chain, "parallel": Parallel}
"""The effects that hold effects; all others are modules of :mod:`rtaudio.effects`."""

FILE = "file"
"""The field of an effect that holds a path; in a preset it is relative to the preset."""


@cache
def effect_kinds() -> list[str]:
    """Return every kind of effect that a preset may name: the modules of :mod:`rtaudio.effects`."""
    modules = [module.name for module in pkgutil.iter_modules(rtaudio.effects.__path__)]
    return sorted([*CONTAINERS, *(name for name in modules if name != "base")])


def effect_class(kind: str) -> type[Effect]:
    """Return the class of a kind of effect."""
    if kind in CONTAINERS:
        return CONTAINERS[kind]
    module = importlib.import_module(f"rtaudio.effects.{kind}")
    return next(
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Effect) and value.kind == kind
    )


def field_word(key: str) -> str:
    """Return the word that presets use for a field."""
    return "chain" if key == "effects" else key


def list_item(cls: type[BaseModel], key: str) -> Any:
    """Return the type of the items of a list field, or None."""
    annotation = cls.model_fields[key].annotation
    return get_args(annotation)[0] if get_origin(annotation) is list else None


def effect_item(cls: type[BaseModel], key: str) -> type[Effect] | None:
    """Return the class of effect that a list field holds, or None."""
    item = list_item(cls, key)
    item = get_args(item)[0] if get_args(item) else item
    return item if isinstance(item, type) and issubclass(item, Effect) else None


def missing_argument(cls: type[Effect], values: Mapping[str, Any]) -> str | None:
    """Return the first argument that the constructor of an effect cannot do without, or None."""
    for name, argument in inspect.signature(cls).parameters.items():
        named = argument.kind is not argument.VAR_KEYWORD
        if named and argument.default is argument.empty and name not in values:
            return name
    return None
