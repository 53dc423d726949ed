"""Single keys that control a playing host."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rtaudio.live.host import Host
    from rtaudio.live.stats import LiveParameter

FIRST_S = 0.7
"""Push-to-talk time of the first press: a held key begins to repeat after up to this time."""
REPEAT_S = 0.25
"""Push-to-talk time of each repetition: a longer pause means that the key has been released."""


class Controls:
    """The keys of a run: bypass or compare, mute, push-to-talk, change parameters, quit.

    Parameters
    ----------
    host
        The playing host; it may be muted.

    Attributes
    ----------
    muted
        Whether the user has muted the output.
    comparing
        Whether the key ``b`` is on: bypass, or compare if the chain can compare.
    quit
        Whether the user wants to stop.

    Notes
    -----
    A terminal reports no key releases. While muted, holding the space bar therefore unmutes for
    ``FIRST_S`` seconds after the first press, and for ``REPEAT_S`` after each repetition.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self.muted = host.muted
        self.quit = False
        self.comparing = False
        self._talk_until_s: float | None = None
        names = list(host.parameters())
        compare = next((n for n in names if n.endswith(".compare")), None)
        self._switch = compare or f"{host.chain_name}.bypass"
        self._names = [n for n in names if n != compare]
        first = f"{compare.rpartition('.')[0]}.attenuation_limit_db" if compare else ""
        self._chosen = self._names.index(first) if first in self._names else 0

    @property
    def denoises(self) -> bool:
        """Whether the chain cleans a voice, so that ``b`` compares instead of bypassing."""
        return self._switch.endswith(".compare")

    @property
    def help(self) -> str:
        """The keys and their actions, in one line."""
        switch = "compare" if self.denoises else "bypass"
        talk = "   space (held) talk" if self.muted else ""
        return f"b {switch}   m mute{talk}   ← → choose   ↑ ↓ change   q quit"

    def text(self) -> str:
        """Return the present settings in one line."""
        knob = self.host.parameters()[self.chosen] if self.chosen else None
        parts = [f"‹ {self.chosen} {knob.value:.4g} {knob.unit}".rstrip() + " ›"] if knob else []
        if self.comparing:
            parts.append("NOISY INPUT" if self.denoises else "BYPASS")
        if self.muted:
            parts.append("TALK" if self.talking else "MUTED")
        return "   ".join(parts)

    @property
    def talking(self) -> bool:
        """Whether the space bar counts as held."""
        return self._talk_until_s is not None

    @property
    def chosen(self) -> str | None:
        """The parameter that the arrow keys change, as ``effect.parameter``."""
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
        if key == " ":
            if self.muted:
                self._talk_until_s = now_s + (REPEAT_S if self.talking else FIRST_S)
        elif key == "m":
            self.muted = not self.muted
            self._talk_until_s = None
        elif key == "b":
            self.comparing = not self.comparing
            self.host.set(self._switch, self.comparing)
        elif key == "q":
            self.quit = True
        elif key in ("left", "right") and self._names:
            self._chosen = (self._chosen + (1 if key == "right" else -1)) % len(self._names)
        elif key in ("up", "+", "=", "down", "-") and self.chosen:
            knob = self.host.parameters()[self.chosen]
            self.host.set(self.chosen, _step(knob, 1 if key in ("up", "+", "=") else -1))
        self._apply_mute()

    def tick(self, now_s: float) -> None:
        """End push-to-talk if the space bar has been released. Call this regularly."""
        if self._talk_until_s is not None and now_s > self._talk_until_s:
            self._talk_until_s = None
            self._apply_mute()

    def _apply_mute(self) -> None:
        self.host.muted = self.muted and not self.talking


def _step(knob: LiveParameter, direction: int) -> float:
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
