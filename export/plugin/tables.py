"""The tables of a plugin, written as C: its name, parameters, layouts and functions."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import NamedTuple

from export.errors import ExportError
from export.plugin.image import Layout
from rtaudio.runtime.plan import Plan

__all__ = ["Parameter", "Tables", "parameters_of"]

_SWITCH, _BYPASS, _LOGARITHMIC = 1, 2, 4
_PRESET_ID = 0x7FFFFFFE
"""The number of the parameter of ``vst3.c`` that chooses a factory preset."""

_UNITS = ("_db", "_hz", "_ms", "_dbu")


class Parameter(NamedTuple):
    """A parameter of a plugin; see ``shim/core.h``.

    Attributes
    ----------
    key
        ``"effect.parameter"``.
    title
        Its name, without the unit, which hosts append.
    unit
        Its unit; may be empty.
    low, high
        Its range.
    start
        The value of the preset.
    switch, bypass
        Whether it is on or off, and whether it is the bypass of the whole.
    """

    key: str
    title: str
    unit: str
    low: float
    high: float
    start: float
    switch: bool
    bypass: bool

    @property
    def id(self) -> int:
        """A number that stays the same as long as the key does, 0 .. 2^31 - 1."""
        return int.from_bytes(hashlib.sha256(self.key.encode()).digest()[:4], "little") >> 1

    @property
    def logarithmic(self) -> bool:
        """Whether equal turns of a knob are equal ratios."""
        return self.unit == "Hz" and self.low > 0.0

    @property
    def flags(self) -> int:
        """The flags of ``shim/core.h``."""
        return _SWITCH * self.switch | _BYPASS * self.bypass | _LOGARITHMIC * self.logarithmic


def parameters_of(plan: Plan) -> list[Parameter]:
    """Return the parameters of a plugin: the bypass of the whole first.

    Parameters
    ----------
    plan
        One of its plans.

    Raises
    ------
    ExportError
        Two parameters have the same number.
    """
    root = plan.effects[0]
    found = []
    for key, control in plan.controls.items():
        low, high, unit = control.range
        effect, parameter = control.effect, control.parameter
        switch = isinstance(control.default, bool)
        bypass = (effect, parameter) == (root, "bypass")
        name = next((parameter.removesuffix(u) for u in _UNITS if parameter.endswith(u)), parameter)
        title = name if effect == root else f"{effect} {name}"
        found.append(
            Parameter(key, title.replace("_", " "), unit, low, high, control.value, switch, bypass)
        )
    ids = [_PRESET_ID, *(parameter.id for parameter in found)]
    if len(set(ids)) < len(ids):
        same = next(p.key for p in found if ids.count(p.id) > 1)
        raise ExportError(f"{same}: has the number of another parameter; rename its effect")
    return sorted(found, key=lambda parameter: not parameter.bypass)


class Tables(NamedTuple):
    """What makes one plugin different from another.

    Attributes
    ----------
    name, description, version
        For the host.
    parameters
        Its parameters.
    layouts
        Its images.
    symbols
        The names of its functions, in the order of their table.
    tail_seconds
        How long it sounds after its input; below 0: endless.
    machine, features
        The processor that the code is made for, and the features that it must have, as GCC calls
        them.
    presets
        Factory presets by name: values by the keys of parameters.
    models
        Place and size of its ONNX models.
    onnx_library
        Name of the file of ONNX Runtime beside the machine code; empty: it has no such model.
    """

    name: str
    description: str
    version: str
    parameters: list[Parameter]
    layouts: list[Layout]
    symbols: list[str]
    tail_seconds: float
    machine: str
    features: tuple[str, ...]
    presets: dict[str, dict[str, float]]
    models: list[tuple[int, int]]
    onnx_library: str

    @property
    def identity(self) -> str:
        """The name by which hosts find the plugin again: small letters, digits and hyphens."""
        plain = re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")
        if plain != self.name:
            plain = f"{plain}-{hashlib.sha256(self.name.encode()).hexdigest()[:8]}".lstrip("-")
        return f"rtaudio:{plain}"

    def source(self) -> str:
        """Return the C source."""
        cid = hashlib.sha256(self.identity.encode()).digest()[:16]
        parameters = [
            f"{{{_text(p.key)}, {_text(p.title)}, {_text(p.unit)}, {p.id}u, {p.flags}, "
            f"{_float(p.low)}, {_float(p.high)}, {_float(p.start)}}}"
            for p in self.parameters
        ]
        values = [
            ", ".join(_float(preset[parameter.key]) for parameter in self.parameters)
            for preset in self.presets.values()
        ]
        layouts = ["{" + ", ".join(map(str, layout)) + "}" for layout in self.layouts]
        fit = " && ".join(f'__builtin_cpu_supports("{f}")' for f in self.features) or "true"
        return f"""#include "core.h"

const char plugin_name[] = {_text(self.name)};
const char plugin_id[] = {_text(self.identity)};
const char plugin_description[] = {_text(self.description)};
const char plugin_version[] = {_text(self.version)};
const unsigned char plugin_cid[16] = {{{", ".join(map(str, cid))}}};
const Parameter parameters[] = {{
{_rows(parameters)}}};
const int parameter_count = {len(parameters)};
const char *const preset_names[] = {{
{_rows(map(_text, self.presets))}    NULL,
}};
const float preset_values[] = {{
{_rows(values)}    0.0f,
}};
const int preset_count = {len(self.presets)};
const Layout layouts[] = {{
{_rows(layouts)}}};
const int layout_count = {len(layouts)};
const Model models[] = {{
{_rows(f"{{{place}, {size}}}" for place, size in self.models)}    {{0, 0}},
}};
const int model_count = {len(self.models)};
const char onnx_library[] = {_text(self.onnx_library)};
{"".join(f"extern void {symbol}(void);{chr(10)}" for symbol in self.symbols)}
void (*const functions[])(void) = {{
{_rows(self.symbols)}}};
const double tail_seconds = {self.tail_seconds!r};
const char machine_name[] = {_text(self.machine)};
bool machine_has_features(void) {{
    return {fit};
}}
"""


def _rows(rows: Iterable[str]) -> str:
    return "".join(f"    {row},\n" for row in rows)


def _float(value: float) -> str:
    return f"{float(value)!r}f"


def _text(text: str) -> str:
    """Return a C string."""
    plain = (chr(b) if 32 <= b < 127 and b not in b'"\\?' else f"\\{b:03o}" for b in text.encode())
    return f'"{"".join(plain)}"'
