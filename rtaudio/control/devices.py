"""The devices of a chain: its effects in order, those inside others too, and edits of them.

An edit returns a new chain of the same effects and leaves the old one as it was, so that it can be
undone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from pathlib import Path
from typing import NamedTuple

from rtaudio.catalogue import find_file
from rtaudio.effects.base import Effect
from rtaudio.effects.cabinet import Cabinet
from rtaudio.effects.chain import Chain
from rtaudio.effects.denoise import Denoise
from rtaudio.effects.model import Model
from rtaudio.effects.registry import known_effect, known_kinds
from rtaudio.errors import ParameterError, PresetError, closest
from rtaudio.models.loader import load_model
from rtaudio.preset.load import is_model

SOUNDS = (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff")
"""Suffixes of impulse responses, and of other sounds that may arrive."""

_Edit = Callable[[list[Effect]], None]


class Device(NamedTuple):
    """An effect and its place: the numbers that lead to it from the root, list by list."""

    effect: Effect
    way: tuple[int, ...]


def devices(root: Effect) -> list[Device]:
    """Return the effects inside one, each followed by those inside it."""
    return list(_walk(root, ()))


def _walk(effect: Effect, way: tuple[int, ...]) -> Iterator[Device]:
    for number, inner in enumerate(_list(effect)):
        yield Device(inner, (*way, number))
        yield from _walk(inner, (*way, number))


def _key(effect: Effect) -> str | None:
    fields = type(effect).model_fields
    return next((key for key in fields if type(effect).effect_item(key) is not None), None)


def _list(effect: Effect) -> list[Effect]:
    key = _key(effect)
    return [] if key is None else getattr(effect, key)


def _edited(effect: Effect, way: tuple[int, ...], edit: _Edit) -> Effect:
    """Return a copy of an effect in which the list at the end of a way is another one."""
    inner, key = list(_list(effect)), _key(effect)
    if way:
        inner[way[0]] = _edited(inner[way[0]], way[1:], edit)
    else:
        edit(inner)
    edited = copy(effect)
    assert key is not None
    setattr(edited, key, inner)
    return edited


def _at(root: Effect, place: int) -> Device:
    found = devices(root)
    if not 0 <= place < len(found):
        raise ParameterError(f"place {place}: the chain has {len(found)} effects, counted from 0")
    return found[place]


def with_effect(root: Effect, effect: Effect, place: int) -> Effect:
    """Return a chain with one more effect.

    Parameters
    ----------
    root
        The chain.
    effect
        The new effect.
    place
        The place of :func:`devices` in front of which it stands; their number: at the end.

    Raises
    ------
    ParameterError
        There is no such place, or an effect of this kind cannot stand there.
    """
    if place == len(devices(root)):
        return _edited(root, (), lambda effects: effects.append(effect))
    *way, at = _at(root, place).way
    return _edited(root, tuple(way), lambda effects: effects.insert(at, effect))


def without_effect(root: Effect, place: int) -> Effect:
    """Return a chain without one of its effects.

    Parameters
    ----------
    root
        The chain.
    place
        The place of :func:`devices`.

    Raises
    ------
    ParameterError
        There is no such place, or its list must not be empty.
    """
    *way, at = _at(root, place).way
    return _edited(root, tuple(way), lambda effects: effects.__delitem__(at))


def with_moved(root: Effect, place: int, to: int) -> Effect:
    """Return a chain in which one effect, with all inside it, stands elsewhere.

    Parameters
    ----------
    root
        The chain.
    place
        The place of :func:`devices`.
    to
        The place that it has afterwards.

    Raises
    ------
    ParameterError
        There is no such place, or an effect of this kind cannot stand there.
    """
    if to == place:
        return root
    return with_effect(without_effect(root, place), _at(root, place).effect, to)


def new_effect(what: str | Path) -> Effect:
    """Return a new effect: by its kind, or of a model file or an impulse response.

    Parameters
    ----------
    what
        A kind such as ``"delay"``, a file, or the name of a shipped model or cabinet. A model is
        normalized in loudness.

    Raises
    ------
    ParameterError
        The kind needs a file, or nothing is called so.
    ModelError, AudioFileError
        The file cannot be played.

    Examples
    --------
    >>> new_effect("delay"), new_effect("bass-4x10").kind
    (Delay(), 'cabinet')
    """
    cls = known_effect(str(what))
    if cls is not None:
        missing = cls.missing_argument({})
        if missing is not None:
            raise ParameterError(f"{what}: needs a {missing}; add the {missing} itself")
        return cls()
    try:
        path = find_file(what, "cabinet", "model")
    except FileNotFoundError as error:
        if Path(what).suffix:
            raise
        raise ParameterError(
            f"no effect, cabinet or model {str(what)!r}; {closest(str(what), known_kinds())}"
        ) from error
    if is_model(path):
        if load_model(path).file.card.task == "denoise":
            return Denoise(path)
        return Model(path, output="normalized")
    if is_response(path):
        return Cabinet(path)
    raise PresetError(f"{path}: is neither a model nor an impulse response")


def is_response(path: Path) -> bool:
    """Say whether a path is an impulse response: a sound file."""
    return path.suffix.lower() in SOUNDS and path.is_file()


def chain_of(effect: Effect) -> Chain:
    """Return an effect as a chain: itself, or one of it alone."""
    return effect if isinstance(effect, Chain) else Chain([effect], name=effect.name)
