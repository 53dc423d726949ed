"""A MIDI message, as the standard numbers it, and in words."""

from __future__ import annotations

from typing import Literal, NamedTuple

MessageKind = Literal[
    "note", "key pressure", "control", "program", "pressure", "bend",
    "clock", "start", "continue", "stop",
]  # fmt: skip

_NOTES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


class Message(NamedTuple):
    """One message.

    Attributes
    ----------
    kind
        What it is.
    channel
        1 to 16; 0 for clock, start, continue and stop.
    number
        The note, or the number of the control; else 0.
    value
        Velocity (0: the note ends), value, program or pressure, 0 to 127; of a bend -8192 to 8191.
    """

    kind: MessageKind
    channel: int = 0
    number: int = 0
    value: int = 0

    @property
    def words(self) -> str:
        """The message for a person.

        Examples
        --------
        >>> Message("note", 10, 36, 90).words, Message("control", 1, 7, 64).words
        ('channel 10  note 36 (C2) on, velocity 90', 'channel 1  control 7 = 64')
        """
        match self.kind:
            case "note":
                end = f"on, velocity {self.value}" if self.value else "off"
                text = f"note {note_name(self.number)} {end}"
            case "key pressure":
                text = f"pressure of note {note_name(self.number)} = {self.value}"
            case "control":
                text = f"control {self.number} = {self.value}"
            case "program":
                text = f"program {self.value}"
            case "pressure":
                text = f"pressure = {self.value}"
            case "bend":
                text = f"bend = {self.value:+d}"
            case _:
                return self.kind
        return f"channel {self.channel}  {text}"


def note_name(number: int) -> str:
    """Return a note by its number and its name; 60 is C4."""
    return f"{number} ({_NOTES[number % 12]}{number // 12 - 1})"
