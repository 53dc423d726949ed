"""Foreign: the base of the effects that pedalboard plays."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field, PrivateAttr

from rtaudio.bridge.instance import Instance
from rtaudio.bridge.rack import Place, append_rack
from rtaudio.effects.base import Effect
from rtaudio.errors import ParameterError, RtaudioError, closest, out_of_range
from rtaudio.runtime.abi import Bus
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.memory import Floats
from rtaudio.runtime.slots import COMMON, Slots

OWN = "own_"
"""Starts the live name of a parameter that is called as one that every effect has."""

CHUNK = 256
"""Frames that a worker plays at a time, unless it is told otherwise."""


class Foreign(Effect):
    """An effect whose sound pedalboard makes: live in a worker that may take the interpreter.

    Parameters
    ----------
    parameters
        Values of its parameters by name; numbers and switches are live.
    chunk
        Frames of a call, live: more of them survive a busier Python, and come later.
    """

    parameters: dict[str, bool | float | str] = Field(default_factory=dict)
    chunk: int = Field(CHUNK, ge=16, le=8192, description="frames of a call, live")

    _given: Any = PrivateAttr(None)

    @property
    def given(self) -> Any:
        """The object of pedalboard that it was made of, or None."""
        return self._given

    def __setattr__(self, name: str, value: Any) -> None:
        former = self.__dict__.get(name)
        super().__setattr__(name, value)
        if name == "parameters":
            try:
                self.check_parameters()
                self._take()
            except RtaudioError:
                self.__dict__[name] = former
                raise

    def _take(self) -> None:
        """Obey the parameters, which are others now."""

    def limits(self) -> dict[str, tuple[float, float, str]]:
        """Return the range and the unit of each parameter that is a number or a switch."""
        raise NotImplementedError

    def defaults(self) -> dict[str, bool | float | str]:
        """Return the value of each parameter in a new effect."""
        raise NotImplementedError

    def load(self) -> Instance:
        """Load the plugin for one program."""
        raise NotImplementedError

    def values(self) -> dict[str, bool | float | str]:
        """Return the value of each parameter."""
        return self.defaults() | self.parameters

    @property
    def usual_name(self) -> str:
        """Its name in a program, where it has none of its own."""
        return self.kind

    @property
    def given_latency_samples(self) -> int | None:
        """Its latency, if it is set by hand."""
        return None

    def check_parameters(self) -> None:
        """Refuse parameters that the plugin does not have, and values out of range.

        Raises
        ------
        ParameterError
            The line names the nearest parameter, or the range.
        """
        known = self.defaults()
        for name, value in self.parameters.items():
            if name not in known:
                raise ParameterError(
                    f"{self._title}: has no parameter {name!r}; {closest(name, known)}"
                    if known
                    else f"{self._title}: has no parameters; remove {name!r}"
                )
            self._check(name, value)

    @property
    def _title(self) -> str:
        return self.name or self.usual_name

    def _check(self, name: str, value: bool | float | str) -> None:
        """Refuse a value of a live parameter that is no number, or out of range."""
        if name not in self.limits():
            return
        if isinstance(value, str):
            raise ParameterError(f"{self._title}.{name} = {value!r} is not a number")
        low, high, unit = self.limits()[name]
        if not low <= float(value) <= high:
            key = f"{self._title}.{name}"
            raise ParameterError(out_of_range(key, f"{float(value):g}", low, high, unit))

    def live_values(self) -> dict[str, float]:
        """Return mix, bypass, and the live parameters of the plugin."""
        values = self.values()
        return super().live_values() | {
            live_name(name): float(values[name]) for name in self.limits()
        }

    def set_live(self, parameter: str, value: float | bool) -> float:
        """Assign mix, bypass, or a parameter of the plugin."""
        if parameter in COMMON:
            return super().set_live(parameter, value)
        name = own_name(parameter)
        self._check(name, value)
        switch = isinstance(self.defaults()[name], bool)
        self.parameters[name] = value >= 0.5 if switch else float(value)
        return float(self.parameters[name])

    def live_range(self, parameter: str) -> tuple[float, float, str]:
        """Return the range and the unit of mix, bypass, or a parameter of the plugin."""
        if parameter in COMMON:
            return super().live_range(parameter)
        return self.limits()[own_name(parameter)]

    def live_default(self, parameter: str) -> float | bool:
        """Return the value of mix, bypass, or a parameter in a new effect."""
        if parameter in COMMON:
            return super().live_default(parameter)
        value: Any = self.defaults()[own_name(parameter)]
        return value if isinstance(value, bool) else float(value)

    def place(self, slots: Slots, *, alone: bool) -> Place:
        """Return what a rack needs of this effect.

        Parameters
        ----------
        slots
            Its slots.
        alone
            Whether the program mixes and bypasses it; if not, the rack does.
        """
        return Place(
            name=self._title,
            instance=self.load(),
            parameters={name: slots.slot(live_name(name)) for name in self.limits()},
            mix=None if alone else slots.slot("mix"),
            bypass=None if alone else slots.slot("bypass"),
            latency_samples=self.given_latency_samples,
        )

    def build(self, builder: Builder, x: Bus, slots: Slots) -> Bus:
        """Append the plugin: in a worker, or offline in the program itself."""
        places = [self.place(slots, alone=True)]
        return append_rack(builder, x, places, slots.slot("bypass"), self.chunk)


def live_name(name: str) -> str:
    """Return the live name of a parameter.

    Examples
    --------
    >>> live_name("room_size"), live_name("mix"), own_name("own_mix")
    ('room_size', 'own_mix', 'mix')
    """
    return f"{OWN}{name}" if name in COMMON else name


def own_name(live: str) -> str:
    """Return the name that the plugin has for a live parameter."""
    name = live.removeprefix(OWN)
    return name if name in COMMON else live


def mixed(effect: Effect, dry: Floats, wet: Floats) -> Floats:
    """Return the sound of an effect with its mix and bypass.

    Parameters
    ----------
    effect
        The effect.
    dry, wet
        float32 ``[channels, frames]``; a mono dry sound goes with any wet one.
    """
    share = np.float32(0.0 if effect.bypass else effect.mix)
    if share == 1.0:
        return wet
    return np.asarray((1 - share) * dry + share * wet, np.float32)
