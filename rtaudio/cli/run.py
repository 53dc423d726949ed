"""``rtaudio run``: play a preset live."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rtaudio.cli import show

if TYPE_CHECKING:
    from rtaudio.host import Host, Stats

Preset = Annotated[
    str, typer.Argument(help="A preset file, a model file (or its folder), or a shipped preset.")
]
Device = Annotated[
    str,
    typer.Option(help="Name, part of the name or number of a device; `clock` needs no hardware."),
]
Cabinet = Annotated[
    str | None,
    typer.Option(
        metavar="WAV|NAME", help="Behind a model file: the loudspeaker, such as british-4x12."
    ),
]
Rate = Annotated[int, typer.Option(min=8000, max=384000, help="Sample rate in hertz.")]
Block = Annotated[int, typer.Option(min=1, max=8192, help="Frames per block.")]


def run(
    preset: Preset,
    device: Device = "default",
    cabinet: Cabinet = None,
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

    audio = None if source is None else read_source(source, rate)
    if source is not None and record is not None and record.resolve() == source.resolve():
        raise ValueError(f"{record}: is the file that is read; choose another name")
    host = Host(
        load_preset(preset, cabinet=cabinet),
        device_of(device),
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


def device_of(text: str) -> str | int:
    """Return what ``--device`` means: the number of a device, or a part of its name."""
    return int(text) if text.isdigit() else text


def read_source(file: Path, rate: int) -> Any:
    """Read what is played in place of the device's input."""
    from rtaudio.audio_file import AudioFileError, read_audio

    audio, file_rate = read_audio(file)
    if file_rate != rate:
        raise AudioFileError(f"{file}: is at {file_rate} Hz; add --rate {file_rate}")
    return audio


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
    with ended_by_signals(), host:
        with contextlib.suppress(KeyboardInterrupt):
            _watch(host, seconds, live)
        return host.stats()


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Make the signals that end a process, or close its terminal, act as Ctrl-C meanwhile."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    ends = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    former = {end: signal.signal(end, interrupt) for end in ends}
    try:
        yield
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
    tuning = host.tuning()
    note = f"{tuning.note} {tuning.cents:+.0f} cents   " if tuning else ""
    length = "" if seconds is None else f" / {seconds:.0f}"
    return Group(
        grid,
        f"{note}{stats.seconds:.0f}{length} s   load {100 * stats.load:.1f} %   "
        f"missed {stats.missed}   faults {sum(stats.faults.values())}   Ctrl-C stops",
    )
