"""A controller: its ports, and the events that its bytes become."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rtaudio.control.midi.controller_file import ControllerFile
from rtaudio.control.midi.events import Event, Events
from rtaudio.control.midi.mapper import Mapper
from rtaudio.control.midi.parser import MidiParser
from rtaudio.control.midi.ports import VIRTUAL, Input, Port


class Controller:
    """One controller.

    Parameters
    ----------
    word
        A part of the name of its port, or ``"virtual"``.
    take
        Called with the controller, the events of some messages and the time of their arrival.

    Attributes
    ----------
    name
        The name of its port.
    port, input, output
        What it is connected to; None: nothing at the moment.
    file, mapper
        Its own mappings, and all that hold for it now.
    messages
        How many have come.
    """

    def __init__(self, word: str, take: Callable[[Controller, list[Event], float], None]) -> None:
        self.word = word
        self.name = "rtaudio" if word == VIRTUAL else word
        self.parser, self.events = MidiParser(), Events()
        self.mapper = Mapper([])
        self.file: ControllerFile | None = None
        self.port: Port | None = None
        self.input: Input | None = None
        self.output: Any = None
        self.messages = 0
        self._take = take

    def receive(self, batch: list[bytes]) -> None:
        """Take the bytes of messages."""
        now_s = time.monotonic()
        self.messages += len(batch)
        messages = self.parser.feed(b"".join(batch))
        self._take(self, [e for each in messages for e in self.events.of(each, now_s)], now_s)

    def close(self) -> None:
        """Close its ports."""
        if self.input is not None:
            self.input.close()
        if self.output is not None:
            self.output.delete()
        self.input = self.output = None
