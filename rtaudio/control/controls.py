"""What single keys do to a playing host."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rtaudio.live.host import Host
    from rtaudio.live.stats import LiveParameter

FIRST_S = 0.7
"""A terminal reports no release. A held key repeats, but begins to do so after up to this long."""
REPEAT_S = 0.25
"""From then on, a pause of this length is a release."""


class Controls:
    """The keys of a run: compare or bypass, mute, push-to-talk, one knob after the other, the end.

    Parameters
    ----------
    host
        What plays; muted, if it is so.

    Notes
    -----
    While muted, the space bar talks as long as it is held: from the first press for ``FIRST_S``
    seconds, then for ``REPEAT_S`` after each repetition, since no release is reported.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self.muted = host.muted
        self.talk_until_s: float | None = None
        self.quit = False
        names = list(host.parameters())
        compare = next((n for n in names if n.endswith(".compare")), None)
        self.switch = compare or f"{host.chain_name}.bypass"
        self.comparing = False
        self._names = [n for n in names if n != compare]
        first = f"{compare.rpartition('.')[0]}.attenuation_limit_db" if compare else ""
        self._chosen = self._names.index(first) if first in self._names else 0

    @property
    def of_voice(self) -> bool:
        """Whether a microphone is cleaned, and not an instrument played."""
        return self.switch.endswith(".compare")

    @property
    def help(self) -> str:
        """What the keys do, in one line."""
        switch = "compare" if self.of_voice else "bypass"
        talk = "   space (held) talk" if self.muted else ""
        return f"b {switch}   m mute{talk}   ← → choose   ↑ ↓ change   q quit"

    def text(self) -> str:
        """Return what is set, in one line."""
        knob = self.host.parameters()[self.chosen] if self.chosen else None
        parts = [f"‹ {self.chosen} {knob.value:.4g} {knob.unit}".rstrip() + " ›"] if knob else []
        if self.comparing:
            parts.append("AS IT COMES IN" if self.of_voice else "BYPASS")
        if self.muted:
            parts.append("TALK" if self.talking else "MUTED")
        return "   ".join(parts)

    @property
    def talking(self) -> bool:
        """Whether the space bar is held, as far as that can be known."""
        return self.talk_until_s is not None

    @property
    def chosen(self) -> str | None:
        """The parameter that the arrow keys change, as ``effect.parameter``."""
        return self._names[self._chosen] if self._names else None

    def press(self, key: str, now_s: float) -> None:
        """Do what a key means; keys without a meaning do nothing."""
        if key == " ":
            if self.muted:
                self.talk_until_s = now_s + (REPEAT_S if self.talking else FIRST_S)
        elif key == "m":
            self.muted = not self.muted
            self.talk_until_s = None
        elif key == "b":
            self.comparing = not self.comparing
            self.host.set(self.switch, self.comparing)
        elif key == "q":
            self.quit = True
        elif key in ("left", "right") and self._names:
            self._chosen = (self._chosen + (1 if key == "right" else -1)) % len(self._names)
        elif key in ("up", "+", "=", "down", "-") and self.chosen:
            knob = self.host.parameters()[self.chosen]
            self.host.set(self.chosen, _next(knob, 1 if key in ("up", "+", "=") else -1))
        self._apply()

    def tick(self, now_s: float) -> None:
        """Notice that the space bar has been released."""
        if self.talk_until_s is not None and now_s > self.talk_until_s:
            self.talk_until_s = None
            self._apply()

    def _apply(self) -> None:
        self.host.muted = self.muted and not self.talking


def _next(knob: LiveParameter, direction: int) -> float:
    """Return the value one step on: 1 dB, 5 % of a frequency or a time, 2 % of any other range."""
    if knob.unit.startswith("dB"):
        value = knob.value + direction
    elif knob.unit in ("Hz", "ms") and knob.value > 0.0:
        value = knob.value * 1.05**direction
    else:
        value = knob.value + direction * 0.02 * (knob.high - knob.low)
    return min(knob.high, max(knob.low, value))
