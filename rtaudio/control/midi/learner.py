"""Learning: which control has just been moved, and how it counts."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

from rtaudio.control.midi.events import Event, EventKind
from rtaudio.control.midi.mapping import Mapping, Relative

QUIET_S, LONGEST_S = 0.4, 2.0
"""A control has been moved when it rests, or at the latest so long after its first event."""

_SMALL = 12
"""Clicks of one message of an encoder, at most."""


class Learner:
    """Listens to the events of one controller until it knows the control for a parameter.

    Parameters
    ----------
    target
        What the control shall turn.

    Examples
    --------
    >>> learner = Learner("amp.gain_db")
    >>> for value in (60, 61, 63):
    ...     learner.take(Event("control", 1, 21, value, 127), 0.0)
    >>> learner.mapping(0.1), learner.mapping(1.0).plain()
    (None, {'control': 21, 'channel': 1, 'to': 'amp.gain_db'})
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self._events: list[Event] = []
        self._first_s = self._last_s = 0.0

    def take(self, event: Event, now_s: float) -> None:
        """Listen to an event.

        Parameters
        ----------
        event
            The event; tempo and programs are not learnt.
        now_s
            The time, on any clock in seconds.
        """
        if event.kind in ("tempo", "program", "key pressure"):
            return
        if not self._events:
            self._first_s = now_s
        self._events.append(event)
        self._last_s = now_s

    def mapping(self, now_s: float) -> Mapping | None:
        """Return the mapping; None as long as nothing, or not enough, has been heard.

        Parameters
        ----------
        now_s
            The time.
        """
        rests = now_s - self._last_s >= QUIET_S or now_s - self._first_s >= LONGEST_S
        if not self._events or not rests:
            return None
        kind, channel, number = self._moved()
        values = [e.value for e in self._events if (e.kind, e.number) == (kind, number)]
        fields: dict[str, Any] = {"to": self.target, "channel": channel}
        if kind in ("bend", "pressure"):
            fields[kind] = True
        else:
            fields["control" if kind == "control 14" else kind] = number
        if kind == "control 14":
            fields["bits"] = 14
        elif kind == "control":
            coding = _coding([int(value) for value in values])
            if coding is not None:
                fields["relative"] = coding
            elif set(values) == {0, 127} and len(values) == 2 and "." in self.target:
                fields["as"] = "toggle"
        return Mapping(**fields)

    def _moved(self) -> tuple[EventKind, int, int]:
        """Return the control that was moved most: the whole one before its parts."""
        counts = Counter((e.kind, e.channel, e.number) for e in self._events)
        pairs = {
            key: count
            for key, count in counts.items()
            if key[0] == "control 14" and counts["control", key[1], key[2] + 32]
        }
        whole = {key: count for key, count in counts.items() if key[0] == "nrpn"} or pairs
        single = {key: n for key, n in counts.items() if key[0] not in ("control 14", "pressure")}
        found = whole or single or counts
        return max(found, key=lambda key: found[key])


def _coding(values: list[int]) -> Relative | None:
    """Return the coding of an encoder, whose values repeat while it turns; None for a knob."""
    repeats = sum(a == b for a, b in pairwise(values))
    if len(values) < 3 or 3 * repeats < len(values) - 1 or set(values) <= {0, 127}:
        return None
    if any(value >= 128 - _SMALL for value in values):
        return "twos"
    if all(abs(value - 64) <= _SMALL for value in values):
        return "offset"
    if any(64 < value <= 64 + _SMALL for value in values):
        return "sign"
    return "twos" if all(value <= _SMALL for value in values) else None
