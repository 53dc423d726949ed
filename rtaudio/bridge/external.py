"""A plugin from a file, loaded by pedalboard: parameters in natural units, state, faults."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from rtaudio.bridge.library import pedalboard
from rtaudio.errors import PluginError, closest
from rtaudio.runtime.memory import Floats

MAX_STATE_BYTES = 64 << 20
"""No plugin that the project knows keeps more; a larger state is no state."""

_BINARIES = {
    "linux": f"{platform.machine()}-linux",
    "darwin": "MacOS",
    "win32": {"AMD64": "x86_64-win", "ARM64": "arm64-win"}.get(platform.machine(), "x86-win"),
}
_left: list[Any] = []
"""Plugins that another thread dropped: only the main thread unloads them, when it loads another."""
_DISPLAYS = {"DISPLAY", "WAYLAND_DISPLAY"}
_LOOK_S = 0.05
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


class PluginParameter(NamedTuple):
    """A parameter as the plugin shows it.

    ``kind`` is ``"float"``, ``"bool"`` or ``"str"``: a choice, one of ``choices``. ``low``,
    ``high`` and ``unit`` are of numbers.
    """

    kind: str
    value: bool | float | str
    low: float
    high: float
    unit: str
    choices: list[str]


class ExternalPlugin:
    """A plugin from a file, for one program.

    Parameters
    ----------
    file
        The plugin: a ``.vst3``, or on macOS a ``.component``.
    title
        Which one, of a file that holds several; empty: the only one.
    name
        What messages call it.

    Raises
    ------
    FileNotFoundError
        No such file.
    PluginError
        It is no plugin, does not load here, or is an instrument.
    """

    measured = True
    ailment = ""

    def __init__(self, file: Path, title: str, name: str) -> None:
        self._name, self._owned = name, True
        self.plugin: Any = _loaded(file, title)

    @classmethod
    def of(cls, plugin: Any, name: str) -> ExternalPlugin:
        """Return a plugin that pedalboard has loaded already.

        Parameters
        ----------
        plugin
            The plugin.
        name
            What messages call it.
        """
        external = cls.__new__(cls)
        external._name, external._owned, external.plugin = name, False, plugin
        return external

    @property
    def told_latency_samples(self) -> int:
        """The latency that the plugin tells its host."""
        return int(self.plugin.reported_latency_samples)

    def parameters(self) -> dict[str, PluginParameter]:
        """Return its parameters, with their present values."""
        return {name: _described(each) for name, each in self.plugin.parameters.items()}

    @property
    def state(self) -> bytes:
        """All that the plugin keeps."""
        return bytes(self.plugin.raw_state)

    def set_state(self, state: bytes) -> None:
        """Restore what a plugin kept.

        Raises
        ------
        PluginError
            It is the state of another plugin, or damaged.
        """
        former = self.state
        try:
            self.plugin.raw_state = state
        except Exception as error:  # whatever pedalboard makes of it
            raise PluginError(f"{self._name}: {_STRANGE}: {_line(error)}") from None
        if state != former and self.state == former:
            raise PluginError(f"{self._name}: {_STRANGE}")

    def process(self, x: Floats, rate_hz: int) -> Floats:
        """Play float32 ``[channels, frames]``.

        Parameters
        ----------
        x
            Input.
        rate_hz
            Sample rate.
        """
        # never reset=True: that would play silence to the end, too
        y: Floats = self.plugin.process(x, rate_hz, buffer_size=x.shape[1], reset=False)
        return y

    def reset(self) -> None:
        """Forget all sound; in a thread, one that must be loaded anew for that stays as it is."""
        try:
            self.plugin.reset()
        except RuntimeError:
            if threading.current_thread() is threading.main_thread():
                raise

    def apply(self, name: str, value: bool | float | str) -> None:
        """Set a parameter.

        Parameters
        ----------
        name
            Its name.
        value
            In natural units.
        """
        parameter = self.plugin.parameters[name]
        parameter.raw_value = raw_value(parameter, value)

    def __del__(self) -> None:
        loaded = self.__dict__.get("plugin") if self._owned else None
        if loaded is not None and threading.current_thread() is not threading.main_thread():
            _left.append(loaded)

    def edit(self, changed: Callable[[str, bool | float | str], None]) -> None:
        """Open the plugin's own window, in the main thread, and wait until it is closed.

        Parameters
        ----------
        changed
            Called, in a thread, with the name and the new value of each parameter that changes.

        Raises
        ------
        PluginError
            There is no display to open it on.
        """
        if sys.platform == "linux" and not _DISPLAYS & os.environ.keys():
            raise PluginError("no display to open its window on; set its parameters by name")
        closed = threading.Event()
        args = (self.parameters(), changed, closed)
        watch = threading.Thread(target=self.watch, args=args, daemon=True)
        watch.start()
        try:
            self.plugin.show_editor()
        finally:
            closed.set()
            watch.join()

    def watch(
        self,
        former: dict[str, PluginParameter],
        changed: Callable[[str, bool | float | str], None],
        closed: threading.Event,
    ) -> None:
        """Call a function for every parameter that changes, until an event is set.

        Parameters
        ----------
        former
            The parameters at the beginning.
        changed
            Called with the name and the new value.
        closed
            The event.
        """
        last = False
        while not last:
            last = closed.wait(_LOOK_S)
            present = self.parameters()
            for name, parameter in present.items():
                if parameter.value != former[name].value:
                    changed(name, parameter.value)
            former = present

    def close(self) -> None:
        """Do nothing; the plugin goes with its last reference."""


_STRANGE = "the state does not belong to this plugin; save it again with this one"


def raw_value(parameter: Any, value: bool | float | str) -> float:
    """Return the place of a value on the scale 0 .. 1 of a parameter.

    pedalboard rounds to a thousandth of the range. A place in between is taken if the plugin then
    shows the value more exactly.

    Parameters
    ----------
    parameter
        Of pedalboard.
    value
        In natural units.
    """
    if parameter.type is bool:
        return 1.0 if float(value) >= 0.5 else 0.0
    if parameter.type is not float:
        return float(parameter.get_raw_value_for(value))
    wanted, low, high = float(value), parameter.min_value, parameter.max_value
    candidates = [float(parameter.get_raw_value_for(min(high, max(low, wanted))))]
    if high > low:
        candidates.insert(0, min(1.0, max(0.0, (wanted - low) / (high - low))))
    return min(candidates, key=lambda raw: abs(_shown(parameter, raw) - wanted))


def _shown(parameter: Any, raw: float) -> float:
    """Return the number that a parameter shows at a place of its scale."""
    text = str(parameter.get_text_for_raw_value(raw))
    number = _NUMBER.search(text)
    if number is None:
        return float("inf")
    return float(number[0]) * (1000.0 if text.lower().endswith("khz") else 1.0)


def _described(parameter: Any) -> PluginParameter:
    if parameter.type is float:
        low, high = float(parameter.min_value), float(parameter.max_value)
        value = min(high, max(low, _shown(parameter, parameter.raw_value)))
        return PluginParameter("float", value, low, high, str(parameter.label or ""), [])
    if parameter.type is bool:
        return PluginParameter("bool", bool(parameter.raw_value >= 0.5), 0.0, 1.0, "", [])
    choices = [str(choice) for choice in parameter.valid_values]
    return PluginParameter("str", str(parameter.string_value), 0.0, 0.0, "", choices)


def _loaded(file: Path, title: str) -> Any:
    library = pedalboard()
    if not file.exists():
        raise FileNotFoundError(f"{file}: no such file; name a plugin (.vst3)")
    if threading.current_thread() is not threading.main_thread():
        raise PluginError(
            f"{file}: a plugin is loaded by the main thread only; load it there, or isolate it"
        )
    _left.clear()
    if fault := _foreign_machine(file) or (title and _several(file, title)):
        raise PluginError(f"{file}: {fault}")
    try:
        plugin = library.load_plugin(str(file), plugin_name=title or None)
    except ImportError:
        raise PluginError(f"{file}: {_why_not(file)}") from None
    except Exception as error:  # whatever a plugin does while it loads
        raise PluginError(f"{file}: {_several(file, title) or _line(error)}") from None
    if not plugin.is_effect:
        raise PluginError(f"{file}: is an instrument, not an effect; choose another plugin")
    return plugin


def _foreign_machine(file: Path) -> str:
    """Return that a bundle has no binary for this machine, if so; else an empty text."""
    contents = file / "Contents"
    wanted = _BINARIES.get(sys.platform, "")
    if not contents.is_dir() or (contents / wanted).is_dir():
        return ""
    found = [f.name for f in contents.iterdir() if f.is_dir() and f.name != "Resources"]
    if not found:
        return "is no plugin: nothing in it is code; get it again"
    return f"is for {', '.join(sorted(found))}, not for {wanted}; get the one for this machine"


def _why_not(file: Path) -> str:
    """Return why a file that could not be loaded was not."""
    binary = file
    if file.is_dir():
        folder = file / "Contents" / _BINARIES.get(sys.platform, "")
        binary = next((f for f in folder.glob("*") if f.is_file()), file)
    if not binary.is_file():
        return "is no plugin; name a .vst3"
    try:
        ctypes.CDLL(str(binary))
    except OSError as error:
        reason = _line(error).removeprefix(f"{binary}: ")
        return f"is no plugin that loads here ({reason}); get the one for this machine"
    return "holds no effect that plays here: it may need a newer processor; get another build"


def _several(file: Path, title: str) -> str:
    """Return that a file holds several plugins, or not the one that is wanted; else nothing."""
    try:
        names = list(pedalboard().VST3Plugin.get_plugin_names_for_file(str(file)))
    except Exception:  # it cannot be scanned either
        return ""
    if title in names or (not title and len(names) < 2):
        return ""
    if title:
        return f"holds no plugin {title!r}; {closest(title, names)}"
    return f"holds {len(names)} plugins; choose one by `title`: {', '.join(names)}"


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
