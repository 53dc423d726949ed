"""Plugin: an effect from a plugin file, VST3 or Audio Unit."""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, Unpack

from pydantic import Field, PrivateAttr, field_validator

from rtaudio.bridge.external import MAX_STATE_BYTES, ExternalPlugin, PluginParameter
from rtaudio.bridge.foreign import Foreign, live_name, own_name
from rtaudio.bridge.instance import Instance
from rtaudio.bridge.isolated import IsolatedPlugin
from rtaudio.catalogue import plugins
from rtaudio.effects.base import Common, Effect
from rtaudio.errors import ParameterError, PluginError
from rtaudio.runtime.slots import COMMON

MOST_LATENCY_SAMPLES = 1 << 20


class _PluginOptions(Common, total=False):
    state: str | bytes
    state_file: Path | str | None
    title: str
    latency_samples: int | None
    isolate: bool
    chunk: int


class Plugin(Foreign):
    """An effect from a file: VST3, and on macOS Audio Units, as pedalboard loads them.

    A plugin is native code, and loading it runs it. A preset loads plugins from the plug-in folders
    of the system and the user alone, and from those that ``VST3_PATH`` names; you may load any.
    It needs the extra ``pedalboard``, which is GPL-3.

    Parameters
    ----------
    file
        The plugin; in a preset a path or its name, like ``Crunch``, in a plug-in folder.
    parameters
        Values by name, as the plugin shows them; numbers and switches are live.
    state
        What the plugin keeps: bytes, or in presets their base64.
    state_file
        The same in a file.
    title
        Which plugin, of a file that holds several.
    latency_samples
        Its latency; None: what it tells, else what its answer to an impulse shows.
    isolate
        True: a process of its own, so that its crash is not yours. Where another thread than the
        main one loads it, that is always so.
    chunk
        Frames of a call, live: more survive a busier Python, and come later.

    Raises
    ------
    FileNotFoundError
        No such file.
    PluginError
        It is no plugin that plays here, the state is of another one, or pedalboard is missing.
    ParameterError
        It has no such parameter, or a value is out of range.

    Examples
    --------
    >>> amp = Plugin("Crunch.vst3", {"gain": 6.0}, name="amp")             # doctest: +SKIP
    """

    file: Path = Field(description="the plugin")
    state: str = Field("", description="what the plugin keeps, in base64")
    state_file: Path | None = Field(None, description="a file with what the plugin keeps")
    title: str = Field("", description="which plugin, of a file that holds several")
    latency_samples: int | None = Field(
        None, ge=0, le=MOST_LATENCY_SAMPLES, description="its latency; null: told or measured"
    )
    isolate: bool = Field(default=False, description="in a process of its own")

    _factory: dict[str, PluginParameter] = PrivateAttr(default_factory=dict)
    _kept: dict[str, bool | float | str] = PrivateAttr(default_factory=dict)

    def __init__(
        self,
        file: str | Path,
        parameters: dict[str, bool | float | str] | None = None,
        **options: Unpack[_PluginOptions],
    ) -> None:
        Effect.__init__(
            self, file=file, parameters={} if parameters is None else parameters, **options
        )
        self._learn(self._open())

    @classmethod
    def of(cls, plugin: Any) -> Self:
        """Return the effect that plays a plugin which pedalboard has loaded.

        It plays this very plugin: pedalboard does not say which file it is of. So one program plays
        it at a time, and for a preset it is looked for among the installed ones by its name.
        """
        external = ExternalPlugin.of(plugin, plugin.name)
        effect = cls.__new__(cls)
        file = plugins().get(plugin.name, Path(f"{plugin.name}.vst3"))
        Effect.__init__(effect, file=file, state=_text(external.state))
        effect._given = plugin
        effect._factory = external.parameters()
        return effect

    @field_validator("state", mode="before")
    @classmethod
    def _as_text(cls, state: Any) -> Any:
        return _text(bytes(state)) if isinstance(state, (bytes, bytearray)) else state

    @property
    def usual_name(self) -> str:
        """The name of the file, in small letters."""
        return self.file.stem.lower().replace(" ", "_").replace(".", "_") or self.kind

    @property
    def given_latency_samples(self) -> int | None:
        """Its latency, if it is set by hand."""
        return self.latency_samples

    def defaults(self) -> dict[str, bool | float | str]:
        """Return the value of each parameter in a new plugin."""
        return {name: parameter.value for name, parameter in self._factory.items()}

    def limits(self) -> dict[str, tuple[float, float, str]]:
        """Return the range and the unit of each number and switch."""
        return {
            name: (parameter.low, parameter.high, parameter.unit)
            for name, parameter in self._factory.items()
            if parameter.kind != "str"
        }

    def values(self) -> dict[str, bool | float | str]:
        """Return the value of each parameter: the factory's, the state's, then the given ones."""
        if self._given is not None:
            external = ExternalPlugin.of(self._given, self._title)
            return {name: each.value for name, each in external.parameters().items()}
        return self._kept | self.parameters

    def set_live(self, parameter: str, value: float | bool) -> float:
        """Assign mix, bypass, or a parameter of the plugin."""
        stored = super().set_live(parameter, value)
        if self._given is not None and parameter not in COMMON:
            ExternalPlugin.of(self._given, self._title).apply(own_name(parameter), stored)
        return stored

    def check_parameters(self) -> None:
        """Refuse parameters that the plugin does not have, and values that it does not take."""
        super().check_parameters()
        for name, value in self.parameters.items():
            choices = self._factory[name].choices
            if choices and str(value) not in choices:
                listed = ", ".join(choices)
                raise ParameterError(f"{self._title}.{name} = {value!r} is not one of {listed}")

    def edit(self, changed: Callable[[str, float], None] | None = None) -> None:
        """Open the plugin's own window, and wait until it is closed; what is set there stays.

        The window lives in a process of its own, with the present settings. What plays follows by
        ``changed``: ``amp.edit(lambda name, value: host.set(f"amp.{name}", value))``. What is no
        parameter, such as a file that the plugin has opened, is heard when it is built again.

        Parameters
        ----------
        changed
            Called with the live name and the value of each number and switch that is changed.

        Raises
        ------
        PluginError
            It has no window, there is no display, or it dies.
        """
        window = IsolatedPlugin(self.file, self.title, self._title)
        limits = self.limits()

        def follow(name: str, value: bool | float | str) -> None:
            self.parameters[name] = value
            if changed is not None and name in limits:
                changed(live_name(name), float(value))

        try:
            self._restore(window)
            window.edit(follow)
            self.state, self.state_file = _text(window.state), None
            self._kept = {name: each.value for name, each in window.parameters().items()}
            self.parameters = {}
        finally:
            window.close()

    def load(self) -> Instance:
        """Load the plugin once more, with its state and its parameters."""
        if self._given is not None:
            return ExternalPlugin.of(self._given, self._title)
        external = self._open()
        self._restore(external)
        return external

    def _open(self) -> ExternalPlugin | IsolatedPlugin:
        apart = self.isolate or threading.current_thread() is not threading.main_thread()
        kind = IsolatedPlugin if apart else ExternalPlugin
        return kind(self.file, self.title, self._title)

    def _learn(self, external: ExternalPlugin | IsolatedPlugin) -> None:
        """Read the parameters of a new plugin, restore the state, and read them again."""
        self._factory = external.parameters()
        self.check_parameters()
        if self.state or self.state_file is not None:
            external.set_state(self._state_bytes())
        self._kept = {name: each.value for name, each in external.parameters().items()}
        external.close()

    def _restore(self, external: ExternalPlugin | IsolatedPlugin) -> None:
        if self.state or self.state_file is not None:
            external.set_state(self._state_bytes())
        for name, value in self.parameters.items():
            external.apply(name, value)

    def _state_bytes(self) -> bytes:
        """Return what the plugin kept, after checking its size."""
        if self.state and self.state_file is not None:
            raise ParameterError(f"{self._title}: state and state_file are both given; remove one")
        if self.state_file is not None:
            if not self.state_file.is_file():
                raise FileNotFoundError(f"{self.state_file}: no such file; save the state again")
            if self.state_file.stat().st_size > MAX_STATE_BYTES:
                raise PluginError(f"{self.state_file}: is too large for the state of a plugin")
            return self.state_file.read_bytes()
        if len(self.state) > MAX_STATE_BYTES:
            raise PluginError(f"{self._title}.state: is too large for the state of a plugin")
        try:
            return base64.b64decode(self.state, validate=True)
        except (binascii.Error, ValueError):
            raise PluginError(
                f"{self._title}.state: is not base64; save the preset again"
            ) from None


def _text(state: bytes) -> str:
    return base64.b64encode(state).decode("ascii")
