"""Open Sound Control: parameters and switches of a session as addresses, in and out."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Any

from rtaudio.control.change import Change
from rtaudio.control.session import Session
from rtaudio.errors import RtaudioError, UsageError

LOOPBACK = "127.0.0.1"
_POLL_S = 0.1
_PACKET_BYTES = 8192
_SWITCHES = ("muted", "talking", "tuning", "comparing", "assisting")


class Osc:
    """Listens on a UDP port, and tells those who have spoken to it what changes.

    ====================================  =====================================================
    ``/amp/gain_db 6.0``                  set a parameter, in natural units
    ``/amp/gain_db/position 0.5``         the same along its scale, 0 to 1, as faders send it
    ``/preset crunch``                    cross-fade to a preset of the catalogue
    ``/next``, ``/previous``              step through the presets
    ``/muted 1``, ``/tuning`` ...         a switch; without a value it flips
    ``/side B``                           the other setting
    ``/get``                              send everything back
    ====================================  =====================================================

    Changes made elsewhere go out under the same addresses, to whoever sent the last message.
    Unknown or damaged messages are counted, never an error.

    Parameters
    ----------
    session
        The session.
    port
        UDP port; 0: any.
    address
        The address to listen on.

    Attributes
    ----------
    address, port
        The address and the port in use.
    refused
        Messages that were not understood.

    Raises
    ------
    UsageError
        The extra is not installed, or the port is taken.
    """

    def __init__(self, session: Session, port: int, address: str = LOOPBACK) -> None:
        try:
            import pythonosc  # noqa: F401
        except ModuleNotFoundError:
            raise UsageError(
                "--osc needs python-osc, which is not installed; pip install 'rtaudio[osc]'"
            ) from None
        self._session = session
        self._peer: Any = None
        self.refused = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind((address, port))
        except OSError as error:
            self._socket.close()
            reason = str(error.strerror or error).lower()
            raise UsageError(f"--osc {port}: {reason}; give another port") from None
        self._socket.settimeout(_POLL_S)
        self.address, self.port = address, int(self._socket.getsockname()[1])
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="osc", daemon=True)

    def start(self) -> Osc:
        """Begin to listen."""
        self._unsubscribe = self._session.subscribe(self._changed)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop listening; safe to call twice."""
        if self._thread.is_alive():
            self._unsubscribe()
            self._ended.set()
            self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while not self._ended.is_set():
            try:
                packet, self._peer = self._socket.recvfrom(_PACKET_BYTES)
            except OSError:  # nothing came, or nobody is there to answer any more
                continue
            self._take(packet)

    def _take(self, packet: bytes) -> None:
        """Act on a message, or on those of a bundle."""
        from pythonosc.osc_packet import OscPacket, ParseError

        try:
            messages = [timed.message for timed in OscPacket(packet).messages]
        except (ParseError, ValueError, LookupError, RecursionError):
            messages = []
        self.refused += not messages
        for message in messages:
            try:
                self._act(message.address.strip("/").split("/"), list(message.params))
            except (RtaudioError, OSError, ValueError, TypeError, LookupError):
                self.refused += 1

    def _act(self, words: list[str], values: list[Any]) -> None:
        session = self._session
        match words:
            case ["get"]:
                for name, parameter in session.parameters().items():
                    self._send(_address(name), parameter.value)
            case ["next" | "previous" as way]:
                if not values or values[0]:  # a button sends 0 when it is released
                    session.step_preset(1 if way == "next" else -1)
            case ["preset"]:
                session.open(_known_preset(str(values[0])))
            case ["side"]:
                session.side = values[0]
            case [name] if name in _SWITCHES:
                setattr(session, name, bool(values[0]) if values else not getattr(session, name))
            case [effect, name, "position"]:
                parameter = session.parameters()[f"{effect}.{name}"]
                value = parameter.value_at(float(values[0]))
                session.set(parameter.name, value, source=self)
            case [effect, name]:
                session.set(f"{effect}.{name}", float(values[0]), source=self)
            case _:
                raise LookupError

    def _changed(self, change: Change) -> None:
        if change.source is self or change.kind == "message":
            return
        if change.kind == "parameter":
            self._send(_address(change.name), float(change.value))
        elif change.kind == "switch":
            value = change.value
            self._send(f"/{change.name}", int(value) if isinstance(value, bool) else value)
        else:
            self._send("/preset", change.name)

    def _send(self, address: str, value: Any) -> None:
        from pythonosc.osc_message_builder import OscMessageBuilder

        if self._peer is None:
            return
        builder = OscMessageBuilder(address)
        builder.add_arg(value)
        try:
            self._socket.sendto(builder.build().dgram, self._peer)
        except OSError:  # nobody is there any more
            self._peer = None

    def __enter__(self) -> Osc:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def _address(name: str) -> str:
    """Return the address of a parameter: ``amp.gain_db`` is ``/amp/gain_db``."""
    effect, _, parameter = name.rpartition(".")
    return f"/{effect}/{parameter}"


def _known_preset(name: str) -> str:
    """Return a name of the catalogue; a message must not name a file of this machine."""
    from rtaudio.catalogue import catalogue

    if name not in catalogue("preset"):
        raise LookupError(name)
    return name
