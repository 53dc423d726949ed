"""A batch: what messages that come together turn."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from rtaudio.control.midi.mapper import Turn
from rtaudio.errors import RtaudioError

if TYPE_CHECKING:
    from rtaudio.control.parameter import Parameter
    from rtaudio.control.session import Session


class Batch:
    """The parameters that a batch of messages turns: of each, the last value is set.

    Parameters
    ----------
    session
        What is turned.
    source
        Who turns it.
    """

    def __init__(self, session: Session, source: object) -> None:
        self._session, self._source = session, source
        self._seen: dict[str, Parameter | None] = {}
        self._values: dict[str, float] = {}

    def look(self, name: str) -> Parameter | None:
        """Return a parameter as it will be."""
        if name not in self._seen:
            self._seen[name] = self._session.parameter(name)
        return self._seen[name]

    def note(self, action: Turn) -> None:
        """Keep a value for :meth:`store`."""
        self._values[action.name] = action.value
        parameter = self.look(action.name)
        self._seen[action.name] = parameter and parameter.at(action.value)

    def store(self) -> None:
        """Set what has been noted."""
        values, self._values = self._values, {}
        self._seen.clear()
        for name, value in values.items():
            with suppress(RtaudioError):  # the chain has just changed, or the host was stopped
                self._session.set(name, value, self._source)
