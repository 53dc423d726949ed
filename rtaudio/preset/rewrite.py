"""Rewriting: a preset with other settings, in the words and with the comments of its author."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic_core import to_jsonable_python

from rtaudio.effects.base import FILE, Effect
from rtaudio.preset.reader import word_of
from rtaudio.preset.save import file_word, item_of


class _Edit(NamedTuple):
    """A piece of the text to replace; an insertion if it is empty."""

    start: int
    stop: int
    text: str


def rewritten(text: str, chain: Effect, folder: Path) -> str | None:
    r"""Return the text of a preset with the present settings of its chain.

    Only values that differ are touched; a setting that the text lacks is added unless it is at its
    default. Effects that were added, removed or moved are, with the comments in front of them and
    beside them. All other comments, order and layout stay.

    Parameters
    ----------
    text
        A preset that can be played.
    chain
        The chain that was made of it, changed since.
    folder
        The folder of the new preset, for the files that it names.

    Returns
    -------
    str or None
        None if the text cannot be kept.

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
    if not isinstance(node, yaml.SequenceNode):
        raise _OtherChainError
    if item is not Effect:
        if len(node.value) != len(effects):
            raise _OtherChainError
        for inner, effect in zip(node.value, effects, strict=True):
            yield from _settings(inner, effect, folder)
        return
    order = _matched(node, effects)
    if order == list(range(len(node.value))):
        for inner, effect in zip(node.value, effects, strict=True):
            yield from _item(inner, effect, folder)
    elif node.flow_style:
        yield _in_line(node, effects, order, folder)
    else:
        yield _in_lines(node, effects, order, folder)


def _matched(node: yaml.SequenceNode, effects: list[Effect]) -> list[int | None]:
    """Return for each effect the number of its item in the text; None: it is new."""
    free = {number: _identity(inner) for number, inner in enumerate(node.value)}
    order: list[int | None] = []
    for effect in effects:
        wanted = (effect.kind, effect.name)
        number = next((n for n, identity in free.items() if identity == wanted), None)
        free.pop(-1 if number is None else number, None)
        order.append(number)
    return order


def _identity(node: yaml.Node) -> tuple[str, str]:
    """Return the kind and the own name of an item."""
    if isinstance(node, yaml.ScalarNode):
        return node.value, ""
    if not isinstance(node, yaml.MappingNode) or len(node.value) != 1:
        raise _OtherChainError
    [(key, settings)] = node.value
    entries = settings.value if isinstance(settings, yaml.MappingNode) else []
    return key.value, next((value.value for word, value in entries if word.value == "name"), "")


def _piece(node: yaml.Node, effect: Effect, folder: Path, start: int, stop: int) -> str:
    """Return a stretch of the text with an item in it, with the settings of its effect."""
    text = _text_of(node)[start:stop]
    for edit in sorted(_item(node, effect, folder), reverse=True):
        text = text[: edit.start - start] + edit.text + text[edit.stop - start :]
    return text


def _in_line(
    node: yaml.SequenceNode, effects: list[Effect], order: list[int | None], folder: Path
) -> _Edit:
    """Return the edit of a list in brackets."""
    items = []
    for effect, number in zip(effects, order, strict=True):
        if number is None:
            items.append(_flow(item_of(effect, folder)))
        else:
            inner = node.value[number]
            start, stop = inner.start_mark.index, inner.end_mark.index
            items.append(_piece(inner, effect, folder, start, stop))
    return _Edit(node.start_mark.index, node.end_mark.index, f"[{', '.join(items)}]")


def _in_lines(
    node: yaml.SequenceNode, effects: list[Effect], order: list[int | None], folder: Path
) -> _Edit:
    """Return the edit of a list with a dash for each item, which stands in whole lines."""
    text = _text_of(node)
    dash = " " * node.start_mark.column
    start = text.rfind("\n", 0, node.start_mark.index) + 1
    if text[start : node.start_mark.index].strip():
        raise _OtherChainError
    first = start = _with_comments(text, start)
    spans = []
    for inner in node.value:
        stop = text.find("\n", end_of(inner))
        stop = len(text) if stop < 0 else stop + 1
        spans.append((start, stop))
        start = stop
    lines = []
    for effect, number in zip(effects, order, strict=True):
        if number is None:
            lines.append(f"{dash}- {_flow(item_of(effect, folder))}")
        else:
            lines.append(_piece(node.value[number], effect, folder, *spans[number]))
    joined = "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
    return _Edit(first, start, joined or f"{dash}[]\n")


def _text_of(node: yaml.Node) -> str:
    """Return the whole text that a node was read from."""
    return str(node.start_mark.buffer).rstrip("\0")


def _with_comments(text: str, start: int) -> int:
    """Return where the comments in front of a line begin."""
    while start > 0:
        before = text.rfind("\n", 0, start - 1) + 1
        if not text[before:start].lstrip().startswith("#"):
            break
        start = before
    return start


def end_of(node: yaml.Node) -> int:
    """Return where a node ends in the text; PyYAML counts what follows a block to it."""
    if isinstance(node, yaml.CollectionNode) and node.value and not node.flow_style:
        last = node.value[-1]
        return end_of(last[1] if isinstance(node, yaml.MappingNode) else last)
    return int(node.end_mark.index)


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
    value = getattr(effect, key)
    return file_word("", value, folder) if isinstance(value, Path) else to_jsonable_python(value)


def _flow(value: Any) -> str:
    """Return a value on one line."""
    text = yaml.safe_dump(
        value, default_flow_style=True, width=float("inf"), allow_unicode=True, sort_keys=False
    )
    return text.removesuffix("\n").removesuffix("\n...")
