"""``rtaudio run``: play a preset live."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rtaudio.cli.run_report import print_run, run_figures
from rtaudio.cli.serving import obey_osc, show_page
from rtaudio.control.keyboard import pressed_keys
from rtaudio.errors import DeviceError, RtaudioError, UsageError
from rtaudio.runtime.limits import MAX_RATE_HZ, MIN_RATE_HZ
from rtaudio.view import terminal
from rtaudio.view.needle import Needle

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

    from rtaudio.control.controls import Controls
    from rtaudio.control.midi.midi_control import MidiControl
    from rtaudio.control.session import Session
    from rtaudio.effects.chain import Chain
    from rtaudio.live.host import Host
    from rtaudio.live.stats import Stats

Preset = Annotated[
    str,
    typer.Argument(
        help="A preset or a part of its name (see `rtaudio presets`), a preset file, a model "
        "file or folder, or a set list."
    ),
]
Device = Annotated[
    str,
    typer.Option(help="Name, part of a name or index of a device; `clock` needs no hardware."),
]
Cabinet = Annotated[
    str | None,
    typer.Option(
        metavar="WAV|NAME",
        help="For a model file: a cabinet after it, such as british-4x12 or a response of yours.",
    ),
]
Slim = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        max=1.0,
        help="For a .nam file of several sizes: 0 plays the smallest, 1 the whole (the default).",
    ),
]
Rate = Annotated[
    int | None,
    typer.Option(
        "--rate",
        min=MIN_RATE_HZ,
        max=MAX_RATE_HZ,
        help="Sample rate in hertz (default: that of the file to play, else the device's own).",
    ),
]
Block = Annotated[int, typer.Option(min=1, max=8192, help="Frames per block.")]

Port = Annotated[
    int, typer.Option(min=1, max=65535, help="Port of the page; the next free one if taken.")
]
Listen = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Show the page to the network, too, by a link with a token: 0.0.0.0 or an address of "
        "this machine.",
    ),
]
OscPort = Annotated[
    int | None,
    typer.Option("--osc", min=1, max=65535, help="Obey Open Sound Control on this UDP port."),
]

Midi = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PORT",
        help="A MIDI controller: a part of its port's name (see `rtaudio midi`), or `virtual` for "
        "a port that other programs connect to. May be given several times.",
    ),
]

_KEYS_S, _VIEW_S = 0.02, 0.08
"""Times between two looks at the keyboard, and between two pictures of the panel."""

_BAR = 40
"""Characters of a level bar, which shows -60 to 0 dBFS."""

_CLIP_S = 1.0
"""Time for which the mark of a clipped input is red."""


def run(
    preset: Preset,
    device: Device = "default",
    cabinet: Cabinet = None,
    slim: Slim = None,
    source: Annotated[
        Path | None, typer.Option("--in", help="Play this file in place of the device's input.")
    ] = None,
    record: Annotated[
        Path | None, typer.Option("--out", help="Also write the output to this file.")
    ] = None,
    rate_hz: Rate = None,
    block: Block = 64,
    seconds: Annotated[
        float | None,
        typer.Option(min=0.0, help="Duration (default: to the end of --in, or until Ctrl-C)."),
    ] = None,
    out_device: Annotated[
        str | None, typer.Option(help="Device to play on; --device is then the input only.")
    ] = None,
    muted: Annotated[
        bool, typer.Option("--muted", help="Start muted; hold the space bar to talk.")
    ] = False,
    in_channels: Annotated[
        str | None, typer.Option(help="Input channels of the device, such as 1 or 1,2.")
    ] = None,
    out_channels: Annotated[
        str | None, typer.Option(help="Output channels of the device, such as 1,2.")
    ] = None,
    midi: Midi = None,
    page: Annotated[
        bool, typer.Option("--page", help="Show knobs and meters in the browser.")
    ] = False,
    port: Port = 8080,
    listen: Listen = None,
    osc: OscPort = None,
    json: terminal.Json = False,
) -> None:
    """Play a preset live: device in, chain, device out.

    Keys: b bypasses the chain (with a denoiser: compares with the noisy input), m mutes, holding
    the space bar talks while muted, t mutes and shows a tuner, a changes between two settings, A
    and B, at one loudness, p lets the assistant hear ten seconds of the input and set a master
    by them, [ and ] step through the presets (of a file: those of its folder), u and
    U undo and redo, s saves what was dialled in as a new preset, the arrow keys choose and change a
    parameter, q quits. With --midi, l learns the control that turns this parameter.
    """
    terminal.say_loading(preset)
    from rtaudio.control.session import Session
    from rtaudio.control.set_list import SetList, find_playable
    from rtaudio.live.host import Host
    from rtaudio.preset.load import load_preset

    audio = None
    if source is not None:
        audio, rate_hz = read_source(source, rate_hz)
    if source is not None and record is not None and record.resolve() == source.resolve():
        raise UsageError(f"{record}: is the file that is read; choose another name")
    if muted and (json or not sys.stdin.isatty()):
        raise UsageError("--muted: only the keys of a terminal can unmute; remove this option")
    presets = SetList(find_playable(preset))
    devices = [parse_device(device), None if out_device is None else parse_device(out_device)]
    options: dict[str, Any] = {
        "in_channels": _parse_channels("--in-channels", in_channels),
        "out_channels": _parse_channels("--out-channels", out_channels),
        "source": audio,
        "reconnect": terminal.remark,
    }
    host = Host(
        load_preset(presets.path, cabinet=cabinet, slim=slim),
        devices[0] or 0,
        rate_hz,
        block,
        out_device=devices[1],
        record=record,
        **options,
    )
    host.muted = muted
    session = Session(host, presets, partial(_load, cabinet, slim))
    if session.said:
        terminal.remark(session.said)
    with contextlib.ExitStack() as stack:
        control = _connected(session, midi, stack) if midi else None
        if page or listen is not None:
            stack.enter_context(show_page(session, port, listen, *devices, **options))
        if osc is not None:
            stack.enter_context(obey_osc(session, osc))
        stats = play(host, seconds, live=not json, session=session)
    host = session.host
    if control and control.counts["damaged"]:
        terminal.remark(f"MIDI: {control.counts['damaged']} damaged messages were ignored")
    if json:
        terminal.print_json(run_figures(host, stats))
    else:
        print_run(host, stats)
    for path in session.saved:
        terminal.remark(f"saved: {path}")
    if host.error:
        raise DeviceError(host.error)


def _connected(session: Session, ports: list[str], stack: contextlib.ExitStack) -> MidiControl:
    """Return MIDI controllers that turn what plays, until the stack is left."""
    from rtaudio.control.midi.midi_control import MidiControl

    return stack.enter_context(MidiControl(session, ports, terminal.remark))


def _load(cabinet: str | None, slim: float | None, path: Path) -> Chain:
    """Read the next preset; a model file gets the cabinet and the size of the first."""
    from rtaudio.preset.load import is_model, load_preset

    return load_preset(path, cabinet=cabinet, slim=slim) if is_model(path) else load_preset(path)


def parse_device(text: str) -> str | int:
    """Return the value of ``--device``: the index of a device, or a part of its name."""
    return int(text) if text.isdigit() else text


def read_source(file: Path, rate_hz: int | None = None) -> tuple[Any, int]:
    """Read a file that is played in place of the device's input.

    Parameters
    ----------
    file
        The value of ``--in``.
    rate_hz
        Sample rate of the run, to which the file is resampled; None: that of the file.

    Returns
    -------
    audio, rate_hz
        float32 ``[channels, frames]``, and the sample rate of the run.

    Raises
    ------
    AudioFileError
        The file cannot be read.
    """
    from rtaudio.audio.reader import read_audio
    from rtaudio.audio.resampler import Resampler

    audio, file_hz = read_audio(file)
    if rate_hz is None or rate_hz == file_hz:
        return audio, file_hz
    return Resampler(file_hz, rate_hz).process(audio, last=True), rate_hz


def _parse_channels(option: str, text: str | None) -> list[int] | None:
    if text is None:
        return None
    numbers = text.split(",")
    if not all(n.strip().isdigit() and int(n) > 0 for n in numbers):
        raise UsageError(f"{option} {text}: give channel numbers from 1, such as 1,2")
    return [int(n) for n in numbers]


def play(host: Host, seconds: float | None, live: bool, session: Session | None = None) -> Stats:
    """Run a host until the time is over, its source ends, or the user presses q or Ctrl-C.

    Parameters
    ----------
    host
        A host, started or not; it is stopped afterwards.
    seconds
        Duration; None: no limit.
    live
        Show levels on the terminal, and obey its keys.
    session
        What the keys change; None: the host alone.

    Returns
    -------
    Stats
        The statistics of the run, without the fade-out.
    """
    # Before it plays: an interruption while a class is made would kill the process at its end.
    import rtaudio.control.controls  # noqa: F401

    if host.remark:
        terminal.remark(host.remark)
    with ended_by_signals(), host:
        with contextlib.suppress(KeyboardInterrupt):
            _watch(host, seconds, live, session)
        if session is not None and session.host is not host:  # it was moved to another device
            with session.host as host:
                return host.stats()
        return host.stats()


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """While the block runs, treat SIGTERM, SIGHUP and SIGQUIT like Ctrl-C."""

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


def _watch(host: Host, seconds: float | None, live: bool, session: Session | None) -> None:
    """Wait for the end of the run; meanwhile obey the keys and draw the panel."""
    from rtaudio.control.controls import Controls

    def playing() -> Host:
        return host if session is None else session.host

    with contextlib.ExitStack() as stack:
        read_keys = stack.enter_context(pressed_keys()) if live else None
        screen = terminal.make_console(stderr=True)
        shown = live and screen.is_terminal
        controls = Controls(session or host) if read_keys else None
        panel = _Panel(playing, seconds, controls)
        view = stack.enter_context(panel.view(screen)) if shown else None
        end = None if seconds is None else time.monotonic() + seconds
        next_view = 0.0
        while not playing().finished and (end is None or time.monotonic() < end):
            now = time.monotonic()
            if controls and read_keys:
                for key in read_keys():
                    controls.press(key, now)
                controls.tick(now)
                if controls.quit:
                    return
            left = _KEYS_S if end is None else max(0.0, min(_KEYS_S, end - now))
            if not playing().running:  # it moves to another device
                time.sleep(left)
                continue
            with contextlib.suppress(RtaudioError):  # it begins to move at this moment
                if view and now >= next_view:
                    view.update(panel.draw())
                    next_view = now + _VIEW_S
                playing().wait(left)


class _Panel:
    """Draws levels, clipping, latency, load, missed blocks and the settings of the keys."""

    def __init__(
        self, playing: Callable[[], Host], seconds: float | None, controls: Controls | None
    ) -> None:
        self._playing, self._seconds, self._controls = playing, seconds, controls
        self._clipped: tuple[int, ...] = ()
        self._red_until: dict[int, float] = {}
        self._needle = Needle()

    def view(self, screen: Console) -> Live:
        """Return the display, which the caller opens."""
        from rich.live import Live

        return Live(console=screen, refresh_per_second=12, transient=True)

    def draw(self) -> Group:
        """Return a picture of the present state."""
        from rich.console import Group
        from rich.text import Text

        stats = self._playing().stats()
        grid = self._levels(stats)
        self._clipped = stats.clipped
        status = self._status(stats)
        if self._controls is None:
            return Group(grid, f"{status}   Ctrl-C stops")
        session = self._controls.session
        lines: list[Any] = [status, Text(self._controls.text())]
        if session.tuning:
            self._needle.read(self._playing().tuning(), _VIEW_S)
            lines.append(self._needle.drawn("play one string"))
        if session.said:
            lines.append(Text(session.said, "bold"))
        return Group(grid, *lines, Text(self._controls.help, "dim"))

    def _levels(self, stats: Stats) -> Table:
        """Draw the peak level of each channel."""
        from rich.table import Table
        from rich.text import Text

        from rtaudio.runtime.decibels import to_db

        grid = Table.grid(padding=(0, 1))
        for side, peaks in (("in", stats.in_peak), ("out", stats.out_peak)):
            for number, peak in enumerate(peaks):
                level_db = to_db(peak)
                width = round(max(0.0, min(1.0, (level_db + 60.0) / 60.0)) * _BAR)
                colour = "red" if level_db > -0.1 else "yellow" if level_db > -12.0 else "green"
                bar = Text("█" * width, colour) + Text("·" * (_BAR - width), "dim")
                clip = self._clip_mark(number, stats) if side == "in" else ""
                grid.add_row(f"{side} {number + 1}", bar, f"{level_db:6.1f} dB", clip)
        return grid

    def _status(self, stats: Stats) -> str:
        """Return tuning (of an instrument), time, latency, load and faults in one line."""
        host = self._playing()
        silent = self._controls and (
            self._controls.session.denoises or self._controls.session.tuning
        )
        tuning = None if silent else host.tuning()
        note = f"{tuning.note} {tuning.cents:+.0f} cents   " if tuning else ""
        length = "" if self._seconds is None else f" / {self._seconds:.0f}"
        latency_ms = 1000 * stats.latency_samples / host.rate_hz + sum(stats.device_latency_ms)
        return (
            f"{note}{stats.seconds:.0f}{length} s   latency {latency_ms:.1f} ms   "
            f"load {100 * stats.load:.1f} %   missed {stats.missed}   "
            f"faults {sum(stats.faults.values())}"
        )

    def _clip_mark(self, channel: int, stats: Stats) -> Text:
        """Return the number of clipped samples, on red for a second after each clip."""
        from rich.text import Text

        count, now = stats.clipped[channel], time.monotonic()
        if count > (self._clipped[channel] if self._clipped else 0):
            self._red_until[channel] = now + _CLIP_S
        style = "bold white on red" if now < self._red_until.get(channel, 0.0) else "red"
        return Text(f"CLIP {count}" if count else "", style)
