"""Pedal: an effect that comes with pedalboard."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self, Unpack

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, PrivateAttr

from rtaudio.audio.samples import samples
from rtaudio.bridge.foreign import Foreign, mixed, own_name
from rtaudio.bridge.instance import BuiltInInstance, Instance
from rtaudio.bridge.library import built_in_effects
from rtaudio.effects.base import Common, Effect
from rtaudio.errors import ParameterError, PluginError, closest
from rtaudio.runtime.memory import Floats
from rtaudio.runtime.slots import COMMON

WHOLE_ONLY = ("GSMFullRateCompressor", "PitchShift")
"""In pieces pedalboard 0.9 plays them silent or broken: each call primes them anew."""

_RANGES: dict[str, tuple[float, float, str]] = {
    "bit_depth": (1.0, 32.0, "bit"),
    "ratio": (1.0, 100.0, ":1"),
    "drive": (1.0, 100.0, ""),
    "q": (0.01, 100.0, ""),
    "semitones": (-72.0, 72.0, ""),
    "vbr_quality": (0.0, 10.0, ""),
    "rate_hz": (0.0, 100.0, "Hz"),
    "delay_seconds": (0.0, 30.0, "s"),
    "target_sample_rate": (100.0, 192000.0, "Hz"),
}
"""Ranges that pedalboard states or enforces; the others follow from the unit in the name."""
_SUFFIXES: dict[str, tuple[float, float, str]] = {
    "_db": (-120.0, 120.0, "dB"),
    "_hz": (1.0, 96000.0, "Hz"),
    "_ms": (0.0, 10000.0, "ms"),
}


class _PedalOptions(Common, total=False):
    chunk: int


class Pedal(Foreign):
    """An effect that comes with pedalboard: ``"Reverb"``, ``"Chorus"``, ``"Phaser"`` ...

    Live it plays in a worker, ``chunk`` frames at a time; several in a :class:`~rtaudio.Board`
    share one. pedalboard smooths its parameters, or does not: some click where ours never do. It
    needs the extra ``pedalboard``, which is GPL-3.

    Parameters
    ----------
    effect
        The name of the class in pedalboard.
    parameters
        Its attributes by name; numbers are live: ``host.set("reverb.room_size", 1)``. One that is
        called ``mix`` is ``own_mix`` there.
    chunk
        Frames of a call, live: more survive a busier Python, and come later.

    Raises
    ------
    PluginError
        pedalboard is not installed, or does not take the values.
    ParameterError
        There is no such effect, it has no such parameter, or a value is out of range.

    Examples
    --------
    >>> hall = Pedal("Reverb", {"room_size": 0.9}, mix=0.3)                # doctest: +SKIP
    >>> wet = hall(dry, 48000)                                             # doctest: +SKIP
    """

    effect: str = Field(description="the name of the class in pedalboard")

    _plugin: Any = PrivateAttr(None)
    _made: dict[str, Any] = PrivateAttr(default_factory=dict)

    def __init__(
        self,
        effect: str,
        parameters: dict[str, bool | float | str] | None = None,
        **options: Unpack[_PedalOptions],
    ) -> None:
        Effect.__init__(
            self, effect=effect, parameters={} if parameters is None else parameters, **options
        )
        blank = _blank(self._class())
        self._made = {name: _plain(getattr(blank, name)) for name in _attributes(blank)}
        self.check_parameters()
        self._take()

    @classmethod
    def of(cls, plugin: Any) -> Self:
        """Return the effect that plays a plugin of pedalboard, and follows its attributes."""
        pedal = cls(type(plugin).__name__)
        pedal._plugin = pedal._given = plugin
        pedal._refresh()
        if hasattr(plugin, RESPONSE) and not pedal.parameters.get(RESPONSE):
            raise PluginError("convolution: was made of an array; make it of a file, or a Cabinet")
        return pedal

    def _class(self) -> type[Any]:
        known = built_in_effects()
        if self.effect not in known:
            raise ParameterError(
                f"pedalboard has no effect {self.effect!r}; {closest(self.effect, known)}"
            )
        return known[self.effect]

    @property
    def usual_name(self) -> str:
        """The name of its class, in small letters."""
        return self.effect.lower()

    def defaults(self) -> dict[str, bool | float | str]:
        """Return the value of each attribute in a new effect."""
        return dict(self._made)

    def limits(self) -> dict[str, tuple[float, float, str]]:
        """Return the range and the unit of each attribute that is a number."""
        numbers = [name for name, value in self._made.items() if not isinstance(value, str)]
        return {name: _range(name) for name in numbers}

    def values(self) -> dict[str, bool | float | str]:
        """Return the value of each attribute, as the plugin has it now."""
        return {name: _plain(getattr(self._plugin, name)) for name in self._made}

    def _refresh(self) -> None:
        """Take over what was assigned to the attributes of the plugin itself."""
        made = self._made
        changed = {name: value for name, value in self.values().items() if value != made[name]}
        self.__dict__["parameters"] = changed

    def set_live(self, parameter: str, value: float | bool) -> float:
        """Assign mix, bypass, or an attribute of the plugin."""
        stored = super().set_live(parameter, value)
        if parameter not in COMMON:
            name = own_name(parameter)
            _assign(self._plugin, name, self.parameters[name])
        return stored

    def changed(self) -> dict[str, Any]:
        """Return the fields that are not at their default."""
        self._refresh()
        return super().changed()

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Pedal):
            self._refresh()
            other._refresh()
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        self._refresh()
        return super().__reduce__()

    def _take(self) -> None:
        self._plugin = self._new(self.defaults() | self.parameters)

    def _new(self, values: dict[str, bool | float | str]) -> Any:
        """Make a plugin with these attributes."""
        with self._faults():
            plugin = _blank(self._class(), values.get(RESPONSE))
            for name, value in values.items():
                if name != RESPONSE:
                    _assign(plugin, name, value)
        return plugin

    def __call__(
        self, x: ArrayLike, rate_hz: int, *, block: int = 512, out_channels: int | None = None
    ) -> Floats:
        """Render an array, as pedalboard renders it: at once.

        Parameters
        ----------
        x, rate_hz, block, out_channels
            As for every effect.
        """
        planar = samples(x)
        if out_channels is not None or planar.shape[1] == 0:
            return super().__call__(x, rate_hz, block=block, out_channels=out_channels)
        plugin = self._new(self.values())
        with self._faults():
            wet = plugin.process(planar, rate_hz, reset=True)
        out = mixed(self, planar, wet)
        return out[0] if np.ndim(x) == 1 else out

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Raise what pedalboard raises in one line, with the name of the effect."""
        try:
            yield
        except (ValueError, TypeError, RuntimeError, OSError) as error:
            raise PluginError(f"{self._title}: {' '.join(str(error).split())}") from None

    def load(self) -> Instance:
        """Make a plugin with the present attributes.

        Raises
        ------
        PluginError
            pedalboard does not play it in pieces.
        """
        if self.effect in WHOLE_ONLY:
            raise PluginError(
                f"{self._title}: pedalboard cannot play it in pieces, so not live or in a chain; "
                "call it with a whole sound, alone or on a Board"
            )
        return BuiltInInstance(lambda: self._new(self.values()), _assign)


RESPONSE = "impulse_response_filename"
"""The attribute of a convolution that can only be given when it is made."""


def _attributes(plugin: Any) -> list[str]:
    """Return the names of what can be set, and of the response of a convolution."""
    found = inspect.getmembers(type(plugin), lambda member: isinstance(member, property))
    return [name for name, member in found if member.fset is not None or name == RESPONSE]


def _blank(cls: type[Any], response: Any = None) -> Any:
    """Make a plugin with the values that pedalboard gives it."""
    if not hasattr(cls, RESPONSE):
        return cls()
    if not response:
        return cls(np.ones(1, np.float32), 1.0, 48000.0)
    return cls(str(response))


def _plain(value: Any) -> bool | float | str:
    """Return an attribute as plain data; a choice by its name."""
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float)) and not hasattr(value, "name"):
        return float(f"{value:.7g}")  # a float32
    return str(getattr(value, "name", value or ""))


def _assign(plugin: Any, name: str, value: bool | float | str) -> None:
    """Set an attribute; a choice by its name."""
    members = getattr(type(getattr(plugin, name)), "__members__", None)
    if members is None:
        setattr(plugin, name, value)
        return
    if value not in members:
        raise ValueError(f"{name} = {value!r}: {closest(str(value), members)}")
    setattr(plugin, name, members[value])


def _range(name: str) -> tuple[float, float, str]:
    """Return the range and the unit of an attribute."""
    if name in _RANGES:
        return _RANGES[name]
    ends = (limits for suffix, limits in _SUFFIXES.items() if name.endswith(suffix))
    return next(ends, (0.0, 1.0, ""))
