"""Reading presets: from the text of a file to a chain, or to one line with the fault."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import yaml

from rtaudio.catalogue import Kind, catalogue, plugin_folders
from rtaudio.effects.base import FILE, Effect
from rtaudio.effects.chain import Chain
from rtaudio.effects.registry import known_effect, known_kinds
from rtaudio.errors import (
    ParameterError,
    PresetError,
    closest,
    dotted,
    fault_text,
    shortened,
)

MAX_DEPTH = 32

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Marks = dict[tuple[Any, ...], yaml.Node]


_WORDS = {"effects": "chain", "branches": "paths"}
_FIELDS = {word: key for key, word in _WORDS.items()}


NAMED: dict[str, Kind] = {
    "model": "model",
    "denoise": "model",
    "cabinet": "cabinet",
    "codec": "codec",
    "plugin": "plugin",
}
"""Kinds of effects whose file may also be the name of one that ships, or is installed."""

CODE = ("plugin",)
"""Kinds of effects whose file is native code: whoever loads it runs it."""


def word_of(key: str) -> str:
    """Return the word that presets use for a field of an effect."""
    return _WORDS.get(key, key)


class PresetReader:
    """One reading of one file: turns YAML nodes into effects, and faults into lines of text.

    Parameters
    ----------
    path
        The file; its folder is where the files that it names are looked for.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder = path.absolute().parent
        self._names: dict[str, int] = {}

    def _fault(self, at: Any, text: str) -> PresetError:
        """Make the error for a line, or for the line of a YAML node or event."""
        line = at if isinstance(at, int) else at.start_mark.line + 1
        return PresetError(f"{self.path}:{line}: {' '.join(text.split())}")

    def chain(self, text: str) -> Chain:
        """Return the chain that ``text`` describes, or raise :class:`PresetError`."""
        root, entries, _ = self._root(text)
        if "effects" not in entries:
            raise self._fault(root, "no list `chain:`; an empty one, `chain: []`, is a wire")
        chain = self._build(Chain, entries, root, "preset")
        assert isinstance(chain, Chain)
        return chain

    def description(self, text: str) -> str:
        """Return the description in ``text``, without making any effect; empty if it has none."""
        return self._root(text)[2]

    def midi(self, text: str) -> Any:
        """Return the section ``midi`` in ``text`` as plain data, unchecked; None: there is none."""
        root = self._parse(text)
        entries = root.value if isinstance(root, yaml.MappingNode) else []
        found = next((value for key, value in entries if key.value == "midi"), None)
        return None if found is None else self._plain(found)

    def _root(self, text: str) -> tuple[yaml.Node, dict[str, yaml.Node], str]:
        """Return the root, its entries but for description and MIDI, and the description."""
        root = self._parse(text)
        if root is None:
            raise self._fault(1, "the file is empty; a preset needs a list `chain:`")
        if not isinstance(root, yaml.MappingNode):
            raise self._fault(root, "a preset is a mapping with `name:` and a list `chain:`")
        entries = self._entries(root, "preset", [*self._keys(Chain), "description", "midi"])
        entries.pop("midi", None)
        description = self._text(entries.pop("description")) if "description" in entries else ""
        return root, entries, description

    def _text(self, node: yaml.Node) -> str:
        text = self._plain(node)
        if text is not None and not isinstance(text, str):
            raise self._fault(node, "description is not text")
        return text or ""

    def _parse(self, text: str) -> yaml.Node | None:
        """Compose the document, after refusing what could blow up: aliases, tags and depth."""
        try:
            depth = 0
            for event in yaml.parse(text, _Loader):
                if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                    raise self._fault(
                        event,
                        "anchors and aliases (& *) are not used in presets; write the value out",
                    )
                if tag := getattr(event, "tag", None):
                    raise self._fault(event, f"tags ({tag}) are not used in presets; remove it")
                depth += isinstance(event, yaml.CollectionStartEvent)
                depth -= isinstance(event, yaml.CollectionEndEvent)
                if depth > MAX_DEPTH:
                    raise self._fault(event, f"nested deeper than {MAX_DEPTH} levels; flatten it")
            return yaml.compose(text, _Loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else 1
            raise self._fault(line, f"not valid YAML: {error.problem or error.context}") from None
        except yaml.YAMLError as error:
            raise self._fault(1, f"not valid YAML: {str(error).splitlines()[0]}") from None

    def _plain(self, node: yaml.Node) -> Any:
        """Return a node as plain data."""
        try:
            loader = yaml.SafeLoader("")
            return loader.construct_document(node)
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            raise self._fault(
                node, f"{_shown(node)} is not a value: {shortened(str(error))}"
            ) from None

    @staticmethod
    def _keys(cls: type[Effect]) -> list[str]:
        return [word_of(key) for key in cls.model_fields]

    def _entries(
        self, node: yaml.MappingNode, where: str, known: list[str]
    ) -> dict[str, yaml.Node]:
        """Return key -> node of a mapping whose keys are all known and occur once."""
        entries: dict[str, yaml.Node] = {}
        for key_node, value in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else _shown(key_node)
            name = _FIELDS.get(key, key)
            if key not in known:
                raise self._fault(
                    key_node, f"{where}: unknown key {shortened(key)!r}; {closest(key, known)}"
                )
            if name in entries:
                raise self._fault(key_node, f"{where}: the key {key!r} occurs twice; remove one")
            entries[name] = value
        return entries

    def _effects(self, node: yaml.Node, where: str) -> list[Effect]:
        return [self._effect(item) for item in self._items(node, where)]

    def _items(self, node: yaml.Node, where: str) -> list[yaml.Node]:
        if isinstance(node, yaml.SequenceNode):
            return list(node.value)
        if isinstance(node, yaml.ScalarNode) and self._plain(node) is None:
            raise self._fault(node, f"{where} is empty; write [] for a list without items")
        raise self._fault(
            node, f"{where} = {_shown(node)} is not a list; start each item with `- `"
        )

    def _effect(self, node: yaml.Node) -> Effect:
        """Read one item of a chain: ``kind`` or ``kind: settings``."""
        if isinstance(node, yaml.ScalarNode):
            kind, at, settings = node.value, node, None
        elif isinstance(node, yaml.MappingNode) and len(node.value) == 1:
            [(at, settings)] = node.value
            kind = at.value if isinstance(at, yaml.ScalarNode) else _shown(at)
        else:
            raise self._fault(
                node,
                "an item of a chain is one effect with its settings, like `- gain: {gain_db: -6}`",
            )
        cls = known_effect(kind)
        if cls is None:
            text = f"unknown effect {shortened(kind)!r}; {closest(kind, known_kinds())}"
            raise self._fault(at, text)
        return self._effect_of(cls, settings, at, kind)

    def _effect_of(
        self, cls: type[Effect], settings: yaml.Node | None, at: yaml.Node, where: str
    ) -> Effect:
        entries: dict[str, yaml.Node] = {}
        lists = [key for key in cls.model_fields if cls.list_item(key) is not None]
        if isinstance(settings, yaml.MappingNode):
            entries = self._entries(settings, where, self._keys(cls))
        elif isinstance(settings, yaml.SequenceNode) and len(lists) == 1:
            entries = {lists[0]: settings}
        elif settings is not None and self._plain(settings) is not None:
            raise self._fault(
                settings,
                f"{where} = {_shown(settings)} is not a mapping of settings;"
                f" known: {', '.join(self._keys(cls))}",
            )
        return self._build(cls, entries, at, where)

    def _build(
        self, cls: type[Effect], entries: Mapping[str, yaml.Node], at: yaml.Node, where: str
    ) -> Effect:
        values: dict[str, Any] = {}
        marks: _Marks = {(): at}
        for key, node in entries.items():
            item = cls.effect_item(key)
            shown = f"{where}.{word_of(key)}"
            _mark(marks, (key,), node)
            if item is Effect:
                values[key] = self._effects(node, shown)
            elif item is not None:
                values[key] = [
                    self._effect_of(item, inner, inner, f"{shown}[{number}]")
                    for number, inner in enumerate(self._items(node, shown))
                ]
            elif key == FILE and cls.kind in CODE:
                values[key] = self._code(node, shown, NAMED[cls.kind])
            elif key == FILE or (_is_path(cls, key) and self._plain(node) is not None):
                values[key] = self._file(node, shown, NAMED.get(cls.kind))
            else:
                values[key] = self._plain(node)
        if missing := cls.missing_argument(values):
            raise self._fault(at, f"{where}.{missing} is missing; give it a value")
        try:
            effect = cls(**values)
        except ParameterError as error:
            raise self._explained(cls, error, marks, at, where) from None
        except (ValueError, OSError) as error:
            raise self._fault(at, f"{where}: {error}") from None
        if effect.name:
            self._claim(effect.name, entries["name"])
        return effect

    def _claim(self, name: str, at: yaml.Node) -> None:
        """Refuse a name that another effect of the file has."""
        line = at.start_mark.line + 1
        if name in self._names:
            raise self._fault(
                at, f"the name {name!r} stands in line {self._names[name]}, too; choose another"
            )
        self._names[name] = line

    def _code(self, node: yaml.Node, where: str, named: Kind) -> Path:
        """Return a file that is code: it must be installed, whoever has written the preset."""
        value = self._plain(node)
        if isinstance(value, str) and value in (known := catalogue(named)):
            return known[value]
        path = self._file(node, where, None)
        folders = plugin_folders()
        if not any(path.resolve().is_relative_to(folder.resolve()) for folder in folders):
            raise self._fault(
                node,
                f"{where} = {_shown(node)}: a plugin is code, so a preset loads installed ones "
                f"only; install it in {folders[0]}, or name its folder in VST3_PATH",
            )
        return path

    def _file(self, node: yaml.Node, where: str, named: Kind | None) -> Path:
        value = self._plain(node)
        if not isinstance(value, str) or not value or "\0" in value:
            raise self._fault(node, f"{where} = {_shown(node)} is not a file name")
        path = Path(os.path.normpath(self.folder / value))
        try:
            found = path.exists()
        except OSError:
            found = False
        if not found and named is not None and value in (known := catalogue(named)):
            return known[value]
        if not found:
            raise self._fault(
                node,
                f"{where} = {_shown(node)}: no such file; "
                f"it is looked for beside the preset, as {path}",
            )
        return path

    def _explained(
        self, cls: type[Effect], error: ParameterError, marks: _Marks, at: yaml.Node, where: str
    ) -> PresetError:
        """Report a fault, at the line of the value and with the words of the file."""
        if error.fault is None:
            return self._fault(at, f"{where}: {error}")
        loc = tuple(error.fault["loc"])
        at = next(marks[loc[:n]] for n in range(len(loc), -1, -1) if loc[:n] in marks)
        shown = _shown(marks[loc]) if loc in marks else None
        words = tuple(part if isinstance(part, int) else word_of(part) for part in loc)
        return self._fault(at, fault_text(error.fault, dotted(where, words), cls, shown))


def _is_path(cls: type[Effect], key: str) -> bool:
    """Return whether a field holds a path, or may."""
    annotation = cls.model_fields[key].annotation
    return annotation is Path or Path in get_args(annotation)


def _mark(marks: _Marks, loc: tuple[Any, ...], node: yaml.Node) -> None:
    """Note where a value stands, and each value inside it."""
    marks[loc] = node
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            _mark(marks, (*loc, number), item)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                _mark(marks, (*loc, key.value), value)


def _shown(node: yaml.Node) -> str:
    """Return a node as a person wrote it, shortened."""
    if isinstance(node, yaml.ScalarNode):
        return shortened(node.value if not node.style else repr(node.value))
    return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"
