"""The description of an LV2 plugin: a manifest, ports, and presets, in Turtle."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from export.plugin.tables import Parameter, Tables

__all__ = ["manifest", "turtle"]

_PREFIXES = """@prefix doap: <http://usefulinc.com/ns/doap#> .
@prefix lv2: <http://lv2plug.in/ns/lv2core#> .
@prefix pprops: <http://lv2plug.in/ns/ext/port-props#> .
@prefix pset: <http://lv2plug.in/ns/ext/presets#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix units: <http://lv2plug.in/ns/extensions/units#> .

"""

KINDS = ((2, 2, ""), (1, 1, "#mono"), (1, 2, "#mono-to-stereo"))
"""Inputs and outputs of each plugin of the bundle, and the end of its address; as in ``lv2.c``."""

_UNITS = {"dB": "units:db", "Hz": "units:hz", "ms": "units:ms", "%": "units:pc"}


def _uri(tables: Tables, end: str) -> str:
    return f"<urn:{tables.identity}{end}>"


def _preset_uri(tables: Tables, number: int, end: str) -> str:
    return f"<urn:{tables.identity}:preset-{number}{end}>"


def manifest(tables: Tables, library: str) -> str:
    """Return ``manifest.ttl``.

    Parameters
    ----------
    tables
        The plugin.
    library
        Name of the file of machine code.
    """
    lines = [_PREFIXES]
    for _, _, end in KINDS:
        lines.append(
            f"{_uri(tables, end)} a lv2:Plugin ; lv2:binary <{_escaped(library)}> ;\n"
            "    rdfs:seeAlso <plugin.ttl> .\n"
        )
        lines += (
            f"{_preset_uri(tables, number, end)} a pset:Preset ; "
            f"lv2:appliesTo {_uri(tables, end)} ;\n    rdfs:seeAlso <plugin.ttl> .\n"
            for number in range(len(tables.presets))
        )
    return "".join(lines)


def turtle(tables: Tables) -> str:
    """Return ``plugin.ttl``."""
    parts = [_PREFIXES]
    for inputs, outputs, end in KINDS:
        name = tables.name + end.replace("#", " ").replace("-", " ")
        ports = ",\n".join(
            f"    [ lv2:index {index} ; {port} ]"
            for index, port in enumerate(_ports(tables, inputs, outputs))
        )
        parts.append(
            f"{_uri(tables, end)} a lv2:Plugin, lv2:SimulatorPlugin ;\n"
            f"    doap:name {_string(name)} ; rdfs:comment {_string(tables.description)} ;\n"
            f"    lv2:optionalFeature lv2:hardRTCapable ;\n    lv2:port\n{ports} .\n\n"
        )
        for number, (preset, values) in enumerate(tables.presets.items()):
            settings = ",\n".join(
                f"    [ lv2:symbol {_string(symbol)} ; pset:value {_number(value)} ]"
                for symbol, value in _values(tables, values)
            )
            parts.append(
                f"{_preset_uri(tables, number, end)} a pset:Preset ; "
                f"lv2:appliesTo {_uri(tables, end)} ;\n    rdfs:label {_string(preset)} ; "
                f"lv2:port\n{settings} .\n\n"
            )
    return "".join(parts)


def _ports(tables: Tables, inputs: int, outputs: int) -> Iterator[str]:
    """Yield the properties of each port, in the order of ``lv2.c``."""
    for kind, count in (("Input", inputs), ("Output", outputs)):
        word = "in" if kind == "Input" else "out"
        for channel in range(count):
            end = f"_{channel + 1}" if count > 1 else ""
            label = word if count == 1 else f"{word} {channel + 1}"
            yield (
                f'a lv2:AudioPort, lv2:{kind}Port ; lv2:symbol "{word}{end}" ; lv2:name "{label}"'
            )
    yield (
        "a lv2:ControlPort, lv2:OutputPort ; lv2:designation lv2:latency ; "
        "lv2:portProperty lv2:reportsLatency, lv2:integer, pprops:notOnGUI ; "
        'units:unit units:frame ; lv2:symbol "latency" ; lv2:name "latency"'
    )
    symbols = _symbols(tables.parameters)
    for parameter in tables.parameters:
        yield f"a lv2:ControlPort, lv2:InputPort ; {_control(parameter, symbols[parameter.key])}"


def _control(parameter: Parameter, symbol: str) -> str:
    """Return the properties of a control; that of the bypass says: enabled."""
    title, start = parameter.title, parameter.start
    extra = ""
    if parameter.bypass:
        title, start = "enabled", 1.0 - start
        extra = " ; lv2:designation lv2:enabled"
    if parameter.switch:
        extra += " ; lv2:portProperty lv2:toggled"
    if parameter.logarithmic:
        extra += " ; lv2:portProperty pprops:logarithmic"
    if parameter.unit in _UNITS:
        extra += f" ; units:unit {_UNITS[parameter.unit]}"
    return (
        f"lv2:symbol {_string(symbol)} ; lv2:name {_string(title)} ; "
        f"lv2:default {_number(start)} ; lv2:minimum {_number(parameter.low)} ; "
        f"lv2:maximum {_number(parameter.high)}{extra}"
    )


def _values(tables: Tables, values: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    symbols = _symbols(tables.parameters)
    for parameter in tables.parameters:
        value = values[parameter.key]
        yield symbols[parameter.key], 1.0 - value if parameter.bypass else value


def _symbols(parameters: list[Parameter]) -> dict[str, str]:
    """Return the name of each control for programs: letters, digits and lines, each once."""
    found: dict[str, str] = {}
    for parameter in parameters:
        plain = "enabled" if parameter.bypass else re.sub(r"\W", "_", parameter.key, flags=re.ASCII)
        plain = f"_{plain}" if plain[0].isdigit() else plain
        end = 1
        symbol = plain
        while symbol in found.values():
            end += 1
            symbol = f"{plain}_{end}"
        found[parameter.key] = symbol
    return found


def _number(value: float) -> str:
    return f"{value:.9g}" if "e" not in f"{value:.9g}" else f"{value:.12f}"


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _escaped(name: str) -> str:
    """Return a file name as a part of an address."""
    return "".join(c if re.match(r"[\w.-]", c, re.ASCII) else _percent(c) for c in name)


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode())
