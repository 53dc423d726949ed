"""The mapper: from events of a controller to what is done, without doing it."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from rtaudio.control.midi.events import FOURTEEN, SEVEN, Event, EventKind
from rtaudio.control.midi.mapping import STATES, Mapping, Relative, beats_of
from rtaudio.control.parameter import Parameter

NEAR = 2.0 / 127.0
"""A knob that is so close to a parameter takes it over."""

_SAME = 1e-4
_TAPS, _TAP_BREAK_S = 5, 2.0
_SLACK = 0.01
"""A time may be so much longer than the longest one before it is halved."""
_TEMPO_CHANGE = 0.005
"""A clock must change by this share before a time follows: each change is a cross-fade."""

Look = Callable[[str], Parameter | None]


class Turn(NamedTuple):
    """Set a parameter."""

    name: str
    value: float


class Press(NamedTuple):
    """Do what a word says; of a state, make it ``on``, or, if that is None, change it."""

    word: str
    on: bool | None = None


Action = Turn | Press


class _Binding:
    """A mapping with what its control has done so far."""

    def __init__(self, mapping: Mapping) -> None:
        self.mapping = mapping
        self.channel = mapping.channel or 1
        self.pressed = False
        self.last: float | None = None
        self.sent: float | None = None
        self.taps_s: deque[float] = deque(maxlen=_TAPS)

    def act(self, event: Event, look: Look, now_s: float) -> Action | None:
        mapping = self.mapping
        self.channel = event.channel or self.channel
        parameter = look(mapping.to) if "." in mapping.to else None
        if "." in mapping.to and parameter is None:
            return None
        if event.kind == "tempo" and mapping.clock is not None and parameter is not None:
            return self._beat(event.value * beats_of(mapping.clock), parameter)
        if mapping.relative and parameter is not None:
            clicks = decode_clicks(int(event.value), mapping.relative)
            return self._clicked(clicks, parameter)
        was, self.pressed = self.pressed, _is_pressed(event)
        if mapping.mode == "tap" and parameter is not None:
            return self._tapped(now_s, parameter) if self.pressed and not was else None
        if parameter is None:
            return self._word(was)
        if mapping.mode == "turn":
            if event.kind == "note" and not self.pressed:
                return None
            return self._turned(event.position, parameter)
        if self.pressed == was:
            return None
        return self._switched(parameter)

    def _word(self, was: bool) -> Press | None:
        """Return what a word asks for; presses count when they begin."""
        word, mode = self.mapping.to, self.mapping.mode
        if self.pressed == was:
            return None
        on = self.pressed != self.mapping.invert
        if word in STATES and mode in ("momentary", "turn"):
            return Press(word, on)
        return Press(word) if self.pressed else None

    def _switched(self, parameter: Parameter) -> Turn | None:
        low, high = self._ends(parameter)
        if self.mapping.invert:
            low, high = high, low
        if self.mapping.mode == "momentary":
            return Turn(parameter.name, parameter.value_at(high if self.pressed else low))
        if not self.pressed:
            return None
        here = parameter.position(parameter.value)
        is_high = abs(here - high) < abs(here - low)
        return Turn(parameter.name, parameter.value_at(low if is_high else high))

    def _clicked(self, clicks: int, parameter: Parameter) -> Turn | None:
        if parameter.scale == "switch":
            return Turn(parameter.name, float(clicks > 0)) if clicks else None
        low, high = sorted(self._ends(parameter))
        way = clicks * self.mapping.step * (-1.0 if self.mapping.invert else 1.0)
        position = min(high, max(low, parameter.position(parameter.value) + way))
        return Turn(parameter.name, parameter.value_at(position)) if clicks else None

    def _turned(self, position: float, parameter: Parameter) -> Turn | None:
        last, self.last = self.last, position
        if self.mapping.pickup and not self._has_hold(last, position, parameter):
            return None
        low, high = self._ends(parameter)
        share = (1.0 - position if self.mapping.invert else position) ** self.mapping.curve
        value = parameter.value_at(low + share * (high - low))
        self.sent = parameter.position(value)
        return Turn(parameter.name, value)

    def _has_hold(self, last: float | None, position: float, parameter: Parameter) -> bool:
        """Say whether the knob turns the parameter: nobody else has, or it came by its value."""
        if parameter.scale == "switch":
            return True
        if self.sent is not None:
            if abs(parameter.position(parameter.value) - self.sent) <= _SAME:
                return True
            self.sent = None
        wanted = self.position(parameter)
        if abs(position - wanted) <= NEAR:
            return True
        return last is not None and (last - wanted) * (position - wanted) <= 0.0

    def position(self, parameter: Parameter) -> float:
        """Return where the knob stands for the present value, 0 to 1."""
        low, high = self._ends(parameter)
        here = parameter.position(parameter.value)
        share = (here - low) / (high - low) if high != low else 0.0
        share = math.pow(min(1.0, max(0.0, share)), 1.0 / self.mapping.curve)
        return 1.0 - share if self.mapping.invert else share

    def _ends(self, parameter: Parameter) -> tuple[float, float]:
        low, high = self.mapping.low, self.mapping.high
        return (
            0.0 if low is None else parameter.position(low),
            1.0 if high is None else parameter.position(high),
        )

    def _tapped(self, now_s: float, parameter: Parameter) -> Turn | None:
        if self.taps_s and now_s - self.taps_s[-1] > _TAP_BREAK_S:
            self.taps_s.clear()
        self.taps_s.append(now_s)
        if len(self.taps_s) < 2:
            return None
        beat_ms = 1000.0 * (self.taps_s[-1] - self.taps_s[0]) / (len(self.taps_s) - 1)
        return self._beat(beat_ms * beats_of(self.mapping.length), parameter)

    def _beat(self, time_ms: float, parameter: Parameter) -> Turn | None:
        """Set a time; one out of range is halved or doubled, which stays in the beat."""
        if time_ms <= 0.0 or parameter.unit not in ("s", "ms"):
            return None
        time = time_ms / 1000.0 if parameter.unit == "s" else time_ms
        while time > (1.0 + _SLACK) * parameter.high:
            time /= 2.0
        half_fits = time > (1.0 - _SLACK) * parameter.high
        if half_fits and abs(0.5 * time - parameter.value) <= _TEMPO_CHANGE * parameter.value:
            return None  # at the limit both would do: the one that plays stays
        while 0.0 < time < parameter.low and 2.0 * time <= parameter.high:
            time *= 2.0
        time = min(parameter.high, max(parameter.low, time))
        if abs(time - parameter.value) <= _TEMPO_CHANGE * parameter.value:
            return None
        return Turn(parameter.name, time)


class Mapper:
    """The mappings of one controller, and the state of its controls.

    Parameters
    ----------
    mappings
        The mappings; of two that have the same control, both act.

    Examples
    --------
    >>> mapper = Mapper([Mapping(control=7, to="amp.gain_db", pickup=False)])
    >>> gain = Parameter("amp.gain_db", "amp", "gain", 0.0, -12.0, 12.0, 0.0, "dB", "db")
    >>> mapper.actions(Event("control", 1, 7, 127, 127), lambda name: gain, 0.0)
    [Turn(name='amp.gain_db', value=12.0)]
    """

    def __init__(self, mappings: Iterable[Mapping]) -> None:
        self._by_control: dict[tuple[EventKind, int], list[_Binding]] = defaultdict(list)
        self._by_target: dict[str, list[_Binding]] = defaultdict(list)
        for mapping in mappings:
            binding = _Binding(mapping)
            self._by_control[mapping.kind, mapping.number].append(binding)
            self._by_target[mapping.to].append(binding)

    @property
    def targets(self) -> list[str]:
        """The parameters that are mapped."""
        return [target for target in self._by_target if "." in target]

    def actions(self, event: Event, look: Look, now_s: float) -> list[Action]:
        """Return what an event does.

        Parameters
        ----------
        event
            The event.
        look
            Returns a parameter with its present value, or None.
        now_s
            The time, on any clock in seconds.
        """
        found = []
        for binding in self._by_control.get((event.kind, event.number), ()):
            if binding.mapping.channel in (None, event.channel):
                action = binding.act(event, look, now_s)
                if action is not None:
                    found.append(action)
        return found

    def feedback(self, target: str, parameter: Parameter | bool, own: bool) -> list[bytes]:
        """Return the messages by which lamps and motor faders show a target.

        Parameters
        ----------
        target
            A parameter, or a word for a state.
        parameter
            The parameter with its value, or the state.
        own
            Whether this controller has just set it: a knob that is being turned hears nothing.
        """
        found = []
        for binding in self._by_target.get(target, ()):
            mapping = binding.mapping
            if not mapping.feedback or mapping.clock is not None or mapping.mode == "tap":
                continue
            if own and mapping.mode == "turn" and not mapping.relative:
                continue
            if isinstance(parameter, bool):
                position = float(parameter != mapping.invert)
            else:
                position = binding.position(parameter)
            found += encode(mapping, binding.channel, position)
        return found


def _is_pressed(event: Event) -> bool:
    return event.value > 0 if event.kind == "note" else event.position >= 0.5


def decode_clicks(value: int, coding: Relative) -> int:
    """Return the clicks of an encoder.

    Parameters
    ----------
    value
        0 to 127.
    coding
        How it counts.

    Examples
    --------
    >>> [decode_clicks(v, c) for v, c in ((127, "twos"), (63, "offset"), (65, "sign"))]
    [-1, -1, -1]
    """
    if coding == "offset":
        return value - 64
    if value < 64:
        return value
    return value - 128 if coding == "twos" else 64 - value


def encode(mapping: Mapping, channel: int, position: float) -> list[bytes]:
    """Return the messages that move a control to a position.

    Parameters
    ----------
    mapping
        The mapping of the control.
    channel
        1 to 16.
    position
        0 to 1.

    Examples
    --------
    >>> encode(Mapping(control=7, to="amp.gain"), 2, 1.0)[0].hex()
    'b1077f'
    """
    low = channel - 1
    coarse, fine = round(position * SEVEN), round(position * FOURTEEN)
    match mapping.kind:
        case "note":
            return [bytes((0x90 | low, mapping.number, coarse))]
        case "bend":
            return [bytes((0xE0 | low, fine & SEVEN, fine >> 7))]
        case "pressure":
            return [bytes((0xD0 | low, coarse))]
        case "control":
            return [bytes((0xB0 | low, mapping.number, coarse))]
    head = 0xB0 | low
    if mapping.kind == "nrpn":
        pairs = [(99, mapping.number >> 7), (98, mapping.number & SEVEN)]
        pairs += [(6, fine >> 7), (38, fine & SEVEN)]
    else:
        pairs = [(mapping.number, fine >> 7), (mapping.number + 32, fine & SEVEN)]
    return [bytes((head, number, value)) for number, value in pairs]
