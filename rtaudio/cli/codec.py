"""``rtaudio codec``: speech over a network at a few kbit/s, while it is spoken."""

from __future__ import annotations

import contextlib
import socket
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rtaudio.cli.run import Block, parse_device, read_source
from rtaudio.control.keyboard import pressed_keys
from rtaudio.errors import DeviceError, UsageError
from rtaudio.view import terminal

if TYPE_CHECKING:
    from rich.console import Group

    from rtaudio.codec.model import CodecModel
    from rtaudio.effects.base import Effect
    from rtaudio.live.incoming import Incoming
    from rtaudio.live.outgoing import Address, Outgoing

codec = typer.Typer(no_args_is_help=True, help="Speech over a network, at a few kbit/s.")

To = Annotated[str, typer.Option("--to", metavar="HOST:PORT", help="Who is to hear it.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="UDP port to listen at; 0: a free one.")]
Bind = Annotated[
    str,
    typer.Option(
        help="Address to listen at: 127.0.0.1 hears this machine only, 0.0.0.0 every network."
    ),
]
From = Annotated[
    str | None, typer.Option("--from", help="The only host to listen to (default: the first).")
]
Bitrate = Annotated[float, typer.Option(help="Bitrate of the codes in kbit/s.")]
Device = Annotated[
    str, typer.Option(help="Name, part of a name or index of a device; `clock` needs no hardware.")
]
OutDevice = Annotated[
    str | None, typer.Option(help="Device to play on; --device is then the microphone only.")
]
ModelFile = Annotated[
    str, typer.Option("--model", help="A shipped codec, or one of the two files of another.")
]
Before = Annotated[
    str | None, typer.Option("--preset", help="A preset before the encoder, such as denoise.")
]
Frames = Annotated[
    int, typer.Option("--frames", min=1, max=16, help="Frames of 20 ms in a packet.")
]
Redundancy = Annotated[
    int,
    typer.Option(
        min=0, max=4, help="Send a coarse copy again, N packets later: repairs N lost in a row."
    ),
]
NoPauses = Annotated[bool, typer.Option("--no-pauses", help="Send pauses like speech.")]
Seconds = Annotated[float | None, typer.Option(min=0.0, help="Duration (default: until Ctrl-C).")]
Source = Annotated[
    Path | None, typer.Option("--in", help="Send this file in place of the microphone.")
]
Record = Annotated[Path | None, typer.Option("--out", help="Also write what is heard to a file.")]

COPY_BOOKS = 6
"""Of the copies: 3 kbit/s of the shipped voice codec."""

_KEYS_S, _VIEW_S = 0.02, 0.2
_KEYS_HELP = "↑ ↓ bitrate   m mute   q quit   Ctrl-C stops"


@codec.command(epilog="Example: `rtaudio codec send --to 192.168.1.7:5004 --bitrate 6`")
def send(
    to: To,
    device: Device = "default",
    bitrate: Bitrate = 6.0,
    model: ModelFile = "codec-voice",
    preset: Before = None,
    frames: Frames = 1,
    redundancy: Redundancy = 0,
    no_pauses: NoPauses = False,
    source: Source = None,
    block: Block = 128,
    seconds: Seconds = None,
    json: terminal.Json = False,
) -> None:
    """Send what is spoken: microphone, encoder, RTP packets.

    Keys: the arrows up and down change the bitrate, m mutes, q quits.
    """
    terminal.explain_first_start()
    from rtaudio.live.outgoing import Outgoing

    chosen = _read_codec(model)
    outgoing = Outgoing(
        chosen,
        _address(to),
        effect=_effect(preset),
        bitrate_kbps=bitrate,
        frames_per_packet=frames,
        copy_books=COPY_BOOKS if redundancy else 0,
        packets_back=max(1, redundancy),
        pauses=not no_pauses,
        device=parse_device(device),
        block=block,
        source=None if source is None else read_source(source, chosen.rate_hz)[0],
    )
    _talk(chosen, outgoing, None, seconds, json)


@codec.command(epilog="Example: `rtaudio codec receive --port 5004 --bind 0.0.0.0`")
def receive(
    port: Port = 5004,
    bind: Bind = "127.0.0.1",
    sender: From = None,
    device: Device = "default",
    model: ModelFile = "codec-voice",
    record: Record = None,
    block: Block = 128,
    seconds: Seconds = None,
    json: terminal.Json = False,
) -> None:
    """Play what arrives: RTP packets, jitter buffer, decoder, loudspeaker.

    Keys: m mutes, q quits.
    """
    terminal.explain_first_start()
    from rtaudio.live.incoming import Incoming

    chosen = _read_codec(model)
    incoming = Incoming(
        chosen,
        port,
        bind=bind,
        sender=None if sender is None else _address(f"{sender}:0")[0],
        device=parse_device(device),
        block=block,
        record=record,
    )
    _talk(chosen, None, incoming, seconds, json)


@codec.command(epilog="Example: `rtaudio codec talk --to 192.168.1.7:5004 --bind 0.0.0.0`")
def talk(
    to: To,
    port: Port = 5004,
    bind: Bind = "127.0.0.1",
    device: Device = "default",
    out_device: OutDevice = None,
    bitrate: Bitrate = 6.0,
    model: ModelFile = "codec-voice",
    preset: Before = None,
    frames: Frames = 1,
    redundancy: Redundancy = 0,
    no_pauses: NoPauses = False,
    source: Source = None,
    record: Record = None,
    block: Block = 128,
    seconds: Seconds = None,
    json: terminal.Json = False,
) -> None:
    """Send and receive at once, from one port; both sides run it with the other's address.

    Keys: the arrows up and down change the bitrate, m mutes the microphone, q quits.
    """
    terminal.explain_first_start()
    from rtaudio.live.incoming import Incoming
    from rtaudio.live.outgoing import Outgoing

    chosen = _read_codec(model)
    address = _address(to)
    incoming = Incoming(
        chosen,
        port,
        bind=bind,
        sender=address[0],
        device=parse_device(out_device or device),
        block=block,
        record=record,
    )
    outgoing = Outgoing(
        chosen,
        address,
        effect=_effect(preset),
        bitrate_kbps=bitrate,
        frames_per_packet=frames,
        copy_books=COPY_BOOKS if redundancy else 0,
        packets_back=max(1, redundancy),
        pauses=not no_pauses,
        sock=incoming.socket,
        device=parse_device(device),
        block=block,
        source=None if source is None else read_source(source, chosen.rate_hz)[0],
    )
    _talk(chosen, outgoing, incoming, seconds, json)


def _read_codec(name: str) -> CodecModel:
    from rtaudio.codec.find import find_codec

    return find_codec(name)


def _effect(preset: str | None) -> Effect | None:
    from rtaudio.preset.load import load_preset

    return None if preset is None else load_preset(preset)


def _address(text: str) -> Address:
    """Return host and port of ``HOST:PORT``; the host as a number."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"--to {text}: give host and port, such as 192.168.1.7:5004")
    try:
        return str(socket.gethostbyname(host)), int(port)
    except OSError:
        raise UsageError(f"{host}: no such host; check the name and the network") from None


def _talk(
    chosen: CodecModel,
    outgoing: Outgoing | None,
    incoming: Incoming | None,
    seconds: float | None,
    json: bool,
) -> None:
    """Run one or both directions until the end, and report."""
    from rtaudio.cli.run import ended_by_signals

    figures: dict[str, Any] = {}
    with ended_by_signals(), contextlib.ExitStack() as stack:
        for side in (outgoing, incoming):  # a record begins when nothing can fail any more
            if side is not None:
                stack.enter_context(side)
        with contextlib.suppress(KeyboardInterrupt):
            _watch(chosen, outgoing, incoming, seconds, live=not json)
        lost = [s.host.error for s in (outgoing, incoming) if s is not None and s.host.error]
        figures = _figures(chosen, outgoing, incoming)
    if json:
        terminal.print_json(figures)
    else:
        _print(figures)
    if lost:
        raise DeviceError(lost[0])


def _watch(
    chosen: CodecModel,
    outgoing: Outgoing | None,
    incoming: Incoming | None,
    seconds: float | None,
    live: bool,
) -> None:
    """Wait for the end; meanwhile obey the keys and draw the panel."""
    sides = [side for side in (outgoing, incoming) if side is not None]
    end_s = None if seconds is None else time.monotonic() + seconds
    with contextlib.ExitStack() as stack:
        read_keys = stack.enter_context(pressed_keys()) if live else None
        screen = terminal.make_console(stderr=True)
        view = None
        if live and screen.is_terminal:
            from rich.live import Live

            view = stack.enter_context(Live(console=screen, transient=True))
        next_view_s = 0.0
        while all(side.running for side in sides):
            now_s = time.monotonic()
            if end_s is not None and now_s >= end_s:
                return
            for key in read_keys() if read_keys else ():
                if key == "q":
                    return
                _press(key, chosen, outgoing, incoming)
            if view and now_s >= next_view_s:
                view.update(_panel(chosen, outgoing, incoming))
                next_view_s = now_s + _VIEW_S
            time.sleep(_KEYS_S)


def _press(
    key: str, chosen: CodecModel, outgoing: Outgoing | None, incoming: Incoming | None
) -> None:
    """Act on a key: mute, or change the bitrate by one book."""
    if key == "m":
        side = outgoing or incoming
        if side is not None:
            side.host.muted = not side.host.muted
    elif key in ("up", "+", "down", "-") and outgoing is not None:
        books = chosen.books_for(outgoing.bitrate_kbps) + (1 if key in ("up", "+") else -1)
        if chosen.least_books <= books <= chosen.books:
            outgoing.bitrate_kbps = chosen.kbps(books)


def _panel(chosen: CodecModel, outgoing: Outgoing | None, incoming: Incoming | None) -> Group:
    """Return a picture of the present state."""
    from rich.console import Group

    from rtaudio.runtime.decibels import to_db

    lines = []
    if outgoing is not None:
        sent = outgoing.stats()
        level_db = to_db(max(sent.host.in_peak, default=0.0))
        muted = "   MUTED" if outgoing.host.muted else ""
        failed = f"   not sent {sent.failed} ({sent.failure})" if sent.failed else ""
        lines.append(
            f"out  {level_db:6.1f} dB   {outgoing.bitrate_kbps:.1f} kbit/s, on the line "
            f"{sent.line_kbps:.1f}   packets {sent.packets}   pauses {sent.pauses}{muted}{failed}"
        )
    if incoming is not None:
        got = incoming.stats()
        jitter = got.receiver.jitter
        level_db = to_db(max(got.host.out_peak, default=0.0))
        lines.append(
            f"in   {level_db:6.1f} dB   {chosen.kbps(got.books):.1f} kbit/s   "
            f"lost {jitter.lost}   late {jitter.late}   concealed {got.concealed_frames}"
        )
        lines.append(
            f"     jitter {jitter.jitter_ms:.1f} ms   buffer {jitter.delay_ms:.0f} ms   arrival to "
            f"ear {got.delay_ms:.0f} ms   drift {got.drift_ppm:+.0f} ppm"
        )
        foreign = got.receiver
        refused = foreign.malformed + foreign.foreign + foreign.stranger + foreign.model
        if refused:
            lines.append(f"     refused {refused} packets that were not of this call")
    return Group(*lines, _KEYS_HELP)


def _figures(
    chosen: CodecModel, outgoing: Outgoing | None, incoming: Incoming | None
) -> dict[str, Any]:
    """Return the figures of a call for its JSON object."""
    from rtaudio.cli.run_report import run_figures

    figures: dict[str, Any] = {"codec": chosen.name, "rate": chosen.rate_hz}
    for name, side in (("sent", outgoing), ("received", incoming)):
        if side is not None:
            stats = side.stats()
            own = {key: value for key, value in asdict(stats).items() if key != "host"}
            figures[name] = own | {"run": run_figures(side.host, stats.host)}
    return figures


def _print(figures: dict[str, Any]) -> None:
    """Print the tables of a call."""
    if "sent" in figures:
        sent = figures["sent"]
        terminal.print_table(
            f"sent by {figures['codec']}",
            ["frames", "pauses", "packets", "kbit/s", "on the line", "not sent", "longest encode"],
            [(
                sent["frames"], sent["pauses"], sent["packets"], sent["payload_kbps"],
                sent["line_kbps"], sent["failed"], f"{sent['encode_ms']:.1f} ms",
            )],
        )  # fmt: skip
    if "received" in figures:
        got = figures["received"]
        jitter = got["receiver"].jitter
        terminal.print_table(
            "received",
            ["frames", "concealed", "lost", "late", "copies used", "jitter", "buffer",
             "arrival to ear"],
            [(
                got["frames"], got["concealed_frames"], jitter.lost, jitter.late, jitter.recovered,
                *(f"{ms:.0f} ms" for ms in (jitter.jitter_ms, jitter.delay_ms, got["delay_ms"])),
            )],
        )  # fmt: skip
        foreign = got["receiver"]
        for reason in ("malformed", "foreign", "stranger", "model"):
            if count := getattr(foreign, reason):
                terminal.remark(f"{count} packets were refused: {reason}")
