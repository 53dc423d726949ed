"""Rewriting: a preset with other settings, in the words and with the comments of its author."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic_core import to_jsonable_python

from rtaudio.effects.base import FILE, Effect
from rtaudio.preset.reader import word_of
from rtaudio.preset.save import file_word


class _Edit(NamedTuple):
    """A piece of the text to replace; an insertion if it is empty."""

    start: int
    stop: int
    text: str


def rewritten(text: str, chain: Effect, folder: Path) -> str | None:
    r"""Return the text of a preset with the present settings of its chain.

    Only values that differ are touched; a setting that the text lacks is added unless it is at its
    default. Comments, order and layout stay.

    Parameters
    ----------
    text
        A preset that can be played.
    chain
        The chain that was made of it, since changed in its settings, not in its effects.
    folder
        The folder of the new preset, for the files that it names.

    Returns
    -------
    str or None
        None if the chain has other effects than the text.

    Examples
    --------
    >>> from rtaudio.effects.chain import Chain
    >>> from rtaudio.effects.gain import Gain
    >>> old = "chain:\n  - gain: {gain_db: 3}   # for the solo\n"
    >>> print(rewritten(old, Chain([Gain(gain_db=5.0)]), Path()), end="")
    chain:
      - gain: {gain_db: 5.0}   # for the solo
    """
    text = text.removeprefix("\ufeff")
    root = yaml.compose(text, yaml.SafeLoader)
    try:
        edits = list(_mapping(root, chain, folder))
    except _OtherChainError:
        return None
    for edit in sorted(edits, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.stop :]
    return text


class _OtherChainError(Exception):
    """The text and the chain are not of one shape."""


def _mapping(node: Any, effect: Effect, folder: Path) -> Iterator[_Edit]:
    """Yield the edits of a mapping of settings."""
    if not isinstance(node, yaml.MappingNode):
        raise _OtherChainError
    cls = type(effect)
    present = {key.value: value for key, value in node.value}
    missing: dict[str, Any] = {}
    for key in cls.model_fields:
        word = word_of(key)
        at = present.get(word, present.get(key))
        if item := cls.effect_item(key):
            if at is not None:
                yield from _list(at, getattr(effect, key), item, folder)
            elif getattr(effect, key):
                raise _OtherChainError
        elif at is None:
            if key != FILE and getattr(effect, key) != cls.model_fields[key].get_default(
                call_default_factory=True
            ):
                missing[word] = _value(effect, key, folder)
        elif yaml.SafeLoader("").construct_document(at) != _value(effect, key, folder):
            yield _Edit(at.start_mark.index, at.end_mark.index, _flow(_value(effect, key, folder)))
    yield from _added(node, missing)


def _list(node: Any, effects: list[Effect], item: type[Effect], folder: Path) -> Iterator[_Edit]:
    if not isinstance(node, yaml.SequenceNode) or len(node.value) != len(effects):
        raise _OtherChainError
    for inner, effect in zip(node.value, effects, strict=True):
        yield from (_item if item is Effect else _settings)(inner, effect, folder)


def _item(node: Any, effect: Effect, folder: Path) -> Iterator[_Edit]:
    """Yield the edits of ``kind`` or ``kind: settings``."""
    if isinstance(node, yaml.ScalarNode):
        if node.value != effect.kind:
            raise _OtherChainError
        missing = _changed(effect, folder)
        if missing:
            yield _Edit(node.end_mark.index, node.end_mark.index, f": {_flow(missing)}")
        return
    [(key, settings)] = node.value
    if key.value != effect.kind:
        raise _OtherChainError
    yield from _settings(settings, effect, folder)


def _settings(node: Any, effect: Effect, folder: Path) -> Iterator[_Edit]:
    if isinstance(node, yaml.SequenceNode):
        yield from _short(node, effect, folder)
    elif isinstance(node, yaml.ScalarNode):  # nothing after the colon
        missing = _changed(effect, folder)
        if missing:
            lead = "" if node.value else " "
            yield _Edit(node.start_mark.index, node.end_mark.index, lead + _flow(missing))
    else:
        yield from _mapping(node, effect, folder)


def _short(node: yaml.SequenceNode, effect: Effect, folder: Path) -> Iterator[_Edit]:
    """Yield the edits of a list in place of the settings; it gets its key if there are more."""
    cls = type(effect)
    [key] = [key for key in cls.model_fields if cls.list_item(key) is not None]
    item = cls.effect_item(key)
    missing = _changed(effect, folder, but=key)
    if item is None:
        raise _OtherChainError
    yield from _list(node, getattr(effect, key), item, folder)
    if not missing:
        return
    start, stop, word = node.start_mark.index, node.end_mark.index, word_of(key)
    if node.flow_style:
        yield _Edit(start, start, f"{_flow(missing)[:-1]}, {word}: ")
        yield _Edit(stop, stop, "}")
        return
    indent = "\n" + " " * node.start_mark.column
    lines = [f"{name}: {_flow(value)}" for name, value in missing.items()]
    yield _Edit(start, start, indent.join([*lines, f"{word}:", ""]))


def _added(node: yaml.MappingNode, missing: dict[str, Any]) -> Iterator[_Edit]:
    """Yield the edit that adds settings to a mapping."""
    if not missing:
        return
    if node.flow_style:
        before = node.value[-1][1].end_mark.index if node.value else node.start_mark.index + 1
        lead = ", " if node.value else ""
        yield _Edit(before, before, lead + _flow(missing)[1:-1])
        return
    start = node.start_mark.index
    indent = "\n" + " " * node.start_mark.column
    lines = [f"{name}: {_flow(value)}" for name, value in missing.items()]
    yield _Edit(start, start, indent.join([*lines, ""]))


def _changed(effect: Effect, folder: Path, but: str | None = None) -> dict[str, Any]:
    """Return the settings that are not at their default."""
    fields = type(effect).model_fields
    return {
        word_of(key): _value(effect, key, folder)
        for key, field in fields.items()
        if key != but
        and type(effect).effect_item(key) is None
        and getattr(effect, key) != field.get_default(call_default_factory=True)
    }


def _value(effect: Effect, key: str, folder: Path) -> Any:
    """Return a field as plain data."""
    if key == FILE:
        return file_word(effect.kind, Path(getattr(effect, key)), folder)
    return to_jsonable_python(getattr(effect, key))


def _flow(value: Any) -> str:
    """Return a value on one line."""
    text = yaml.safe_dump(
        value, default_flow_style=True, width=float("inf"), allow_unicode=True, sort_keys=False
    )
    return text.removesuffix("\n").removesuffix("\n...")
