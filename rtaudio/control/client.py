"""Client: control of a running host from another program, over its page's server."""

from __future__ import annotations

import json
import select
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any, Literal
from urllib.parse import parse_qs, quote, urlsplit

from rtaudio.control.parameter import Parameter
from rtaudio.errors import RtaudioError, UsageError

_TIMEOUT_S = 120.0
"""An effect that plays for the first time on a machine is compiled first."""


class Client:
    """Controls a host that plays with ``--page``, here or on another machine.

    Parameters
    ----------
    link
        The link that ``rtaudio run --page`` prints, with its token if it has one.

    Raises
    ------
    UsageError
        The link is none.

    Examples
    --------
    >>> with Client("http://127.0.0.1:8080/") as client:                    # doctest: +SKIP
    ...     client.set("amp.mix", 0.5)
    ...     for message in client.listen():
    ...         print(message["type"])
    """

    def __init__(self, link: str = "http://127.0.0.1:8080/") -> None:
        parts = urlsplit(link)
        if parts.scheme != "http" or not parts.hostname:
            raise UsageError(f"{link}: is no link to a page of rtaudio; it begins with http://")
        self._host, self._port = parts.hostname, parts.port or 80
        token = parse_qs(parts.query).get("token", [""])[0]
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._connection = HTTPConnection(self._host, self._port, timeout=_TIMEOUT_S)

    # Parameters.

    def parameters(self) -> dict[str, Parameter]:
        """Return every parameter with value, range, default, unit and scale."""
        found = self.request("GET", "/parameters")
        return {name: Parameter(**fields) for name, fields in found.items()}

    def get(self, name: str) -> float:
        """Return the value of a parameter, such as ``"amp.gain_db"``.

        Raises
        ------
        RtaudioError
            There is no such parameter.
        """
        known = self.parameters()
        if name not in known:
            raise RtaudioError(f"{name}: no such parameter")
        return known[name].value

    def set(self, name: str, value: float | bool) -> float:
        """Set a parameter, and return its value.

        Parameters
        ----------
        name
            ``"effect.parameter"``.
        value
            In natural units.

        Raises
        ------
        RtaudioError
            There is no such parameter, or the value is out of range.
        """
        return float(self.request("PUT", f"/parameters/{quote(name)}", {"value": value})["value"])

    def reset(self, name: str) -> float:
        """Set a parameter to its default, and return that."""
        return float(self.request("DELETE", f"/parameters/{quote(name)}")["value"])

    def undo(self) -> str | None:
        """Undo the last change, and return it in words; None if there is none."""
        undone: str | None = self.request("POST", "/undo")["undone"]
        return undone

    def redo(self) -> str | None:
        """Do again what was undone last, and return it in words; None if there is nothing."""
        redone: str | None = self.request("POST", "/redo")["redone"]
        return redone

    # Chain and presets.

    def chain(self) -> list[dict[str, Any]]:
        """Return the effects that play, in order: name, kind, bypass, parameters, latency."""
        chain: list[dict[str, Any]] = self.request("GET", "/chain")
        return chain

    def add(self, word: str, place: int) -> None:
        """Put an effect into the chain.

        Parameters
        ----------
        word
            One of the words of ``/api/effects``, such as ``"delay"``.
        place
            Where, from 0.
        """
        self.request("POST", "/chain", {"word": word, "place": place})

    def remove(self, place: int) -> None:
        """Take an effect out of the chain."""
        self.request("DELETE", f"/chain/{place}")

    def move(self, place: int, to: int) -> None:
        """Move an effect from one place to another.

        Parameters
        ----------
        place, to
            Places, from 0.
        """
        self.request("POST", f"/chain/{place}/move", {"to": to})

    def presets(self) -> list[str]:
        """Return the names of the presets."""
        return [preset["name"] for preset in self.request("GET", "/presets")]

    def open(self, name: str) -> None:
        """Cross-fade to a preset."""
        self.request("POST", f"/presets/{quote(name, safe='')}/open")

    def save_as(self, name: str) -> str:
        """Save what plays as a preset, and return its name."""
        return str(self.request("POST", "/presets", {"name": name})["name"])

    def open_file(self, file: Path) -> str:
        """Send a model or an impulse response and play it; return what was done."""
        path = f"/files/open?name={quote(file.name, safe='')}"
        return str(self.request("POST", path, file.read_bytes())["said"])

    # Switches and readings.

    def switches(self) -> dict[str, Any]:
        """Return mute, push-to-talk, tuner, compare, whether the assistant listens, and A or B."""
        found: dict[str, Any] = self.request("GET", "/switches")
        return found

    def switch(
        self,
        *,
        muted: bool | None = None,
        tuning: bool | None = None,
        comparing: bool | None = None,
        assisting: bool | None = None,
        side: Literal["A", "B"] | None = None,
    ) -> None:
        """Set some of the switches.

        Parameters
        ----------
        muted, tuning, comparing, assisting, side
            True or false, and ``"A"`` or ``"B"``; None: as it is.
        """
        wanted = {
            "muted": muted,
            "tuning": tuning,
            "comparing": comparing,
            "assisting": assisting,
            "side": side,
        }
        body = {name: value for name, value in wanted.items() if value is not None}
        self.request("PATCH", "/switches", body)

    def statistics(self) -> dict[str, Any]:
        """Return meters, load, missed blocks and latency."""
        found: dict[str, Any] = self.request("GET", "/statistics")
        return found

    def listen(self) -> Iterator[dict[str, Any]]:
        """Return an iterator over what happens: the state, each change, and 20 readings a second.

        Yields
        ------
        dict
            ``type`` is ``state``, ``parameter``, ``switch``, ``message`` or ``reading``.

        Raises
        ------
        UsageError
            The package websockets is not installed.
        RtaudioError
            The host does not answer.
        """
        try:
            from websockets.exceptions import ConnectionClosed, InvalidHandshake
            from websockets.sync.client import connect
        except ModuleNotFoundError:
            raise UsageError(
                "listening needs websockets, which is not installed; pip install 'rtaudio[web]'"
            ) from None
        host = f"[{self._host}]" if ":" in self._host else self._host
        try:
            with connect(
                f"ws://{host}:{self._port}/api/live",
                additional_headers=self._headers,
                proxy=None,
            ) as socket:
                for text in socket:
                    yield json.loads(text)
        except (OSError, ConnectionClosed, InvalidHandshake) as error:
            raise RtaudioError(f"{host}:{self._port}: the link is lost: {error}") from None

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Send any request of the interface, and return the answer.

        Parameters
        ----------
        method, path
            Such as ``"GET"`` and ``"/state"``.
        body
            Plain data, or bytes.

        Raises
        ------
        RtaudioError
            It was refused, or nobody answers: why.
        """
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = self._headers | ({} if data is None else {"Content-Type": "application/json"})
        try:
            self._renew()
            status, text = self._exchange(method, path, data, headers)
        except (OSError, HTTPException) as error:
            self._connection.close()
            raise RtaudioError(
                f"{self._host}:{self._port}: rtaudio does not answer ({error}); "
                "start it with: rtaudio run PRESET --page"
            ) from None
        found = json.loads(text) if text else None
        if status >= 400:
            detail = found.get("detail") if isinstance(found, dict) else None
            raise RtaudioError(str(detail or f"refused ({status})"))
        return found

    def _renew(self) -> None:
        """Close a connection that the server has closed while it was idle; it is opened again."""
        idle = self._connection.sock
        if idle is not None and select.select([idle], [], [], 0)[0]:
            self._connection.close()

    def _exchange(
        self, method: str, path: str, data: bytes | None, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        self._connection.request(method, f"/api{path}", data, headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
