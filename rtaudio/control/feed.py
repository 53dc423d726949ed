"""Feed: what changes in a session, and its meters, to any number of listeners over the network."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from rtaudio.control.change import Change
from rtaudio.control.plain import dumped
from rtaudio.control.session import Session
from rtaudio.control.spectrum import FLOOR_DB, Spectrum
from rtaudio.control.tonal_balance import TonalBalance
from rtaudio.errors import RtaudioError
from rtaudio.runtime.memory import Array

READINGS_HZ = 20
_MOST_WAITING = 500
"""Changes that wait for a slow listener; one that is further behind gets the whole state anew."""

STATE = "state"


class Listener:
    """The messages for one connection: every change, and of the readings only the latest.

    Attributes
    ----------
    spectrum
        Whether it wants spectra.
    """

    def __init__(self, spectrum: bool = False) -> None:
        self.spectrum = spectrum
        self._changes: deque[str] = deque()
        self._reading: str | None = None
        self._bands: bytes | None = None
        self._stale = True
        self._ready = asyncio.Event()
        self._ready.set()

    def tell(self, message: str) -> None:
        """Append a change."""
        self._changes.append(message)
        if len(self._changes) > _MOST_WAITING:
            self.renew()
        self._ready.set()

    def renew(self) -> None:
        """Send the whole state next, in place of the changes that wait."""
        self._changes.clear()
        self._stale = True
        self._ready.set()

    def show(self, reading: str, bands: bytes | None) -> None:
        """Replace the reading that waits to be sent.

        Parameters
        ----------
        reading
            The message.
        bands
            The spectra as bytes; None: it wants none.
        """
        self._reading, self._bands = reading, bands
        self._ready.set()

    async def messages(self, state: Callable[[], str]) -> list[str | bytes]:
        """Wait for something to send, and take all of it.

        Parameters
        ----------
        state
            Returns the whole state as a message.
        """
        await self._ready.wait()
        self._ready.clear()
        found: list[str | bytes] = []
        if self._stale:
            self._stale = False
            found.append(await asyncio.to_thread(state))
        found += self._changes
        self._changes.clear()
        found += [piece for piece in (self._reading, self._bands) if piece is not None]
        self._reading = self._bands = None
        return found


class Feed:
    """Reads a session once for all listeners, and spreads what changes in it.

    Readings are made `READINGS_HZ` times a second in a thread of the server, and only while
    somebody listens. The audio thread takes no part.

    Parameters
    ----------
    session
        The session.

    Attributes
    ----------
    style
        What the average spectrum of a master is shown beside.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.style = "balanced"
        self._balance: TonalBalance | None = None
        self._listeners: set[Listener] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._spectrum: Spectrum | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> Any:
        """Spread changes and readings while the block runs."""
        self._loop = asyncio.get_running_loop()
        unsubscribe = self._session.subscribe(self._changed)
        reader = asyncio.create_task(self._read_on())
        try:
            yield self
        finally:
            unsubscribe()
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader

    @contextlib.contextmanager
    def listener(self, spectrum: bool) -> Any:
        """Add a listener while the block runs."""
        listener = Listener(spectrum)
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def renew(self) -> None:
        """Send the whole state to everybody; from any thread."""
        self._spread(lambda listener: listener.renew())

    def _spread(self, act: Callable[[Listener], None]) -> None:
        def spread() -> None:
            for listener in self._listeners:
                act(listener)

        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(spread)

    def _changed(self, change: Change) -> None:
        """Pass a change on; called in the thread that made it, which must not wait."""
        if change.kind == "chain":
            self.renew()
            return
        message = dumped(
            {
                "type": change.kind,
                "name": change.name,
                "value": change.value,
                "source": change.source if isinstance(change.source, str) else None,
            }
        )
        self._spread(lambda listener: listener.tell(message))

    async def _read_on(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + 1.0 / READINGS_HZ, loop.time())
            await asyncio.sleep(due - loop.time())
            if not self._listeners:
                continue
            wanted = any(listener.spectrum for listener in self._listeners)
            with contextlib.suppress(RtaudioError):  # between two hosts there is nothing to read
                reading, bands = await asyncio.to_thread(self._read, wanted)
                balance = await asyncio.to_thread(self._read_balance, wanted)
                for listener in self._listeners:
                    listener.show(reading, bands if listener.spectrum else None)
                    if balance and listener.spectrum:
                        listener.tell(balance)

    def _read_balance(self, wanted: bool) -> str | None:
        """Return the average spectrum of a master as a message, once a second."""
        if not wanted or not self._session.masters:
            self._balance = None
            return None
        balance, host, style = self._balance, self._session.host, self.style
        if balance is None or balance.host is not host or balance.style != style:
            balance = self._balance = TonalBalance(host, style)
        found = balance.read()
        if found is None:
            return None
        average_db, target_db = (levels_db.round(1).tolist() for levels_db in found)
        return dumped({"type": "balance", "average_db": average_db, "target_db": target_db})

    def _read(self, spectrum: bool) -> tuple[str, bytes | None]:
        """Return a reading as a message, and the spectra as bytes: before, then after."""
        session = self._session
        tuning = session.host.tuning() if session.tuning else None
        message = dumped({"type": "reading", **asdict(session.read()), "tuning": tuning})
        if not spectrum:
            self._spectrum = None
            return message, None
        if self._spectrum is None or self._spectrum.host is not self._session.host:
            self._spectrum = Spectrum(self._session.host)
        return message, b"".join(_as_bytes(levels) for levels in self._spectrum.read())


def _as_bytes(levels_db: Array) -> bytes:
    """Return levels as bytes: 0 is `FLOOR_DB`, 255 is 0 dB."""
    return bytes(np.clip(255.0 * (1.0 - levels_db / FLOOR_DB), 0.0, 255.0).astype(np.uint8))
