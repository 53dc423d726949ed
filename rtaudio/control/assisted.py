"""Assisted: the assistant hears a passage of the input, and sets effects of what plays."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from rtaudio.control.sides import Sides
from rtaudio.effects.chain import Chain
from rtaudio.effects.leveler import Leveler
from rtaudio.errors import AudioError, RtaudioError, UsageError
from rtaudio.mastering.assistant import propose, settings

if TYPE_CHECKING:
    from rtaudio.live.host import Host
    from rtaudio.runtime.memory import Floats
    from rtaudio.runtime.tap import Tap

ASSISTANT = "assistant"
"""Name of the chain whose effects are set; the presets for mastering music have one."""

PASSAGE_S = 10.0
_POLL_S = 0.1


class Assisted(Sides):
    """What :class:`Sides` has, and an assistant that proposes by what it hears.

    The audio thread does nothing for it: the passage is read from the ring that the input is
    written into anyway, and judged in a thread of its own. The settings are ordinary parameters
    that ramp to their values, all of them in one step of the history.

    Parameters
    ----------
    host
        The host; it may be muted.
    """

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._hearing: threading.Event | None = None

    @property
    def assists(self) -> bool:
        """Whether what plays has effects that the assistant sets: those in a chain of its name."""
        with self._lock:
            return isinstance(self.host.effects().get(ASSISTANT), Chain)

    @property
    def assisting(self) -> bool:
        """Whether the assistant listens. Then it sets the effects, and says why."""
        return self._hearing is not None

    @assisting.setter
    def assisting(self, assisting: bool) -> None:
        if assisting:
            self.assist()
        elif self._hearing is not None:
            self._hearing.set()

    def assist(self, seconds: float = PASSAGE_S) -> None:
        """Let the assistant listen from now on, and return at once.

        Parameters
        ----------
        seconds
            Length of the passage; a source that ends before is heard as far as it goes.

        Raises
        ------
        UsageError
            What plays has no effects that it sets.
        """
        with self._lock:
            if not self.assists:
                raise UsageError(
                    f"the assistant sets effects in a chain named {ASSISTANT}, and {self.name} has "
                    "none; open the preset master"
                )
            if self._hearing is not None:
                self._hearing.set()
            end = self._hearing = threading.Event()
            hear = threading.Thread(
                target=self._hear,
                args=(self.host, self.host.input_tap(), seconds, end),
                daemon=True,
            )
            self._tell("switch", "assisting", True)
            self.say(f"the assistant listens for {seconds:g} s")
        hear.start()

    def _hear(self, host: Host, tap: Tap, seconds: float, end: threading.Event) -> None:
        try:
            passage = _passage(host, tap, round(seconds * host.rate_hz), end)
            self.say("" if passage is None else self.propose(passage))
        except RtaudioError as error:
            self.say(f"the assistant changes nothing: {error}")
        finally:
            with self._lock:
                if self._hearing is end:
                    self._hearing = None
                    self._tell("switch", "assisting", False)

    def propose(self, passage: Floats) -> str:
        """Set the effects of the assistant by a passage of the input, and return the reasons.

        Parameters
        ----------
        passage
            float32 ``[channels, frames]`` at the rate of the host.

        Raises
        ------
        AudioError
            The passage is shorter than 3 s, or silent; nothing is changed.
        """
        proposal = propose(passage, self.host.rate_hz, self._heard_lufs())
        with self._lock:
            effects = self.host.effects()
            names = {id(effect): name for name, effect in effects.items()}
            wanted = settings(proposal)
            here, values = self.host.values(), {}
            chain = effects.get(ASSISTANT)
            for effect in chain if isinstance(chain, Chain) else ():
                for key, value in wanted.get(effect.name or effect.kind, {}).items():
                    values[f"{names[id(effect)]}.{key}"] = value
            changed = {name: value for name, value in values.items() if here[name] != value}
            if changed:
                self.set_all(changed, "the proposal of the assistant")
        return f"assistant: {'; '.join(proposal.reasons) or 'nothing to correct'}"

    def _heard_lufs(self) -> float | None:
        """Return the loudness that a leveler in front of the effects gives to what they hear."""
        heard = None
        for name, effect in self.host.effects().items():
            if name == ASSISTANT:
                break
            if isinstance(effect, Leveler) and not effect.bypass:
                heard = effect.target_lufs
        return heard


def _passage(host: Host, tap: Tap, frames: int, end: threading.Event) -> Floats | None:
    """Return the next frames of the input, ``[channels, frames]``; None if somebody ended it."""
    pieces: list[Floats] = []
    while sum(map(len, pieces)) < frames and not host.finished:
        if end.wait(_POLL_S):
            return None
        if not host.running:
            raise AudioError("the device was stopped or changed meanwhile; ask again")
        pieces.append(tap.read())
        if tap.lost:
            raise AudioError("this computer was too busy to listen; ask again")
    return np.ascontiguousarray(np.concatenate(pieces)[:frames].T)
