"""Single keys that control a playing host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtaudio.control.parameter import Parameter
from rtaudio.control.session import Session
from rtaudio.errors import RtaudioError

if TYPE_CHECKING:
    from rtaudio.effects.base import Effect
    from rtaudio.live.host import Host

FIRST_S = 0.7
"""Push-to-talk time of the first press: a held key begins to repeat after up to this time."""
REPEAT_S = 0.25
"""Push-to-talk time of each repetition: a longer pause means that the key has been released."""


class Controls:
    """The keys of a run: each is an action of the session.

    Parameters
    ----------
    session
        What the keys change; or a playing host, which then has no presets to step through.

    Attributes
    ----------
    session
        What the keys change.
    quit
        Whether the user wants to stop.

    Notes
    -----
    A terminal reports no key releases. While muted, holding the space bar therefore unmutes for
    ``FIRST_S`` seconds after the first press, and for ``REPEAT_S`` after each repetition.
    """

    def __init__(self, session: Session | Host) -> None:
        self.session = session if isinstance(session, Session) else Session(session)
        self.quit = False
        self._talk_until_s: float | None = None
        self._chosen_of: Effect | None = None
        self._names: list[str] = []
        self._chosen = 0
        self._follow()

    def _follow(self) -> None:
        """After a change of the chain, find its parameters, and choose the one to begin with."""
        if self._chosen_of is self.session.host.effect:
            return
        self._chosen_of, switch = self.session.host.effect, self.session.switch
        before = self._names[self._chosen] if self._names else ""
        self._names = [name for name in self.session.host.parameters() if name != switch]
        if before in self._names:
            self._chosen = self._names.index(before)
            return
        first = f"{switch.rpartition('.')[0]}.attenuation_limit_db"
        self._chosen = self._names.index(first) if first in self._names else 0

    @property
    def help(self) -> str:
        """The keys and their actions, in one line."""
        session = self.session
        keys = [f"b {'compare' if session.denoises else 'bypass'}", "m mute"]
        if session.muted:
            keys.append("space (held) talk")
        keys += ["t tune", "a A/B"]
        if session.presets is not None:
            keys.append("[ ] preset")
        if session.assists:
            keys.append("p propose")
        if session.learner is not None:
            keys.append("l learn")
        return "  ".join([*keys, "u undo", "s save", "←→ choose", "↑↓ change", "q quit"])

    def text(self) -> str:
        """Return the present settings in one line."""
        session = self.session
        knob = session.parameter(self.chosen) if self.chosen else None
        parts = [f"‹ {self.chosen} {knob.value:.4g} {knob.unit}".rstrip() + " ›"] if knob else []
        parts.append(f"{session.name} {session.side}")
        if session.comparing:
            parts.append("NOISY INPUT" if session.denoises else "BYPASS")
        if session.assisting:
            parts.append("LISTENING")
        if session.tuning:
            parts.append("TUNER, MUTED")
        elif session.muted:
            parts.append("TALK" if session.talking else "MUTED")
        return "   ".join(parts)

    @property
    def chosen(self) -> str | None:
        """The parameter that the arrow keys change, as ``effect.parameter``."""
        self._follow()
        return self._names[self._chosen] if self._names else None

    def press(self, key: str, now_s: float) -> None:
        """Act on a key.

        Parameters
        ----------
        key
            A character, or ``up``, ``down``, ``left`` or ``right``; unknown keys do nothing.
        now_s
            Time of the press, on any clock in seconds.
        """
        self.session.say("")
        try:
            self._act(key, now_s)
        except (RtaudioError, OSError) as error:
            self.session.say(f"not saved: {error}" if key == "s" else str(error))

    def _act(self, key: str, now_s: float) -> None:
        session = self.session
        match key:
            case " ":
                self._talk(now_s)
            case "m":
                session.muted = not session.muted
                self._talk_until_s, session.talking = None, False
            case "t":
                session.tuning = not session.tuning
            case "b":
                session.comparing = not session.comparing
            case "a":
                session.side = "B" if session.side == "A" else "A"
            case "[" | "]":
                session.step_preset(1 if key == "]" else -1)
            case "s":
                session.save()
            case "u" | "U":
                words = session.undo() if key == "u" else session.redo()
                done = "undone" if key == "u" else "done again"
                session.say(f"{done}: {words}" if words else f"nothing to be {done}")
            case "p" if session.assists:
                session.assisting = not session.assisting
            case "l" if session.learner is not None:
                session.learn(self.chosen)
            case "q":
                self.quit = True
            case "left" | "right":
                self._choose(1 if key == "right" else -1)
            case "up" | "+" | "=" | "down" | "-":
                self._change(-1 if key in ("down", "-") else 1)

    def _talk(self, now_s: float) -> None:
        if self.session.muted:
            self._talk_until_s = now_s + (REPEAT_S if self.session.talking else FIRST_S)
            self.session.talking = True

    def _choose(self, direction: int) -> None:
        if self.chosen:
            self._chosen = (self._chosen + direction) % len(self._names)

    def _change(self, direction: int) -> None:
        knob = self.session.parameter(self.chosen) if self.chosen else None
        if knob is not None:
            self.session.set(knob.name, _step(knob, direction), self)

    def tick(self, now_s: float) -> None:
        """End push-to-talk if the space bar has been released. Call this regularly."""
        if self._talk_until_s is not None and now_s > self._talk_until_s:
            self._talk_until_s, self.session.talking = None, False


def _step(knob: Parameter, direction: int) -> float:
    """Return the value one step up (1) or down (-1), within the range.

    A step is 1 dB, 5 % of a frequency or a time, or 2 % of the range of anything else.
    """
    if knob.unit.startswith("dB"):
        value = knob.value + direction
    elif knob.unit in ("Hz", "ms") and knob.value > 0.0:
        value = knob.value * 1.05**direction
    else:
        value = knob.value + direction * 0.02 * (knob.high - knob.low)
    return min(knob.high, max(knob.low, value))
