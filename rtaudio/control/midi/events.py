"""From messages to events: values that several messages make together, and the tempo of a clock.

A control of 14 bits, an NRPN and a bank with a program come in pieces (MIDI 1.0 detailed
specification, 4.2.1 "Control change"). An event is whole.
"""

from __future__ import annotations

from collections import deque
from typing import Literal, NamedTuple

from rtaudio.control.midi.message import Message

EventKind = Literal[
    "control", "control 14", "nrpn", "note", "bend", "pressure", "key pressure", "program", "tempo"
]

SEVEN, FOURTEEN = 127, 16383

_BANK, _BANK_LOW, _DATA, _DATA_LOW = 0, 32, 6, 38
_UP, _DOWN, _NRPN_LOW, _NRPN, _RPN_LOW, _RPN = 96, 97, 98, 99, 100, 101
_NONE = (127, 127)

_TICKS_PER_BEAT = 24
_BREAK_S = 0.5
"""A clock that pauses so long has stopped: it would have been 5 beats per minute."""


class Event(NamedTuple):
    """Something that a controller does.

    Attributes
    ----------
    kind, channel, number
        What moves. A tempo has neither channel nor number.
    value, top
        The value and the largest one; of a tempo milliseconds per beat, and 0; of a program its
        place in a set list, from 0.
    """

    kind: EventKind
    channel: int
    number: int
    value: float
    top: int

    @property
    def position(self) -> float:
        """The value from 0 to 1."""
        return self.value / self.top if self.top else 0.0


class _Channel:
    """What one channel has said so far."""

    def __init__(self) -> None:
        self.high: dict[int, int] = {}
        self.has_low: set[int] = set()
        self.bank, self.bank_low = 0, -1
        self.selected: tuple[int, int] = _NONE
        self.nrpn_values: dict[int, int] = {}
        self.nrpn_low: set[int] = set()

    @property
    def nrpn(self) -> int | None:
        high, low = self.selected
        return None if self.selected == _NONE else high << 7 | low


class Events:
    """Makes events of the messages of one port.

    Examples
    --------
    >>> events = Events()
    >>> both = [Message("control", 1, 1, 64), Message("control", 1, 33, 1)]
    >>> [e for m in both for e in events.of(m, 0.0) if e.kind == "control 14"]
    [Event(kind='control 14', channel=1, number=1, value=8192, top=16383), \
Event(kind='control 14', channel=1, number=1, value=8193, top=16383)]
    """

    def __init__(self) -> None:
        self._channels = [_Channel() for _ in range(17)]
        self._ticks_s: deque[float] = deque(maxlen=_TICKS_PER_BEAT + 1)
        self._since_told = 0

    def of(self, message: Message, now_s: float) -> list[Event]:
        """Return the events that a message completes.

        Parameters
        ----------
        message
            The message.
        now_s
            When it came, on any clock in seconds.
        """
        kind, channel, number, value = message
        match kind:
            case "control":
                return self._control(channel, number, value)
            case "note" | "key pressure":
                return [Event(kind, channel, number, value, SEVEN)]
            case "pressure":
                return [Event(kind, channel, 0, value, SEVEN)]
            case "bend":
                return [Event(kind, channel, 0, value + 8192, FOURTEEN)]
            case "program":
                return [Event(kind, channel, 0, self._bank(channel) * 128 + value, 0)]
            case "clock":
                return self._tick(now_s)
            case _:
                self._ticks_s.clear()
                return []

    def _bank(self, channel: int) -> int:
        """Return the bank: many controllers send its high part alone, and count with that."""
        known = self._channels[channel]
        return known.bank if known.bank_low < 0 else known.bank << 7 | known.bank_low

    def _control(self, channel: int, number: int, value: int) -> list[Event]:
        known = self._channels[channel]
        found = [Event("control", channel, number, value, SEVEN)]
        if number == _BANK:
            known.bank = value
        elif number == _BANK_LOW:
            known.bank_low = value
        if number < 32:
            known.high[number] = value
            if number not in known.has_low:
                found.append(Event("control 14", channel, number, value << 7, FOURTEEN))
        elif number < 64 and number - 32 in known.high:
            known.has_low.add(number - 32)
            whole = known.high[number - 32] << 7 | value
            found.append(Event("control 14", channel, number - 32, whole, FOURTEEN))
        found += self._nrpn(channel, known, number, value)
        return found

    def _nrpn(self, channel: int, known: _Channel, number: int, value: int) -> list[Event]:
        """Follow the selection of a parameter and the entry of its value."""
        if number in (_RPN, _RPN_LOW):
            known.selected = _NONE
        elif number == _NRPN:
            known.selected = (value, known.selected[1])
        elif number == _NRPN_LOW:
            known.selected = (known.selected[0], value)
        nrpn = known.nrpn
        if nrpn is None or number not in (_DATA, _DATA_LOW, _UP, _DOWN):
            return []
        before = known.nrpn_values.get(nrpn, 0)
        if number == _DATA:
            whole = value << 7
        elif number == _DATA_LOW:
            known.nrpn_low.add(nrpn)
            whole = before & ~SEVEN | value
        else:
            whole = min(FOURTEEN, max(0, before + (1 if number == _UP else -1)))
        known.nrpn_values[nrpn] = whole
        if number == _DATA and nrpn in known.nrpn_low:
            return []  # its low part follows
        return [Event("nrpn", channel, nrpn, whole, FOURTEEN)]

    def _tick(self, now_s: float) -> list[Event]:
        """Return the tempo, a few times per beat, as soon as a whole beat has been heard."""
        ticks = self._ticks_s
        if ticks and now_s - ticks[-1] > _BREAK_S:
            ticks.clear()
        ticks.append(now_s)
        self._since_told += 1
        if len(ticks) <= _TICKS_PER_BEAT or self._since_told < _TICKS_PER_BEAT // 4:
            return []
        self._since_told = 0
        return [Event("tempo", 0, 0, 1000.0 * _TICKS_PER_BEAT * _slope(ticks), 0)]


def _slope(times_s: deque[float]) -> float:
    """Return the seconds from one to the next, by least squares: single late ticks hardly count."""
    middle = (len(times_s) - 1) / 2.0
    weights = [number - middle for number in range(len(times_s))]
    moment = sum(weight * time for weight, time in zip(weights, times_s, strict=True))
    return moment / sum(weight * weight for weight in weights)
