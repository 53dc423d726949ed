"""Presets: a chain as a YAML file that a person can read, write and share.

::

    name: crunch
    description: A pushed British combo.
    chain:
      - noise_gate: {threshold_db: -60}
      - model: {name: amp, file: models/crunch.onnx}     # relative to this file
      - parallel:
          - {pan: -1, chain: [{cabinet: {file: cabinets/open.wav}}]}
          - {pan: 1, gain_db: -3, chain: [{cabinet: {file: cabinets/closed.wav}}]}
      - limiter                                          # all defaults

An item of ``chain`` is the kind of an effect and its settings, which are the fields of its class:
there is no second list of them. A list in place of the settings is the effect's only list
(``effects``, ``paths``, ``bands`` ...), and ``chain`` is another word for ``effects``.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import pkgutil
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

import rtaudio.effects
from rtaudio.atomic import replacing
from rtaudio.chain import Chain, Parallel
from rtaudio.effects.base import Effect

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
FILE = "file"
"""The field of an effect that holds a path; in a preset it is relative to the preset."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
CONTAINERS: dict[str, type[Effect]] = {"chain": Chain, "parallel": Parallel}
_Marks = dict[tuple[Any, ...], yaml.Node]


class PresetError(ValueError):
    """A preset that cannot be played; one line: file, line, key, value and the remedy."""


def shipped_presets() -> dict[str, Path]:
    """Return the presets that come with rtaudio: name -> file."""
    here = Path(__file__).parent
    folder = next((f for f in (here / "presets", here.parent / "presets") if f.is_dir()), None)
    return {file.stem: file for file in sorted(folder.glob("*.yaml"))} if folder else {}


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


def load_preset(preset: str | Path) -> Chain:
    """Read a preset.

    Parameters
    ----------
    preset
        A file, or the name of a shipped preset. A name with a suffix or a folder is a file.

    Returns
    -------
    Chain
        The chain; its files are absolute paths.

    Raises
    ------
    PresetError
        The preset cannot be played: one line with the file, the line, the fault and the remedy.
    FileNotFoundError
        No such preset.

    Examples
    --------
    >>> chain = load_preset("bypass")
    >>> chain.name, chain.effects
    ('bypass', [])
    """
    path = _find(preset)
    if not path.is_file():
        raise PresetError(f"{path}: not a file; give a preset file or one of {_names()}")
    if path.stat().st_size > MAX_BYTES:
        raise PresetError(f"{path}: larger than {MAX_BYTES >> 20} MiB, so not a preset")
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError:
        raise PresetError(f"{path}: not a text file in UTF-8, so not a preset") from None
    return _Reader(path).chain(text)


def save_preset(chain: Chain, path: str | Path, description: str = "") -> None:
    """Write a chain as a preset; settings that are at their default are left out.

    Parameters
    ----------
    chain
        What to write. ``load_preset`` gives an equal chain, with files as absolute paths.
    path
        The file. It is replaced in one step, or not at all.
    description
        One line for the reader of the file.
    """
    path = Path(path)
    settings = _settings(chain, path.absolute().parent)
    name = {"name": settings.pop("name")} if "name" in settings else {}
    about = {"description": description} if description else {}
    text = yaml.safe_dump(
        name | about | settings,
        sort_keys=False, allow_unicode=True, width=100, default_flow_style=None,
    )  # fmt: skip
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")


def _names() -> str:
    return ", ".join(shipped_presets())


def _closest(word: str, known: Iterable[str]) -> str:
    """Return the clause that helps with a misspelt word: the nearest known one, else all."""
    names = list(known)
    near = difflib.get_close_matches(word, names, 1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}"


def _find(preset: str | Path) -> Path:
    path = Path(preset)
    shipped = shipped_presets()
    if str(preset) in shipped:
        return shipped[str(preset)]
    if path.exists():
        return path
    if path.suffix or path.parent != Path():
        raise FileNotFoundError(f"{path}: no such preset file; shipped presets: {_names()}")
    raise FileNotFoundError(f"no preset {str(preset)!r}; {_closest(str(preset), shipped)}")


def _word(key: str) -> str:
    """Return the word that presets use for a field."""
    return "chain" if key == "effects" else key


def _list_item(cls: type[BaseModel], key: str) -> Any:
    """Return the type of the items of a list field, or None."""
    annotation = cls.model_fields[key].annotation
    return get_args(annotation)[0] if get_origin(annotation) is list else None


def _effect_item(cls: type[BaseModel], key: str) -> type[Effect] | None:
    """Return the class of effect that a list field holds, or None."""
    item = _list_item(cls, key)
    item = get_args(item)[0] if get_args(item) else item
    return item if isinstance(item, type) and issubclass(item, Effect) else None


def _missing(cls: type[Effect], values: Mapping[str, Any]) -> str | None:
    """Return the first argument that the constructor of an effect cannot do without, or None."""
    for name, argument in inspect.signature(cls).parameters.items():
        named = argument.kind is not argument.VAR_KEYWORD
        if named and argument.default is argument.empty and name not in values:
            return name
    return None


def _settings(effect: Effect, folder: Path) -> dict[str, Any]:
    """Return the fields of an effect that differ from their defaults, as plain data."""
    dumped = effect.model_dump(mode="json", exclude_defaults=True, exclude={"effects", "paths"})
    cls = type(effect)
    settings: dict[str, Any] = {}
    lists: dict[str, Any] = {}
    for key in cls.model_fields:
        value = getattr(effect, key)
        if item := _effect_item(cls, key):
            write = _item if item is Effect else _settings
            lists[_word(key)] = [write(inner, folder) for inner in value]
        elif key == FILE:
            if not value:
                raise PresetError(f"{effect.kind}: was not made from a file; save it as one first")
            settings[key] = _relative(Path(value), folder)
        elif key in dumped:
            settings[key] = dumped[key]
    return settings | lists


def _item(effect: Effect, folder: Path) -> Any:
    settings = _settings(effect, folder)
    if not settings:
        return effect.kind
    values = [*settings.values()]
    alone = len(values) == 1 and isinstance(values[0], list)
    return {effect.kind: values[0] if alone else settings}


def _relative(file: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(file, folder)).as_posix()
    except ValueError:  # another drive
        return file.absolute().as_posix()


class _Reader:
    """One reading of one file: turns YAML nodes into effects, and faults into lines of text."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder = path.absolute().parent

    def fault(self, at: Any, text: str) -> PresetError:
        """Make the error for a line, or for the line of a YAML node or event."""
        line = at if isinstance(at, int) else at.start_mark.line + 1
        return PresetError(f"{self.path}:{line}: {' '.join(text.split())}")

    def chain(self, text: str) -> Chain:
        root = self.parse(text)
        if root is None:
            raise self.fault(1, "the file is empty; a preset needs a list `chain:`")
        if not isinstance(root, yaml.MappingNode):
            raise self.fault(root, "a preset is a mapping with `name:` and a list `chain:`")
        entries = self.entries(root, "preset", [*self.keys(Chain), "description"])
        description = entries.pop("description", None)
        if description is not None and not isinstance(self.plain(description), str):
            raise self.fault(description, "description is not text")
        if "effects" not in entries:
            raise self.fault(root, "no list `chain:`; an empty one, `chain: []`, is a wire")
        chain = self.build(Chain, entries, root, "preset")
        assert isinstance(chain, Chain)
        return chain

    def parse(self, text: str) -> yaml.Node | None:
        """Compose the document, after refusing what could blow up: aliases, tags and depth."""
        try:
            depth = 0
            for event in yaml.parse(text, _Loader):
                if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                    raise self.fault(event, "anchors and aliases (& *) are not used in presets; "
                                     "write the value out")  # fmt: skip
                if tag := getattr(event, "tag", None):
                    raise self.fault(event, f"tags ({tag}) are not used in presets; remove it")
                depth += isinstance(event, yaml.CollectionStartEvent)
                depth -= isinstance(event, yaml.CollectionEndEvent)
                if depth > MAX_DEPTH:
                    raise self.fault(event, f"nested deeper than {MAX_DEPTH} levels; flatten it")
            return yaml.compose(text, _Loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else 1
            raise self.fault(line, f"not valid YAML: {error.problem or error.context}") from None
        except yaml.YAMLError as error:
            raise self.fault(1, f"not valid YAML: {str(error).splitlines()[0]}") from None

    def plain(self, node: yaml.Node) -> Any:
        """Return a node as plain data."""
        try:
            loader = yaml.SafeLoader("")
            return loader.construct_document(node)
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            raise self.fault(node, f"{_shown(node)} is not a value: {_short(str(error))}") from None

    @staticmethod
    def keys(cls: type[Effect]) -> list[str]:
        return [_word(key) for key in cls.model_fields]

    def entries(self, node: yaml.MappingNode, where: str, known: list[str]) -> dict[str, yaml.Node]:
        """Return key -> node of a mapping whose keys are all known and occur once."""
        entries: dict[str, yaml.Node] = {}
        for key_node, value in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else _shown(key_node)
            name = "effects" if key == "chain" else key
            if key not in known:
                raise self.fault(key_node, f"{where}: unknown key {_short(key)!r}; "
                                 f"{_closest(key, known)}")  # fmt: skip
            if name in entries:
                raise self.fault(key_node, f"{where}: the key {key!r} occurs twice; remove one")
            entries[name] = value
        return entries

    def effects(self, node: yaml.Node, where: str) -> list[Effect]:
        return [self.effect(item) for item in self.items(node, where)]

    def items(self, node: yaml.Node, where: str) -> list[yaml.Node]:
        if isinstance(node, yaml.SequenceNode):
            return node.value
        if isinstance(node, yaml.ScalarNode) and self.plain(node) is None:
            return []
        raise self.fault(node, f"{where} = {_shown(node)} is not a list; start each item with `- `")

    def effect(self, node: yaml.Node) -> Effect:
        """Read one item of a chain: ``kind`` or ``kind: settings``."""
        if isinstance(node, yaml.ScalarNode):
            kind, at, settings = node.value, node, None
        elif isinstance(node, yaml.MappingNode) and len(node.value) == 1:
            [(at, settings)] = node.value
            kind = at.value if isinstance(at, yaml.ScalarNode) else _shown(at)
        else:
            raise self.fault(node, "an item of a chain is one effect with its settings, "
                             "like `- gain: {gain_db: -6}`")  # fmt: skip
        kinds = effect_kinds()
        if kind not in kinds:
            raise self.fault(at, f"unknown effect {_short(kind)!r}; {_closest(kind, kinds)}")
        return self.effect_of(effect_class(kind), settings, at, kind)

    def effect_of(
        self, cls: type[Effect], settings: yaml.Node | None, at: yaml.Node, where: str
    ) -> Effect:
        entries: dict[str, yaml.Node] = {}
        lists = [key for key in cls.model_fields if _list_item(cls, key) is not None]
        if isinstance(settings, yaml.MappingNode):
            entries = self.entries(settings, where, self.keys(cls))
        elif isinstance(settings, yaml.SequenceNode) and len(lists) == 1:
            entries = {lists[0]: settings}
        elif settings is not None and self.plain(settings) is not None:
            raise self.fault(settings, f"{where} = {_shown(settings)} is not a mapping of settings;"
                             f" known: {', '.join(self.keys(cls))}")  # fmt: skip
        return self.build(cls, entries, at, where)

    def build(
        self, cls: type[Effect], entries: Mapping[str, yaml.Node], at: yaml.Node, where: str
    ) -> Effect:
        values: dict[str, Any] = {}
        marks: _Marks = {(): at}
        for key, node in entries.items():
            item = _effect_item(cls, key)
            shown = f"{where}.{_word(key)}"
            _mark(marks, (key,), node)
            if item is Effect:
                values[key] = self.effects(node, shown)
            elif item is not None:
                values[key] = [
                    self.effect_of(item, inner, inner, f"{shown}[{number}]")
                    for number, inner in enumerate(self.items(node, shown))
                ]
            elif key == FILE:
                values[key] = self.file(node, shown)
            else:
                values[key] = self.plain(node)
        if missing := _missing(cls, values):
            raise self.fault(at, f"{where}.{missing} is missing; give it a value")
        try:
            return cls(**values)
        except ValidationError as error:
            raise self.explain(cls, error, marks, where) from None
        except (ValueError, OSError) as error:
            raise self.fault(at, f"{where}: {error}") from None

    def file(self, node: yaml.Node, where: str) -> Path:
        value = self.plain(node)
        if not isinstance(value, str) or not value or "\0" in value:
            raise self.fault(node, f"{where} = {_shown(node)} is not a file name")
        path = Path(os.path.normpath(self.folder / value))
        try:
            found = path.is_file()
        except OSError:
            found = False
        if not found:
            raise self.fault(node, f"{where} = {_shown(node)}: no such file; "
                             f"it is looked for beside the preset, as {path}")  # fmt: skip
        return path

    def explain(
        self, cls: type[Effect], error: ValidationError, marks: _Marks, where: str
    ) -> PresetError:
        """Say in one line what pydantic found first."""
        first = error.errors()[0]
        loc = tuple(first["loc"])
        at = next(marks[loc[:n]] for n in range(len(loc), -1, -1) if loc[:n] in marks)
        key = where + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
        span = _range(_field(cls, loc))
        shown = _shown(marks[loc]) if loc in marks else _short(repr(first["input"]))
        match first["type"]:
            case "missing":
                return self.fault(at, f"{key} is missing; give it a value")
            case "extra_forbidden":
                return self.fault(at, f"{key}: unknown key; remove it")
            case "greater_than_equal" | "less_than_equal" | "greater_than" | "less_than" if span:
                return self.fault(at, f"{key} = {shown} is out of range {span}")
            case "finite_number" | "float_parsing" | "float_type" | "int_parsing" | "int_type":
                return self.fault(at, f"{key} = {shown} is not a number" + (span and f" in {span}"))
            case "bool_parsing" | "bool_type":
                return self.fault(at, f"{key} = {shown} is neither true nor false")
            case "string_type":
                return self.fault(at, f"{key} = {shown} is not text; put it in quotes")
            case "too_short":
                return self.fault(at, f"{key} needs {first['ctx']['min_length']} or more items")
            case "value_error":
                return self.fault(at, f"{key}: {first['ctx']['error']}" if loc else
                                  f"{where}: {first['ctx']['error']}")  # fmt: skip
        message = first["msg"][:1].lower() + first["msg"][1:]
        return self.fault(at, f"{key} = {shown}: {message}" if loc else f"{where}: {message}")


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


def _field(cls: type[BaseModel], loc: tuple[Any, ...]) -> Any:
    """Return the field that a location of pydantic's leads to, or None."""
    field: Any = None
    model: Any = cls
    for part in loc:
        if isinstance(part, int):
            continue
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return None
        field = model.model_fields.get(part)
        if field is None:
            return None
        inner = [field.annotation, *get_args(field.annotation)]
        model = next((t for t in inner if isinstance(t, type) and issubclass(t, BaseModel)), None)
    return field


def _range(field: Any) -> str:
    """Return the range of a field with its unit, as ``-100 .. 0 dB``; empty if it has none."""
    if field is None:
        return ""
    low = next((m.ge for m in field.metadata if hasattr(m, "ge")), None)
    high = next((m.le for m in field.metadata if hasattr(m, "le")), None)
    if low is None and high is None:
        return ""
    unit = (field.json_schema_extra or {}).get("unit", "")
    ends = [f"{end:g}" if end is not None else "" for end in (low, high)]
    return f"{ends[0]} .. {ends[1]} {unit}".strip()


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."


def _shown(node: yaml.Node) -> str:
    """Return a node as a person wrote it, shortened."""
    if isinstance(node, yaml.ScalarNode):
        return _short(node.value if not node.style else repr(node.value))
    return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"
