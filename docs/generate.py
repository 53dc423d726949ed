"""Write the parts of the reference that are read from the code: ``python -m docs.generate``.

They go to ``docs/generated/``, from where the pages include them: every effect with its parameters,
the keys of presets, what is shipped, every verb of the command line, the tree of errors, and the
floors of the house.
"""

from __future__ import annotations

import ast
import inspect
import re
import tomllib
from collections.abc import Iterable, Sequence
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import yaml
from typer.models import OptionInfo

import rtaudio.errors
from docs.docstrings import markdown
from rtaudio.cli import app
from rtaudio.effects.base import Effect
from rtaudio.effects.parallel import Branch
from rtaudio.effects.registry import BRIDGED, class_name, effect_class, effect_kinds
from rtaudio.errors import RtaudioError, span
from rtaudio.preset.reader import word_of
from rtaudio.shipped import shipped_cabinets, shipped_models, shipped_presets

ROOT = Path(__file__).parents[1]
GENERATED = ROOT / "docs" / "generated"
COMMON = ("name", "mix", "bypass")
"""The fields that every effect has."""

LIVE = {("model", "interface_dbu")} | {
    (kind, "parameters") for kind in ("model", "pedal", "plugin")
}
"""Live parameters that are no fields: `Model.live_values` adds them."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    cells = ([cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


# Effects.


def effects() -> str:
    """Return a section for every effect: what it does, its parameters, an example."""
    classes = [effect_class(kind) for kind in [*effect_kinds(), *BRIDGED]]
    return "\n\n".join(_effect(cls) for cls in [*classes, Branch])


def _effect(cls: type[Effect]) -> str:
    text, described = _numpydoc(cls)
    parts = [
        f"## {cls.__name__} {{ #rtaudio.{cls.__name__} }}",
        f"[](){{ #{cls.__module__}.{cls.__name__} }}",
        "A branch of `parallel`, not an effect of its own." if cls is Branch else
        f"In presets: `{cls.kind}`.",
        text,
    ]  # fmt: skip
    rows = [_parameter(cls, name, described) for name in own_fields(cls)]
    if rows:
        head = ["Parameter", "Range", "Default", "Live", "Meaning"]
        parts.append(table(head, rows))
    return "\n\n".join(parts)


def own_fields(cls: type[Effect]) -> list[str]:
    """Return the fields of an effect that it does not share with all, or has its own range of."""
    return [
        name
        for name, field in cls.model_fields.items()
        if name not in COMMON or field.default != Effect.model_fields[name].default
    ]


def _parameter(cls: type[Effect], name: str, described: dict[str, str]) -> tuple[str, ...]:
    field = cls.model_fields[name]
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    low = next((rule.ge for rule in field.metadata if hasattr(rule, "ge")), None)
    high = next((rule.le for rule in field.metadata if hasattr(rule, "le")), None)
    unit = str(extra.get("unit", ""))
    ranged = low is not None or high is not None
    reach = span(low, high, unit) if ranged else _type(field.annotation)
    meaning = field.description or ""
    if not extra.get("live") or not meaning:  # what is fixed needs more than one line
        meaning = described.get(name) or meaning
    if field.default_factory is not None or field.is_required():
        default = _made_default(cls, name)
    else:
        default = _shown(field.default)
    live = "yes" if extra.get("live") or (cls.kind, name) in LIVE else "no"
    return f"`{name}`", reach, default, live, meaning


def _made_default(cls: type[Effect], name: str) -> str:
    """Return the default of a field that is made anew for every effect."""
    field = cls.model_fields[name]
    signature = inspect.signature(cls).parameters.get(name)
    if signature is not None and signature.default is signature.empty:
        return "needed"
    if field.default_factory is None:
        return "needed"
    value = field.get_default(call_default_factory=True)
    return "the shipped one" if isinstance(value, Path) else _shown(value)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return f"{value:g}"
    return "none" if value in (None, "", [], {}) else f"`{value}`"


def _type(annotation: Any) -> str:
    """Return what values a field without a range takes, in words."""
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(annotation))
    if inspect.isclass(annotation) and not get_args(annotation):
        words = {Path: "file", str: "text", bool: "true, false", float: "number"}
        return words.get(annotation, annotation.__name__)
    inner = get_args(annotation)
    if get_origin(annotation) is list:
        item = inner[0]
        item = get_args(item)[0] if get_args(item) else item
        return f"list of {getattr(item, '__name__', 'values')}"
    if get_origin(annotation) is dict:
        return "name: number" if inner[1] is float else "name: value"
    return ", ".join("none" if part is type(None) else _type(part) for part in inner)


def _numpydoc(cls: type[Any]) -> tuple[str, dict[str, str]]:
    """Return the text of a docstring with its notes and example, and its parameters by name."""
    sections = re.split(r"^([A-Z][\w ]+)\n-{3,}\n", inspect.getdoc(cls) or "", flags=re.MULTILINE)
    found = dict(zip(sections[1::2], sections[2::2], strict=True))
    described: dict[str, str] = {}
    for names, text in re.findall(
        r"^(\S.*)\n((?:[ ]+.*\n?|\n)*)", found.get("Parameters", ""), re.MULTILINE
    ):
        for name in names.split(","):
            described[name.strip()] = " ".join(markdown(text).split())
    parts = [markdown(sections[0]).strip()]
    if "Notes" in found:
        parts.append(markdown(found["Notes"]).strip())
    if "Examples" in found:
        code = re.sub(r"\s*# doctest:.*", "", found["Examples"].strip())
        parts.append(f"```pycon\n{code}\n```")
    return "\n\n".join(parts), described


# Presets.


def preset_keys() -> str:
    """Return the keys that every kind of effect takes in a preset."""
    rows = []
    for kind in [*effect_kinds(), *BRIDGED]:
        cls = effect_class(kind)
        keys = [word_of(key) for key in cls.model_fields if key not in COMMON]
        shown = ", ".join(f"`{key}`" for key in keys) or "none of its own"
        rows.append((f"[`{kind}`](effects.md#rtaudio.{class_name(kind)})", shown))
    branch = [word_of(key) for key in Branch.model_fields]
    rows.append(("an item of `paths`", ", ".join(f"`{key}`" for key in branch)))
    return table(["Effect", "Keys"], rows)


def shipped() -> str:
    """Return the shipped presets, cabinets and models."""
    rows = []
    for name, file in shipped_presets().items():
        content = yaml.safe_load(file.read_text("utf-8"))
        rows.append((f"`{name}`", content.get("description", "")))
    lists = {"cabinets": shipped_cabinets(), "models": shipped_models()}
    parts = [table(["Preset", ""], rows)]
    parts += [
        f"Shipped {what}: {', '.join(f'`{name}`' for name in names)}."
        for what, names in lists.items()
    ]
    return "\n\n".join(parts)


# The command line.


class Word(NamedTuple):
    """An argument or an option of a verb, as its function declares it."""

    names: list[str]
    kind: Any
    info: Any
    default: Any

    @property
    def is_option(self) -> bool:
        """Whether it begins with dashes."""
        return self.names[0].startswith("-")


def command_line() -> str:
    """Return a section for every verb: usage, help, arguments, options, example."""
    return "\n\n".join(_verb(name, command) for name, command in verbs().items())


def verbs() -> dict[str, Any]:
    """Return the verbs of the command line by name, in the order of its help; groups at the end."""
    found = {command.callback.__name__: command for command in app.registered_commands}
    for group in app.registered_groups:
        found |= {
            f"{group.name} {command.callback.__name__}": command
            for command in group.typer_instance.registered_commands
        }
    return found


def words(function: Any) -> list[Word]:
    """Return the arguments and options of a verb."""
    hints = get_type_hints(function, include_extras=True)
    found = []
    for name, parameter in inspect.signature(function).parameters.items():
        kind, info = get_args(hints[name])[:2]
        metavar = info.metavar or name.upper()
        option = isinstance(info, OptionInfo)
        # in `Annotated`, the first name of an option stands where its default would
        named = [info.default] if isinstance(info.default, str) else []
        names = [*named, *(info.param_decls or ())] or [f"--{name.replace('_', '-')}"]
        default = None if parameter.default is parameter.empty else parameter.default
        if default is True and not named:
            names.append(f"--no-{name.replace('_', '-')}")
        found.append(Word(names if option else [metavar], kind, info, default))
    return found


def _verb(name: str, command: Any) -> str:
    own = words(command.callback)
    arguments = [word for word in own if not word.is_option]
    options = [word for word in own if word.is_option]
    usage = ["rtaudio", name, *(["[OPTIONS]"] if options else []), *(a.names[0] for a in arguments)]
    parts = [
        f"## {name} {{ #{name.replace(' ', '-')} }}",
        f"```text\n{' '.join(usage)}\n```",
        inspect.getdoc(command.callback) or "",
    ]
    if example := re.search(r"`(rtaudio .*)`", command.epilog or ""):
        parts.append(f"```sh\n{example[1]}\n```")
    if arguments:
        parts.append(table(["Argument", "Meaning"], map(_argument, arguments)))
    if options:
        parts.append(table(["Option", "Value", "Default", "Meaning"], map(_option, options)))
    return "\n\n".join(parts)


def _argument(word: Word) -> tuple[str, str]:
    text = word.info.help or ""
    if inspect.isclass(word.kind) and issubclass(word.kind, Enum):
        text += f" One of {_choices(word.kind)}; default `{word.default.value}`."
    return f"`{word.names[0]}`", text


def _choices(kind: type[Enum]) -> str:
    return ", ".join(f"`{choice.value}`" for choice in kind)


def _option(word: Word) -> tuple[str, ...]:
    kind, low, high = word.kind, word.info.min, word.info.max
    if get_origin(kind) in (UnionType, Union):
        kind = next(part for part in get_args(kind) if part is not type(None))
    repeatable = get_origin(kind) is list
    kind = get_args(kind)[0] if repeatable else kind
    if kind is bool:
        value = ""
    elif inspect.isclass(kind) and issubclass(kind, Enum):
        value = _choices(kind)
    elif low is not None or high is not None:
        value = span(low, high)
    else:
        value = (word.info.metavar or _KINDS[kind]).lower()
    default = getattr(word.default, "value", word.default)
    shown = "" if default in (None, False) else f"`{_shown(default).strip('`')}`"
    return ", ".join(f"`{name}`" for name in word.names), value, shown, word.info.help or ""


_KINDS = {int: "whole number", float: "number", str: "text", Path: "path"}


# Errors.


def errors() -> str:
    """Return every public error with its base and what it means."""
    rows = []
    for cls in error_classes():
        summary = (inspect.getdoc(cls) or "").partition("\n\n")[0]
        base = cls.__bases__[0].__name__
        place = f"[](){{ #rtaudio.errors.{cls.__name__} }}"
        rows.append((f"{place}`{cls.__name__}`", f"`{base}`", markdown(summary)))
    return table(["Error", "Is a", "Meaning"], rows)


def error_classes() -> list[type[RtaudioError]]:
    """Return the errors of `rtaudio.errors`, in the order of the file."""
    return [
        value
        for value in vars(rtaudio.errors).values()
        if inspect.isclass(value) and issubclass(value, RtaudioError)
    ]


# The house.


def floors() -> str:
    """Return the floors of the packages, from the top, and what each room is."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if "layers" in contract)
    rows = []
    for number, layer in enumerate(layers):
        for room in layer.split("|"):
            name = room.strip()
            rows.append((f"`{name}`", str(len(layers) - number), _room(name)))
    return table(["Room", "Floor", "What it is"], rows)


def _room(name: str) -> str:
    """Return the first line of a package's or module's docstring, without importing it."""
    path = ROOT.joinpath(*name.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
    return markdown(text).partition("\n\n")[0].replace("\n", " ")


PARTS = {
    "effects": effects,
    "preset-keys": preset_keys,
    "shipped": shipped,
    "command-line": command_line,
    "errors": errors,
    "floors": floors,
}


def main() -> None:
    """Write every part."""
    GENERATED.mkdir(exist_ok=True)
    for name, part in PARTS.items():
        (GENERATED / f"{name}.md").write_text(part() + "\n", "utf-8")


if __name__ == "__main__":
    main()
