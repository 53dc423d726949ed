"""``rtaudio run``: play a preset live."""

from __future__ import annotations

import contextlib
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rtaudio.cli import show

if TYPE_CHECKING:
    from rtaudio.host import Host, Stats

Preset = Annotated[str, typer.Argument(help="A preset file, or the name of a shipped preset.")]
Device = Annotated[
    str,
    typer.Option(help="Name, part of the name or number of a device; `clock` needs no hardware."),
]
Rate = Annotated[int, typer.Option(min=8000, max=384000, help="Sample rate in hertz.")]
Block = Annotated[int, typer.Option(min=1, max=8192, help="Frames per block.")]


def run(
    preset: Preset,
    device: Device = "default",
    source: Annotated[
        Path | None, typer.Option("--in", help="Play this file in place of the device's input.")
    ] = None,
    record: Annotated[
        Path | None, typer.Option("--out", help="Write the output to this file, too.")
    ] = None,
    rate: Rate = 48000,
    block: Block = 64,
    seconds: Annotated[
        float | None, typer.Option(min=0.0, help="How long; else to the end of --in, or Ctrl-C.")
    ] = None,
    in_channels: Annotated[
        str | None, typer.Option(help="Input channels of the device, such as 1 or 1,2.")
    ] = None,
    out_channels: Annotated[
        str | None, typer.Option(help="Output channels of the device, such as 1,2.")
    ] = None,
    json: show.Json = False,
) -> None:
    """Play a preset live: device in, chain, device out."""
    show.first_start()
    from rtaudio.host import Host
    from rtaudio.preset import load_preset

    audio = None
    if source is not None:
        from rtaudio.audio_file import AudioFileError, read_audio

        if record is not None and record.resolve() == source.resolve():
            raise AudioFileError(f"{record}: is the file that is read; choose another name")
        audio, file_rate = read_audio(source)
        if file_rate != rate:
            raise AudioFileError(f"{source}: is at {file_rate} Hz; add --rate {file_rate}")
    host = Host(
        load_preset(preset),
        int(device) if device.isdigit() else device,
        rate,
        block,
        in_channels=_channels("--in-channels", in_channels),
        out_channels=_channels("--out-channels", out_channels),
        source=audio,
        record=record,
    )
    stats = play(host, seconds, live=not json)
    if json:
        show.print_json(show.run_figures(host, stats))
    else:
        show.run_tables(host, stats)
    if host.error:
        raise ValueError(host.error)


def _channels(option: str, text: str | None) -> list[int] | None:
    if text is None:
        return None
    numbers = text.split(",")
    if not all(n.strip().isdigit() and int(n) > 0 for n in numbers):
        raise ValueError(f"{option} {text}: give channel numbers from 1, such as 1,2")
    return [int(n) for n in numbers]


def play(host: Host, seconds: float | None, live: bool) -> Stats:
    """Run a host for ``seconds``, to the end of its source or to Ctrl-C; show it meanwhile.

    Returns
    -------
    Stats
        Those of the whole run, without the fade-out.
    """

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    ends = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    former = {end: signal.signal(end, interrupt) for end in ends}
    try:
        with host:
            with contextlib.suppress(KeyboardInterrupt):
                _watch(host, seconds, live)
            return host.stats()
    finally:
        for end, handler in former.items():
            signal.signal(end, handler)


def _watch(host: Host, seconds: float | None, live: bool) -> None:
    screen = show.console(stderr=True)
    if not (live and screen.is_terminal):
        host.wait(seconds)
        return
    from rich.live import Live

    end = None if seconds is None else time.monotonic() + seconds
    with Live(console=screen, refresh_per_second=12, transient=True) as view:
        while not host.finished and (end is None or time.monotonic() < end):
            view.update(_panel(host, seconds))
            left = 0.08 if end is None else end - time.monotonic()
            host.wait(max(0.0, min(0.08, left)))


def _panel(host: Host, seconds: float | None) -> Any:
    """Draw levels, load and misses."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    stats = host.stats()
    grid = Table.grid(padding=(0, 1))
    for side, peaks in (("in", stats.in_peak), ("out", stats.out_peak)):
        for number, peak in enumerate(peaks, 1):
            level = show.decibels(peak)
            width = round(max(0.0, min(1.0, (level + 60.0) / 60.0)) * 40)
            colour = "red" if level > -0.1 else "yellow" if level > -12.0 else "green"
            bar = Text("█" * width, colour) + Text("·" * (40 - width), "dim")
            grid.add_row(f"{side} {number}", bar, f"{level:6.1f} dB")
    length = "" if seconds is None else f" / {seconds:.0f}"
    return Group(
        grid,
        f"{stats.seconds:.0f}{length} s   load {100 * stats.load:.1f} %   "
        f"missed {stats.missed}   faults {sum(stats.faults.values())}   Ctrl-C stops",
    )
