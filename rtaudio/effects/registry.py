"""The effects by kind, which presets name.

There are four sources, the first that knows a kind wins: a module of this folder, which holds the
effect that it is called after; the bridge to pedalboard (:mod:`rtaudio.bridge`); a subclass of
:class:`~rtaudio.Effect` that the program has defined; and an entry point of the group
``rtaudio.effects`` of an installed package::

    [project.entry-points."rtaudio.effects"]
    big_fuzz = "my_package.fuzz:BigFuzz"
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import warnings
from collections.abc import Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

import rtaudio.effects

if TYPE_CHECKING:
    from rtaudio.effects.base import Effect

GROUP = "rtaudio.effects"
"""The group of entry points."""

BRIDGED = ("board", "pedal", "plugin")
"""Kinds of effects of the bridge, which stands above; they are imported when they are used."""

_NO_EFFECTS = ("base", "fields", "model_player", "registry", "stream")


@cache
def effect_kinds() -> list[str]:
    """Return every kind of effect that comes with rtaudio, in alphabetical order."""
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
    """Return the class of a kind of effect that comes with rtaudio."""
    room = "bridge" if kind in BRIDGED else "effects"
    module = importlib.import_module(f"rtaudio.{room}.{kind}")
    effect: type[Effect] = getattr(module, class_name(kind))
    return effect


def known_kinds() -> list[str]:
    """Return every kind of effect that a preset may name."""
    return sorted({*effect_kinds(), *BRIDGED, *_defined(), *_entry_points()})


def known_effect(kind: str) -> type[Effect] | None:
    """Return the class of any kind of effect that a preset may name, or None.

    Warns
    -----
    RuntimeWarning
        A package offers the effect, but it cannot be loaded.
    """
    if kind in effect_kinds() or kind in BRIDGED:
        return effect_class(kind)
    if kind in (defined := _defined()):
        return defined[kind]
    return _loaded(point) if (point := _entry_points().get(kind)) else None


def _defined() -> dict[str, type[Effect]]:
    """Return the effects that are defined elsewhere; of two of a kind, the later definition."""
    base = sys.modules.get("rtaudio.effects.base")
    if base is None:
        return {}
    return {
        effect.kind: effect
        for effect in _subclasses(base.Effect)
        if effect.build is not base.Effect.build
        and not effect.__module__.startswith(("rtaudio.effects.", "rtaudio.bridge."))
    }


def _subclasses(effect: type[Effect]) -> Iterator[type[Effect]]:
    for subclass in effect.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def _entry_points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _loaded(point: EntryPoint) -> type[Effect] | None:
    """Return the effect of an entry point, or warn in one line."""
    from rtaudio.effects.base import Effect

    package = point.dist.name if point.dist else point.module
    try:
        effect = point.load()
        if not (isinstance(effect, type) and issubclass(effect, Effect)):
            reason = f"{point.value} is not a subclass of rtaudio.Effect"
        elif effect.kind != point.name:
            reason = f"its name must be that of the class {effect.__name__}: {effect.kind}"
        else:
            return effect
    except Exception as error:  # whatever the code of another package raises
        reason = " ".join(f"{type(error).__name__}: {error}".split())
    text = f"{package}: the effect {point.name!r} cannot be loaded: {reason}"
    warnings.warn(text, RuntimeWarning, stacklevel=3)
    return None
