"""``rtaudio tune``: tune an instrument."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rtaudio.cli.run import Block, Device, Rate, ended_by_signals, parse_device, read_source
from rtaudio.errors import DeviceError
from rtaudio.view import terminal
from rtaudio.view.needle import Needle

if TYPE_CHECKING:
    from rtaudio.analysis.tuner import Tuning
    from rtaudio.live.host import Host

REFRESH_S = 0.04


def tune(
    device: Device = "default",
    a4: Annotated[
        float, typer.Option(min=400.0, max=480.0, help="Frequency of the note A4 in Hz.")
    ] = 440.0,
    listen: Annotated[
        bool, typer.Option("--listen", help="Play the instrument; otherwise it is muted.")
    ] = False,
    source: Annotated[
        Path | None, typer.Option("--in", help="Read this file in place of the device's input.")
    ] = None,
    rate_hz: Rate = None,
    block: Block = 256,
    seconds: Annotated[
        float | None,
        typer.Option(min=0.0, help="Duration (default: to the end of --in, or until Ctrl-C)."),
    ] = None,
    in_channel: Annotated[int, typer.Option(min=1, help="Input channel of the instrument.")] = 1,
    json: terminal.Json = False,
) -> None:
    """Show the played note and how far it is off; the output is muted."""
    terminal.say_loading("the tuner")
    from rtaudio.effects.chain import Chain
    from rtaudio.effects.gain import Gain
    from rtaudio.live.host import Host

    audio = None
    if source is not None:
        audio, rate_hz = read_source(source, rate_hz)
    # Twice -80 dB, the least of one Gain, is below the resolution of any converter.
    muted = [] if listen else [Gain(gain_db=-80.0), Gain(gain_db=-80.0)]
    host = Host(
        Chain(muted),
        parse_device(device),
        rate_hz,
        block,
        in_channels=[in_channel],
        source=audio,
    )
    if host.remark:
        terminal.remark(host.remark)
    needle = Needle()
    with ended_by_signals(), host, contextlib.suppress(KeyboardInterrupt):
        _watch(host, needle, a4, seconds, live=not json)
    if json:
        terminal.print_json({"a4_hz": a4, "tuning": needle.tuning})
    elif needle.tuning:
        print(_describe(needle.tuning))
    else:
        terminal.remark(
            "no clear note was heard; is the instrument on this channel, and loud enough?"
        )
    if host.error:
        raise DeviceError(host.error)


def _watch(host: Host, needle: Needle, a4_hz: float, seconds: float | None, live: bool) -> None:
    """Read the tuning until the end of the run, and draw it on a terminal."""
    from rich.live import Live

    screen = terminal.make_console(stderr=True)
    end = None if seconds is None else time.monotonic() + seconds
    view: Any = contextlib.nullcontext()
    if live and screen.is_terminal:
        view = Live(console=screen, refresh_per_second=1 / REFRESH_S, transient=True)
    with view as picture:
        while not host.finished and (end is None or time.monotonic() < end):
            needle.read(host.tuning(a4_hz), REFRESH_S)
            if picture is not None:
                picture.update(needle.drawn("play one string; Ctrl-C stops"))
            host.wait(REFRESH_S)


def _describe(tuning: Tuning) -> str:
    return f"{tuning.note}  {tuning.cents:+.1f} cents  {tuning.hz:.2f} Hz"
