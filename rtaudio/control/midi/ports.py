"""MIDI ports of this machine, by python-rtmidi: ALSA, JACK, CoreMIDI, Windows."""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rtaudio.errors import DeviceError, UsageError

VIRTUAL = "virtual"
"""The word for a new port that other programs connect to."""

_CLIENT = "rtaudio"
_QUEUE = 16384
"""Messages that may wait while Python does something else."""
_BATCH = 256
"""Most messages that are taken together: of each knob only the last value counts."""
_POLL_S, _STOP_S = 0.001, 0.1
_SEQUENCER = Path("/dev/snd/seq")

Direction = Literal["in", "out"]
Take = Callable[[list[bytes]], None]


class Port(NamedTuple):
    """A port: the number of its interface, and its name."""

    api: int
    name: str


def _rtmidi() -> Any:
    """Return python-rtmidi, or say how to get it."""
    try:
        import rtmidi
    except ImportError:
        raise UsageError(
            "MIDI needs python-rtmidi, which is not installed; pip install 'rtaudio[midi]'"
        ) from None
    return rtmidi


class Ports:
    """All ports of this machine.

    Raises
    ------
    UsageError
        python-rtmidi is not installed.
    """

    def __init__(self) -> None:
        self._rtmidi = _rtmidi()
        self._probes: dict[tuple[int, Direction], Any] = {}

    def _apis(self) -> list[int]:
        known = self._rtmidi.get_compiled_api()
        alsa = self._rtmidi.API_LINUX_ALSA
        return [api for api in known if api != alsa or _SEQUENCER.exists()]

    def _open(self, api: int, direction: Direction) -> Any:
        """Return an object of python-rtmidi without a port, or None: this interface is absent."""
        with _quiet(), suppress(self._rtmidi.RtMidiError):
            if direction == "out":
                return self._rtmidi.MidiOut(api, name=_CLIENT)
            return self._rtmidi.MidiIn(api, name=_CLIENT, queue_size_limit=_QUEUE)
        return None

    def names(self, direction: Direction) -> list[Port]:
        """Return the ports that can be read (``"in"``) or written (``"out"``) now."""
        found = []
        for api in self._apis():
            if (api, direction) not in self._probes:
                self._probes[api, direction] = self._open(api, direction)
            probe = self._probes[api, direction]
            if probe is None:  # an interface whose server is not there is not asked again
                continue
            with suppress(self._rtmidi.RtMidiError, UnicodeDecodeError):
                found += [Port(api, name) for name in probe.get_ports() if not _own(name)]
        return found

    def find(self, part: str, direction: Direction) -> Port | None:
        """Return the port with a part of a name; None: there is none.

        Parameters
        ----------
        part
            A part of the name, in small letters or capitals; or the whole name.
        direction
            ``"in"`` or ``"out"``.

        Raises
        ------
        DeviceError
            Several ports have it.
        """
        ports = self.names(direction)
        fitting = [port for port in ports if part.lower() in port.name.lower()]
        fitting = [port for port in fitting if port.api == fitting[0].api]
        exact = [port for port in fitting if port.name.lower() == part.lower()]
        if len(fitting) > 1 and len(exact) != 1:
            names = ", ".join(repr(port.name) for port in fitting)
            raise DeviceError(f"{part!r} is a part of {names}; give more of the name")
        return next(iter(exact or fitting), None)

    def read(self, port: Port | None, take: Take) -> Input:
        """Open a port to read from.

        Parameters
        ----------
        port
            The port; None: a new virtual one.
        take
            Called with the bytes of the messages that have come, in a thread of its own.

        Raises
        ------
        DeviceError
            It cannot be opened.
        """
        device = self._device(port, "in")
        device.ignore_types(sysex=True, timing=False, active_sense=True)
        # In JACK a callback would run in the thread of the sound server, and could delay it.
        return Input(device, take, polled=device.get_current_api() == self._rtmidi.API_UNIX_JACK)

    def write(self, port: Port | None) -> Any:
        """Open a port to write to: an object with ``send_message(bytes)``.

        Parameters
        ----------
        port
            The port; None: a new virtual one.

        Raises
        ------
        DeviceError
            It cannot be opened.
        """
        return self._device(port, "out")

    def _device(self, port: Port | None, direction: Direction) -> Any:
        apis = self._apis() if port is None else [port.api]
        device = next((d for api in apis if (d := self._open(api, direction)) is not None), None)
        name = VIRTUAL if port is None else port.name
        if device is None:
            raise DeviceError(f"MIDI port {name!r}: this machine has no MIDI; is its server up?")
        try:
            with _quiet():
                if port is None:
                    device.open_virtual_port(direction)
                else:
                    device.open_port(device.get_ports().index(port.name), direction)
        except (self._rtmidi.RtMidiError, ValueError, NotImplementedError) as error:
            device.delete()
            raise DeviceError(f"MIDI port {name!r} cannot be opened: {error}") from None
        return device

    def close(self) -> None:
        """Let the interfaces go."""
        for probe in filter(None, self._probes.values()):
            probe.delete()
        self._probes.clear()


class Input:
    """An open port that is read.

    Parameters
    ----------
    device
        The open object of python-rtmidi.
    take
        Called with the bytes of the messages that have come since the last call, in a thread of
        its own.
    polled
        Ask for messages, instead of being called by the interface.
    """

    def __init__(self, device: Any, take: Take, polled: bool) -> None:
        self._device, self._take, self._polled = device, take, polled
        self._stopped = threading.Event()
        self._arrived: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        if not polled:
            device.set_callback(lambda message, _: self._arrived.put(bytes(message[0])))
        target = self._poll if polled else self._wait
        self._thread = threading.Thread(target=target, name="midi", daemon=True)
        self._thread.start()

    def _poll(self) -> None:
        get = self._device.get_message
        while not self._stopped.is_set():
            batch = []
            while len(batch) < _BATCH and (message := get()) is not None:
                batch.append(bytes(message[0]))
            if batch:
                self._take(batch)
            else:
                time.sleep(_POLL_S)

    def _wait(self) -> None:
        arrived = self._arrived
        while not self._stopped.is_set():
            with suppress(queue.Empty):
                batch = [arrived.get(timeout=_STOP_S)]
                with suppress(queue.Empty):
                    while len(batch) < _BATCH:
                        batch.append(arrived.get_nowait())
                self._take(batch)

    def close(self) -> None:
        """Close the port; nothing is taken afterwards."""
        self._stopped.set()
        if not self._polled:
            self._device.cancel_callback()
        self._thread.join()
        self._device.delete()


def _own(name: str) -> bool:
    return name.partition(":")[0].lower().startswith(_CLIENT)


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide what the libraries of the system print on stderr while they look for a server."""
    if sys.platform != "linux":
        yield
        return
    sys.stderr.flush()
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)
