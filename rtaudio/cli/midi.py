"""``rtaudio midi``: the MIDI ports of this machine, and what arrives at them."""

from __future__ import annotations

import contextlib
import queue
import time
from typing import TYPE_CHECKING, Annotated

import typer

from rtaudio.cli.run import ended_by_signals
from rtaudio.errors import DeviceError
from rtaudio.view import terminal

if TYPE_CHECKING:
    from rtaudio.control.midi.ports import Ports

_POLL_S = 0.05


def midi(
    port: Annotated[
        str | None,
        typer.Argument(help="Show what arrives at this port: a part of its name, or `virtual`."),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.0, help="For so long (default: until Ctrl-C).")
    ] = None,
    json: terminal.Json = False,
) -> None:
    """List MIDI ports; with a port, show in words what arrives there.

    `rtaudio run crunch --midi PORT` plays with it.
    """
    from rtaudio.control.midi.ports import Ports

    ports = Ports()
    if port is not None:
        _watch(ports, port, seconds, json)
        return
    ways = {"in": ports.names("in"), "out": ports.names("out")}
    ports.close()
    if json:
        terminal.print_json({way: [each.name for each in found] for way, found in ways.items()})
        return
    rows = [(each.name, way) for way, found in ways.items() for each in found]
    if not rows:
        raise DeviceError(
            "no MIDI port is there; connect a controller, or play with --midi virtual"
        )
    terminal.print_table("MIDI ports", ["port", "way"], rows, text=True)


def _watch(ports: Ports, word: str, seconds: float | None, json: bool) -> None:
    """Print messages as they arrive."""
    from rtaudio.control.midi.parser import MidiParser
    from rtaudio.control.midi.ports import VIRTUAL

    port = None if word == VIRTUAL else ports.find(word, "in")
    if port is None and word != VIRTUAL:
        names = ", ".join(repr(each.name) for each in ports.names("in")) or "none"
        raise DeviceError(f"no MIDI port has {word!r} in its name; there are: {names}")
    arrived: queue.SimpleQueue[list[bytes]] = queue.SimpleQueue()
    parser, begin = MidiParser(), time.monotonic()
    source = ports.read(port, arrived.put)
    terminal.remark(f"reading {port.name if port else 'a virtual port'}; Ctrl-C stops")
    with ended_by_signals(), contextlib.suppress(KeyboardInterrupt):
        while seconds is None or time.monotonic() - begin < seconds:
            with contextlib.suppress(queue.Empty):
                for message in parser.feed(b"".join(arrived.get(timeout=_POLL_S))):
                    if json:
                        terminal.print_json(message._asdict())
                    elif message.kind != "clock":
                        print(f"{time.monotonic() - begin:9.3f}  {message.words}", flush=True)
    source.close()
    ports.close()
    if parser.unknown or parser.damaged:
        terminal.remark(f"{parser.unknown} unknown and {parser.damaged} damaged messages")
