"""``rtaudio codec``: speech over a network at a few kbit/s, while it is spoken."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rtaudio.cli.call import Call, read_voice
from rtaudio.cli.codec_demo import demo
from rtaudio.cli.run import Block, parse_device
from rtaudio.errors import UsageError
from rtaudio.view import terminal

if TYPE_CHECKING:
    from rtaudio.codec.model import CodecModel
    from rtaudio.effects.base import Effect
    from rtaudio.live.outgoing import Address

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

codec.command(epilog="Example: `rtaudio codec demo speech.wav --bitrate 6 --loss 5`")(demo)


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
    terminal.say_loading("the codec")
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
        source=None if source is None else read_voice(source, chosen.rate_hz),
    )
    Call(chosen, outgoing, None).run(seconds, json)


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
    terminal.say_loading("the codec")
    from rtaudio.live.incoming import Incoming

    chosen = _read_codec(model)
    incoming = Incoming(
        chosen,
        port,
        bind=bind,
        sender=None if sender is None else _address(f"{sender}:1")[0],
        device=parse_device(device),
        block=block,
        record=record,
    )
    Call(chosen, None, incoming).run(seconds, json)


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
    terminal.say_loading("the codec")
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
        source=None if source is None else read_voice(source, chosen.rate_hz),
    )
    Call(chosen, outgoing, incoming).run(seconds, json)


def _read_codec(name: str) -> CodecModel:
    from rtaudio.codec.find import find_codec

    return find_codec(name)


def _effect(preset: str | None) -> Effect | None:
    from rtaudio.preset.load import load_preset

    return None if preset is None else load_preset(preset)


def _address(text: str) -> Address:
    """Return host and port of ``HOST:PORT``; the host as a number."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise UsageError(f"--to {text}: give host and port, such as 192.168.1.7:5004")
    try:
        return str(socket.gethostbyname(host)), int(port)
    except OSError:
        raise UsageError(f"{host}: no such host; check the name and the network") from None
