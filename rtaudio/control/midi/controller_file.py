"""The file of a controller: its mappings, in the user's settings.

::

    port: nanoKONTROL                                # a part of the port's name
    map:
      - {control: 0, to: amp.gain_db}
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from rtaudio.atomic import replacing
from rtaudio.control.midi.mapping import Mapping, read_mappings
from rtaudio.errors import SettingsError, closest, shortened
from rtaudio.preset.rewrite import end_of
from rtaudio.settings import settings_path

_MAX_BYTES = 1 << 18
_KEYS = ("port", "map")


def controllers_folder() -> Path:
    """Return the folder of the controllers' files, beside the settings; it may not exist."""
    return settings_path().parent / "midi"


class ControllerFile:
    """The mappings of one controller.

    Parameters
    ----------
    path
        The file; it may not exist.

    Attributes
    ----------
    port
        A part of the name of its port.
    mappings
        What its controls turn.

    Raises
    ------
    SettingsError
        The file cannot be understood: one line with the file, the fault and the remedy.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.port, self._text = path.stem, ""
        self.mappings: list[Mapping] = []
        if path.is_file():
            self._read()

    def _read(self) -> None:
        if self.path.stat().st_size > _MAX_BYTES:
            raise SettingsError(f"{self.path}: is too large for the mappings of a controller")
        try:
            self._text = self.path.read_text("utf-8")
            found: Any = yaml.safe_load(self._text) or {}
        except (yaml.YAMLError, UnicodeDecodeError):
            raise SettingsError(f"{self.path}: not valid YAML; repair it") from None
        if not isinstance(found, dict):
            raise SettingsError(f"{self.path}: a controller is a mapping with a list `map:`")
        for key in found:
            if key not in _KEYS:
                word = shortened(str(key))
                raise SettingsError(
                    f"{self.path}: unknown key {word!r}; {closest(str(key), _KEYS)}"
                )
        port = found.get("port", self.port)
        if not isinstance(port, str) or not port:
            raise SettingsError(f"{self.path}: port is not a part of the name of a port")
        self.port = port
        self.mappings = read_mappings(found.get("map") or [], str(self.path))

    @classmethod
    def of_port(cls, port: str) -> ControllerFile:
        """Return the file whose ``port:`` is the longest part of a name, or that of a new one."""
        folder = controllers_folder()
        files = [cls(path) for path in sorted(folder.glob("*.yaml"))]
        fitting = [file for file in files if file.port.lower() in port.lower()]
        if fitting:
            return max(fitting, key=lambda file: len(file.port))
        name = base_name(port)
        stem = re.sub(r"[^\w.+ -]", "-", name).strip(". ") or "midi"
        new = cls(folder / f"{stem}.yaml")
        new.port = name
        return new

    def learn(self, mapping: Mapping) -> None:
        """Write a mapping that has been learnt.

        It takes the place of one with the same control, and of a learnt one with the same target;
        comments and layout stay.

        Raises
        ------
        OSError
            The file cannot be written.
        """
        text = self._text or f"port: {yaml.safe_dump(self.port).splitlines()[0]}\nmap:\n"
        text = _without(text, mapping)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self.path) as temporary:
            temporary.write_text(_with(text, mapping), "utf-8")
        self._read()


def base_name(port: str) -> str:
    """Return the name of a port without the numbers that change when it is plugged in again.

    Examples
    --------
    >>> base_name("nanoKONTROL2:nanoKONTROL2 _ CTRL 20:0")
    'nanoKONTROL2'
    """
    return re.sub(r" \d+:\d+$", "", port).partition(":")[0].strip() or port


def _items(text: str) -> yaml.Node | None:
    root = yaml.compose(text, yaml.SafeLoader)
    entries = root.value if isinstance(root, yaml.MappingNode) else []
    return next((value for key, value in entries if key.value == "map"), None)


def _without(text: str, mapping: Mapping) -> str:
    """Return the text without the mappings that a learnt one replaces."""
    node = _items(text)
    if not isinstance(node, yaml.SequenceNode):
        return text
    former = read_mappings(yaml.SafeLoader("").construct_document(node), "")
    for item, old in reversed(list(zip(node.value, former, strict=True))):
        same = (old.kind, old.number) == (mapping.kind, mapping.number) and (
            None in (old.channel, mapping.channel) or old.channel == mapping.channel
        )
        if not same and old.to != mapping.to:
            continue
        start, stop = item.start_mark.index, end_of(item)
        if node.flow_style:
            later = re.match(r"\s*,\s*", text[stop:])
            earlier = re.search(r",\s*$", text[:start])
            stop += later.end() if later else 0
            start -= len(earlier[0]) if earlier and not later else 0
        else:
            start = text.rindex("\n", 0, start) + 1
            end = text.find("\n", stop)
            stop = len(text) if end < 0 else end + 1
        text = text[:start] + text[stop:]
    return text


def _with(text: str, mapping: Mapping) -> str:
    """Return the text with one more mapping at the end of its list."""
    line = yaml.safe_dump(mapping.plain(), default_flow_style=True, sort_keys=False, width=1000)
    line = line.strip()
    node = _items(text)
    if isinstance(node, yaml.SequenceNode) and node.value and node.flow_style:
        at = end_of(node.value[-1])
        return f"{text[:at]}, {line}{text[at:]}"
    if isinstance(node, yaml.SequenceNode) and node.value:
        end = text.find("\n", end_of(node.value[-1]))
        head, tail = (text, "") if end < 0 else (text[:end], text[end + 1 :])
        dash = " " * (node.start_mark.column)
        return f"{head}\n{dash}- {line}\n{tail}"
    if node is None:
        return f"{text.rstrip()}\nmap:\n  - {line}\n".lstrip()
    start, stop = node.start_mark.index, node.end_mark.index
    return f"{text[:start].rstrip()}\n  - {line}\n{text[stop:].lstrip()}"
