"""Turning: parameters and switches of a playing host, with undo, for several who turn them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from rtaudio.control.change import Change, Kind
from rtaudio.control.history import History
from rtaudio.control.parameter import Parameter
from rtaudio.effects.base import Effect
from rtaudio.effects.leveler import Leveler
from rtaudio.effects.true_peak_limiter import TruePeakLimiter

if TYPE_CHECKING:
    from rtaudio.live.host import Host

FAIR_BYPASS = "intensity.bypass"
"""Of the presets for mastering: a leveler after it keeps before and after equally loud."""


class Turning:
    """What is turned and switched of a host; :class:`~rtaudio.control.session.Session` adds to it.

    Parameters
    ----------
    host
        The host; it may be muted.

    Attributes
    ----------
    host
        The host.
    said
        The last message for the player; empty if there is none.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self.said = ""
        self._lock = threading.RLock()
        self._listeners: list[Callable[[Change], None]] = []
        self._history = History()
        self._muted, self._talking, self._tuning = host.muted, False, False
        self._facts: tuple[Effect, dict[str, Parameter], str] | None = None

    # -- changes -----------------------------------------------------------------------------------

    def subscribe(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Let a listener hear of every change.

        Parameters
        ----------
        listener
            Called in the changing thread, in the order of the changes; it must return at once,
            raise nothing and take no lock under which others call the session.

        Returns
        -------
        callable
            Ends it.
        """
        with self._lock:
            self._listeners.append(listener)

        def unsubscribe() -> None:
            with self._lock, suppress(ValueError):
                self._listeners.remove(listener)

        return unsubscribe

    def _tell(
        self,
        kind: Kind,
        name: str,
        value: float | bool | str,
        source: object = None,
    ) -> None:
        for listener in tuple(self._listeners):
            listener(Change(kind, name, value, source))

    def say(self, text: str) -> None:
        """Show the player a line; an empty one takes the last one away."""
        with self._lock:
            if text or self.said:
                self.said = text
                self._tell("message", "", text)

    # -- turning -----------------------------------------------------------------------------------

    def _known(self) -> tuple[Effect, dict[str, Parameter], str]:
        """Return what does not change while one chain plays: its parameters, and the switch."""
        effect = self.host.effect
        if self._facts is None or self._facts[0] is not effect:
            found = self.host.parameters(common=True)
            compare = next((n for n in found if n.endswith(".compare") or n == FAIR_BYPASS), None)
            switch = compare or f"{self.host.chain_name}.bypass"
            known = {name: Parameter.of(name, live) for name, live in found.items()}
            self._facts = effect, known, switch
        return self._facts

    @property
    def switch(self) -> str:
        """The parameter that compares: that of a denoiser, or the bypass of a master's intensity,
        which leaves the loudness as it is; or else the bypass of all.
        """
        with self._lock:
            return self._known()[2]

    @property
    def denoises(self) -> bool:
        """Whether the chain cleans a voice, so that it compares instead of being bypassed."""
        return self.switch.endswith(".compare")

    @property
    def fair(self) -> bool:
        """Whether what is compared is equally loud: the input of a master, levelled."""
        return self.switch == FAIR_BYPASS

    @property
    def masters(self) -> bool:
        """Whether the chain works towards a loudness or a true peak."""
        return any(isinstance(e, (Leveler, TruePeakLimiter)) for e in self.host.effects().values())

    @property
    def name(self) -> str:
        """Name of what plays."""
        return self.host.effect.name or self.host.effect.kind

    def parameters(self) -> dict[str, Parameter]:
        """Return all parameters with their present values, in the order of the chain."""
        with self._lock:
            values = self.host.values()
            return {name: p.at(values[name]) for name, p in self._known()[1].items()}

    def parameter(self, name: str) -> Parameter | None:
        """Return one parameter with its present value; None: nothing that plays has it."""
        with self._lock:
            found = self._known()[1].get(name)
            return None if found is None else found.at(self.host.get(name))

    def set(self, name: str, value: float | bool, source: object = None) -> float:
        """Change a parameter; the audio thread ramps to it.

        Parameters
        ----------
        name
            ``"effect.parameter"``.
        value
            In natural units.
        source
            Who changes it, for those who listen to changes.

        Returns
        -------
        float
            What it is now.

        Raises
        ------
        ParameterError
            No such effect or parameter, or the value is out of range.
        """
        with self._lock:
            before = self.host.get(name)
            self.host.set(name, value)
            after = self.host.get(name)
            if after == before:
                return after
            _, known, switch = self._known()
            if name == switch:
                self._tell("switch", "comparing", after > 0.5, source)
            else:
                self._history.add(
                    known[name].text(after),
                    lambda: self._put(name, before),
                    lambda: self._put(name, after),
                    name,
                    time.monotonic(),
                )
            self._tell("parameter", name, after, source)
            return after

    def set_all(self, values: Mapping[str, float], words: str) -> None:
        """Change several parameters, as one step of the history.

        Parameters
        ----------
        values
            By ``"effect.parameter"``, in natural units.
        words
            The step in words.

        Raises
        ------
        ParameterError
            No such effect or parameter.
        """
        with self._lock:
            before = {name: self.host.get(name) for name in values}

            def put(values: Mapping[str, float]) -> None:
                for name, value in values.items():
                    self._put(name, value)

            put(values)
            self._history.add(words, lambda: put(before), lambda: put(values))

    def _put(self, name: str, value: float) -> None:
        """Set a parameter without a new step of the history."""
        self.host.set(name, value)
        self._tell("parameter", name, self.host.get(name))

    def reset(self, name: str, source: object = None) -> float:
        """Set a parameter to the value of a new effect.

        Parameters
        ----------
        name, source
            As for :meth:`set`.
        """
        found = self.parameter(name)
        return self.set(name, self.host.get(name) if found is None else found.default, source)

    def undo(self) -> str | None:
        """Undo the last change of this preset and say in words which; None: there is none.

        Turning one parameter without a pause of a second is one change.
        """
        with self._lock:
            return self._history.undo()

    def redo(self) -> str | None:
        """Do the last undone change again and say in words which; None: there is none."""
        with self._lock:
            return self._history.redo()

    # -- switches ----------------------------------------------------------------------------------

    @property
    def muted(self) -> bool:
        """Whether the user has muted the output."""
        return self._muted

    @muted.setter
    def muted(self, muted: bool) -> None:
        self._turn("muted", muted)

    @property
    def talking(self) -> bool:
        """Whether push-to-talk lets the sound through while it is muted."""
        return self._talking

    @talking.setter
    def talking(self, talking: bool) -> None:
        self._turn("talking", talking)

    @property
    def tuning(self) -> bool:
        """Whether the tuner is on; meanwhile the output is muted."""
        return self._tuning

    @tuning.setter
    def tuning(self, tuning: bool) -> None:
        self._turn("tuning", tuning)

    def _turn(self, switch: str, on: bool) -> None:
        with self._lock:
            if getattr(self, f"_{switch}") == on:
                return
            setattr(self, f"_{switch}", on)
            self.host.muted = self._tuning or (self._muted and not self._talking)
            self._tell("switch", switch, on)

    @property
    def comparing(self) -> bool:
        """Whether the chain is bypassed, or compares if it can."""
        with self._lock:  # the switch is that of the chain whose values are read
            return self.host.values()[self.switch] > 0.5

    @comparing.setter
    def comparing(self, comparing: bool) -> None:
        self.set(self.switch, bool(comparing))
