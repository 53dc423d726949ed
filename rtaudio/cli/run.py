"""``rtaudio run``: play a preset live."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rtaudio.cli.run_report import run_figures, run_tables
from rtaudio.control.controls import Controls
from rtaudio.control.keyboard import pressed_keys
from rtaudio.errors import DeviceError, UsageError
from rtaudio.view import terminal as show

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    from rtaudio.live.host import Host
    from rtaudio.live.stats import Stats

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
_KEYS_S, _VIEW_S = 0.02, 0.08

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
    out_device: Annotated[
        str | None, typer.Option(help="Play on this device; --device is the microphone then.")
    ] = None,
    muted: Annotated[
        bool, typer.Option("--muted", help="Begin muted: hold the space bar to talk.")
    ] = False,
    in_channels: Annotated[
        str | None, typer.Option(help="Input channels of the device, such as 1 or 1,2.")
    ] = None,
    out_channels: Annotated[
        str | None, typer.Option(help="Output channels of the device, such as 1,2.")
    ] = None,
    json: show.Json = False,
) -> None:
    """Play a preset live: device in, chain, device out.

    Keys: b compares with what comes in, m mutes, the space bar talks while muted, arrows choose
    and change a parameter, q quits.
    """
    show.first_start()
    from rtaudio.live.host import Host
    from rtaudio.preset.load import load_preset

    audio = None if source is None else read_source(source, rate)
    if source is not None and record is not None and record.resolve() == source.resolve():
        raise UsageError(f"{record}: is the file that is read; choose another name")
    if muted and (json or not sys.stdin.isatty()):
        raise UsageError("--muted: only the keys of a terminal can unmute; leave it out")
    host = Host(
        load_preset(preset, cabinet=cabinet),
        device_of(device),
        rate,
        block,
        out_device=None if out_device is None else device_of(out_device),
        in_channels=_channels("--in-channels", in_channels),
        out_channels=_channels("--out-channels", out_channels),
        source=audio,
        record=record,
    )
    host.muted = muted
    stats = play(host, seconds, live=not json)
    if json:
        show.print_json(run_figures(host, stats))
    else:
        run_tables(host, stats)
    if host.error:
        raise DeviceError(host.error)


def device_of(text: str) -> str | int:
    """Return what ``--device`` means: the number of a device, or a part of its name."""
    return int(text) if text.isdigit() else text


def read_source(file: Path, rate: int) -> Any:
    """Read what is played in place of the device's input."""
    from rtaudio.audio.reader import read_audio
    from rtaudio.errors import AudioFileError

    audio, file_rate = read_audio(file)
    if file_rate != rate:
        raise AudioFileError(f"{file}: is at {file_rate} Hz; add --rate {file_rate}")
    return audio


def _channels(option: str, text: str | None) -> list[int] | None:
    if text is None:
        return None
    numbers = text.split(",")
    if not all(n.strip().isdigit() and int(n) > 0 for n in numbers):
        raise UsageError(f"{option} {text}: give channel numbers from 1, such as 1,2")
    return [int(n) for n in numbers]


def play(host: Host, seconds: float | None, live: bool) -> Stats:
    """Run a host for ``seconds``, to the end of its source, to the key q or to Ctrl-C.

    Meanwhile, if ``live``, show it and obey the keys of the terminal.

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

    names = ("SIGTERM", "SIGHUP", "SIGQUIT")
    ends = [getattr(signal, name) for name in names if hasattr(signal, name)]
    former = {end: signal.signal(end, interrupt) for end in ends}
    try:
        yield
    finally:
        for end, handler in former.items():
            signal.signal(end, handler)


def _watch(host: Host, seconds: float | None, live: bool) -> None:
    with contextlib.ExitStack() as stack:
        keys = stack.enter_context(pressed_keys()) if live else None
        screen = show.console(stderr=True)
        shown = live and screen.is_terminal
        if not (shown or keys):
            host.wait(seconds)
            return
        controls = Controls(host) if keys else None
        panel = _Panel(host, seconds, controls)
        view = stack.enter_context(panel.view(screen)) if shown else None
        end = None if seconds is None else time.monotonic() + seconds
        next_view = 0.0
        while not host.finished and (end is None or time.monotonic() < end):
            now = time.monotonic()
            if controls and keys:
                for key in keys():
                    controls.press(key, now)
                controls.tick(now)
                if controls.quit:
                    return
            if view and now >= next_view:
                view.update(panel.draw())
                next_view = now + _VIEW_S
            host.wait(_KEYS_S if end is None else max(0.0, min(_KEYS_S, end - now)))


class _Panel:
    """Draws levels, clipping, latency, load and misses, and what the keys have set."""

    def __init__(self, host: Host, seconds: float | None, controls: Controls | None) -> None:
        self._host, self._seconds, self._controls = host, seconds, controls
        self._clipped: tuple[int, ...] = ()
        self._red_until = [0.0] * 8

    def view(self, screen: Console) -> Live:
        """Return what shows it, still closed."""
        from rich.live import Live

        return Live(console=screen, refresh_per_second=12, transient=True)

    def draw(self) -> Group:
        """Return the present state."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        host, stats = self._host, self._host.stats()
        grid = Table.grid(padding=(0, 1))
        for side, peaks in (("in", stats.in_peak), ("out", stats.out_peak)):
            for number, peak in enumerate(peaks):
                level = show.decibels(peak)
                width = round(max(0.0, min(1.0, (level + 60.0) / 60.0)) * 40)
                colour = "red" if level > -0.1 else "yellow" if level > -12.0 else "green"
                bar = Text("█" * width, colour) + Text("·" * (40 - width), "dim")
                clip = self._clip(number, stats) if side == "in" else ""
                grid.add_row(f"{side} {number + 1}", bar, f"{level:6.1f} dB", clip)
        self._clipped = stats.clipped
        tuning = None if self._controls and self._controls.of_voice else host.tuning()
        note = f"{tuning.note} {tuning.cents:+.0f} cents   " if tuning else ""
        length = "" if self._seconds is None else f" / {self._seconds:.0f}"
        late_ms = 1000 * stats.latency_samples / host.rate_hz + sum(stats.device_latency_ms)
        lines = [
            f"{note}{stats.seconds:.0f}{length} s   latency {late_ms:.1f} ms   "
            f"load {100 * stats.load:.1f} %   missed {stats.missed}   "
            f"faults {sum(stats.faults.values())}"
        ]
        if self._controls:
            lines += [self._controls.text(), f"{self._controls.help}   Ctrl-C stops"]
        else:
            lines[0] += "   Ctrl-C stops"
        return Group(grid, *lines)

    def _clip(self, channel: int, stats: Stats) -> Text:
        """Return a mark that is red for a second after the input has reached full scale."""
        from rich.text import Text

        count, now = stats.clipped[channel], time.monotonic()
        if count > (self._clipped[channel] if self._clipped else 0):
            self._red_until[channel] = now + 1.0
        style = "bold white on red" if now < self._red_until[channel] else "red"
        return Text(f"CLIP {count}" if count else "", style)
