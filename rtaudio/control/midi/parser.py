"""From bytes to MIDI messages (MIDI 1.0 detailed specification, 4.2.1)."""

from __future__ import annotations

from rtaudio.control.midi.message import Message, MessageKind

_KINDS: dict[int, MessageKind] = {
    0x80: "note",
    0x90: "note",
    0xA0: "key pressure",
    0xB0: "control",
    0xC0: "program",
    0xD0: "pressure",
    0xE0: "bend",
}
_REAL_TIME: dict[int, MessageKind] = {0xF8: "clock", 0xFA: "start", 0xFB: "continue", 0xFC: "stop"}
_COMMON_BYTES = {0xF1: 1, 0xF2: 2, 0xF3: 1, 0xF6: 0}
_SYSEX, _SYSEX_END, _SENSING, _RESET = 0xF0, 0xF7, 0xFE, 0xFF


class MidiParser:
    """Takes bytes in any pieces. Damage is counted, and costs only the message that has it.

    Attributes
    ----------
    unknown
        Messages that mean nothing here: system exclusive and common ones, and undefined bytes.
    damaged
        Messages that broke off, and data that belongs to none.

    Examples
    --------
    >>> parser = MidiParser()
    >>> [m.words for m in parser.feed(bytes([0xB0, 7, 0xF8, 100, 7, 101]))]
    ['clock', 'channel 1  control 7 = 100', 'channel 1  control 7 = 101']
    """

    def __init__(self) -> None:
        self.unknown = self.damaged = 0
        self._status = 0
        self._data: list[int] = []

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that end in the next bytes."""
        messages = []
        for byte in data:
            message = self._take(byte)
            if message is not None:
                messages.append(message)
        return messages

    def _take(self, byte: int) -> Message | None:
        if byte >= 0xF8:  # real-time bytes may stand between those of any other message
            if byte in _REAL_TIME:
                return Message(_REAL_TIME[byte])
            self.unknown += byte not in (_SENSING, _RESET)
            return None
        return self._begin(byte) if byte & 0x80 else self._go_on(byte)

    def _begin(self, status: int) -> Message | None:
        """Take a status byte."""
        if status == _SYSEX_END:
            self._end_sysex()
            return None
        self.damaged += bool(self._data) or self._status == _SYSEX
        self._status, self._data = status, []
        if status >= 0xF0 and status != _SYSEX and not _COMMON_BYTES.get(status):
            self.unknown += 1  # a whole message, or an undefined byte
            self._status = 0
        return None

    def _end_sysex(self) -> None:
        whole = self._status == _SYSEX
        self.unknown += whole
        self.damaged += not whole
        self._status, self._data = 0, []

    def _go_on(self, byte: int) -> Message | None:
        """Take a data byte."""
        status = self._status
        if status == _SYSEX:
            return None
        if status == 0:
            self.damaged += 1
            return None
        self._data.append(byte)
        kind = status & 0xF0
        common = status >= 0xF0
        wanted = _COMMON_BYTES[status] if common else 1 if kind in (0xC0, 0xD0) else 2
        if len(self._data) < wanted:
            return None
        data, self._data = self._data, []
        if common:
            self.unknown += 1
            self._status = 0
            return None
        return _message(kind, (status & 0x0F) + 1, data)


def _message(kind: int, channel: int, data: list[int]) -> Message:
    name = _KINDS[kind]
    if name == "bend":
        return Message(name, channel, 0, (data[1] << 7 | data[0]) - 8192)
    if len(data) == 1:
        return Message(name, channel, 0, data[0])
    value = 0 if kind == 0x80 else data[1]
    return Message(name, channel, data[0], value)
