"""Mappings: which control of a controller turns what, as YAML.

::

    - {control: 21, to: amp.gain}                       # a knob, over the whole range
    - {control: 1, bits: 14, to: tone.treble, low: 3, high: 8, curve: 2}
    - {control: 16, relative: twos, to: input.gain_db}  # an endless encoder
    - {note: 36, to: amp.bypass}                        # a switch; each press toggles
    - {note: 38, to: talk, as: momentary}
    - {control: 64, to: next}                           # the next preset of the set list
    - {note: 40, to: delay.time_ms, as: tap, length: 1/8.}
    - {clock: 1/8, to: delay.time_ms}                   # follows the MIDI clock
"""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from rtaudio.control.midi.events import EventKind
from rtaudio.errors import SettingsError, first_fault, shortened

Relative = Literal["twos", "offset", "sign"]

STATES = {
    "mute": "muted",
    "talk": "talking",
    "tune": "tuning",
    "compare": "comparing",
    "side": "side",
}
"""Words for the switches of a session, which a lamp can show."""

STEPS = ("next", "previous", "undo", "redo", "save")
"""Words for what a press does once."""

_WORDS = (*STATES, *STEPS)
_SOURCES = ("control", "nrpn", "note", "bend", "pressure", "clock")
_LENGTH = re.compile(r"(\d{1,3})/(\d{1,3})([.t]?)")
_MOST = 1000
"""Mappings of one list."""


class Mapping(BaseModel):
    """One control and what it turns.

    Parameters
    ----------
    control, nrpn, note, bend, pressure, clock
        The control, exactly one of these: a control change 0 .. 127, an NRPN 0 .. 16383, a note
        0 .. 127, ``true`` for the pitch bend or the pressure of a channel, or a note value such as
        ``1/8``, ``1/4.`` (dotted) or ``1/8t`` (triplet), whose duration the MIDI clock gives.
    channel
        1 .. 16; default: any.
    bits
        14: the control has a second one, 32 higher, for its finer part.
    relative
        The coding of an endless encoder: ``twos`` complement (1 up, 127 down), ``offset`` binary
        (65 up, 63 down), or ``sign`` and magnitude (1 up, 65 down).
    step
        Of an encoder: share of the range per click.
    to
        ``effect.parameter``; or mute, talk, tune, compare, side, next, previous, undo, redo, save.
    as
        ``turn`` follows the value; ``toggle`` changes at each press, ``momentary`` holds as long as
        it is pressed; ``tap`` sets a time to the beat that is tapped. Default: a note toggles, and
        talks while it is held; everything else turns.
    length
        Note value that a tapped beat, a quarter, is turned into.
    low, high
        The ends in natural units; default: those of the parameter.
    invert
        From right to left.
    curve
        Exponent: 1 is straight, 2 begins slowly.
    pickup
        Do nothing until the knob has come to where the parameter is.
    feedback
        Send the value back, for lamps and motor faders.

    Examples
    --------
    >>> Mapping(control=7, to="amp.gain_db").words
    'control 7'
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    control: int | None = Field(None, ge=0, le=127)
    nrpn: int | None = Field(None, ge=0, le=16383)
    note: int | None = Field(None, ge=0, le=127)
    bend: Literal[True] | None = None
    pressure: Literal[True] | None = None
    clock: str | None = None
    channel: int | None = Field(None, ge=1, le=16)
    bits: Literal[7, 14] = 7
    relative: Relative | None = None
    step: float = Field(0.01, gt=0.0, le=1.0)
    to: str
    as_: Literal["turn", "toggle", "momentary", "tap"] | None = Field(None, alias="as")
    length: str = "1/4"
    low: float | None = None
    high: float | None = None
    invert: bool = False
    curve: float = Field(1.0, ge=0.1, le=10.0)
    pickup: bool = True
    feedback: bool = True

    @field_validator("to")
    @classmethod
    def _known_word(cls, to: str) -> str:
        if "." not in to and to not in _WORDS:
            raise ValueError(f"{to!r} is no effect.parameter, and not {', '.join(_WORDS)}")
        return to

    @field_validator("clock", "length")
    @classmethod
    def _note_value(cls, text: str | None) -> str | None:
        if text is not None:
            beats_of(text)
        return text

    @model_validator(mode="after")
    def _one_source(self) -> Mapping:
        given = [name for name in _SOURCES if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(_SOURCES)}")
        if self.bits == 14 and (self.control is None or self.control > 31):
            raise ValueError("bits: 14 is for a control from 0 to 31")
        if self.relative and self.control is None:
            raise ValueError("relative is for a control")
        timed = self.mode == "tap" or self.clock is not None
        if timed and "." not in self.to:
            raise ValueError("a clock or a tap sets a time, such as to: delay.time_ms")
        return self

    @property
    def kind(self) -> EventKind:
        """The kind of the events that it listens to."""
        names: tuple[EventKind, ...] = ("nrpn", "note", "bend", "pressure")
        for name in names:
            if getattr(self, name) is not None:
                return name
        if self.clock is not None:
            return "tempo"
        return "control 14" if self.bits == 14 else "control"

    @property
    def number(self) -> int:
        """The number of the control, NRPN or note; else 0."""
        numbers = (self.control, self.nrpn, self.note)
        return next((number for number in numbers if number is not None), 0)

    @property
    def mode(self) -> Literal["turn", "toggle", "momentary", "tap"]:
        """How it acts, after the defaults."""
        if self.as_ is not None:
            return self.as_
        if self.note is None:
            return "turn"
        return "momentary" if self.to == "talk" else "toggle"

    @property
    def words(self) -> str:
        """The control, for a person."""
        name = {"control 14": "control", "tempo": "clock"}.get(self.kind, self.kind)
        what = name if self.kind in ("bend", "pressure", "tempo") else f"{name} {self.number}"
        return what if self.channel is None else f"{what} of channel {self.channel}"

    def plain(self) -> dict[str, Any]:
        """Return it as data for a file, without defaults."""
        return self.model_dump(by_alias=True, exclude_defaults=True)


def read_mappings(items: object, where: str) -> list[Mapping]:
    """Return mappings from plain data.

    Parameters
    ----------
    items
        A list of mappings.
    where
        What has it, for faults: a file.

    Raises
    ------
    SettingsError
        One line with the fault and its place.
    """
    if not isinstance(items, list) or len(items) > _MOST:
        raise SettingsError(f"{where}: {shortened(str(items))} is not a list of mappings")
    found = []
    for number, item in enumerate(items, 1):
        if not isinstance(item, dict):
            raise SettingsError(f"{where}: mapping {number}: {shortened(str(item))} is no mapping")
        try:
            found.append(Mapping(**{str(key): value for key, value in item.items()}))
        except ValidationError as error:
            fault = first_fault(error, Mapping)
            raise SettingsError(f"{where}: mapping {number}: {fault}") from None
    return found


def beats_of(length: str) -> float:
    """Return the duration of a note value in beats, which are quarters.

    Examples
    --------
    >>> beats_of("1/8"), beats_of("1/4."), round(beats_of("1/8t"), 3)
    (0.5, 1.5, 0.333)
    """
    match = _LENGTH.fullmatch(length)
    if match is None or not int(match[1]) or not int(match[2]):
        raise ValueError(f"{shortened(length)!r} is no note value; write 1/8, 1/4. or 1/8t")
    beats = 4.0 * int(match[1]) / int(match[2])
    return float(beats * {"": 1.0, ".": 1.5, "t": 2.0 / 3.0}[match[3]])
