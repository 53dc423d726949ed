"""A call on the terminal: its keys, its panel and its report."""

from __future__ import annotations

import contextlib
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtaudio.control.keyboard import pressed_keys
from rtaudio.errors import DeviceError
from rtaudio.view import terminal

if TYPE_CHECKING:
    from rich.console import Group

    from rtaudio.codec.model import CodecModel
    from rtaudio.live.incoming import Incoming, IncomingStats
    from rtaudio.live.outgoing import Outgoing, OutgoingStats
    from rtaudio.runtime.memory import Floats

_KEYS_S, _VIEW_S = 0.02, 0.2


def read_voice(file: Path, rate_hz: int, tail_s: float = 0.0) -> Floats:
    """Read a file that is spoken into a call in place of a microphone.

    Parameters
    ----------
    file
        A sound file of any sample rate; its channels are averaged.
    rate_hz
        Sample rate of the codec.
    tail_s
        Silence after it.

    Returns
    -------
    numpy.ndarray
        float32 ``[samples]``.

    Raises
    ------
    AudioFileError
        The file cannot be read.
    """
    import numpy as np

    from rtaudio.audio.reader import read_audio
    from rtaudio.audio.resampler import Resampler

    sound, file_hz = read_audio(file)
    voice = Resampler(file_hz, rate_hz).process(sound.mean(0, keepdims=True), last=True)[0]
    return np.pad(voice, (0, round(tail_s * rate_hz)))


class Call:
    """Runs one or both directions of a call until its end, and reports.

    Parameters
    ----------
    codec
        The codec.
    outgoing, incoming
        The directions; None: there is no such direction.
    """

    keys_help = "↑ ↓ bitrate   m mute   q quit   Ctrl-C stops"

    def __init__(
        self, codec: CodecModel, outgoing: Outgoing | None, incoming: Incoming | None
    ) -> None:
        self.codec, self.outgoing, self.incoming = codec, outgoing, incoming

    def run(self, seconds: float | None, json: bool) -> None:
        """Run to the end; print the figures.

        Parameters
        ----------
        seconds
            Duration; None: until it is ended.
        json
            Print one JSON object, without panel and keys.

        Raises
        ------
        DeviceError
            A device was lost.
        """
        from rtaudio.cli.run import ended_by_signals

        sides = [side for side in (self.outgoing, self.incoming) if side is not None]
        with ended_by_signals(), contextlib.ExitStack() as stack:
            for side in sides:  # a record begins when nothing can fail any more
                stack.enter_context(side)
            with contextlib.suppress(KeyboardInterrupt):
                self._watch(seconds, live=not json)
            lost = [side.host.error for side in sides if side.host.error]
            figures = self.figures()
        if json:
            terminal.print_json(figures)
        else:
            _print(figures)
        if lost:
            raise DeviceError(lost[0])

    @property
    def way_ms(self) -> float:
        """Time that a packet takes on its way, as far as it is known."""
        return 0.0

    @property
    def running(self) -> bool:
        """False at the end of the source, or when a device is lost."""
        sides = (self.outgoing, self.incoming)
        return all(side.running for side in sides if side is not None)

    def press(self, key: str) -> None:
        """Act on a key: mute, or change the bitrate by one book.

        Parameters
        ----------
        key
            As `rtaudio.control.keyboard.parse_keys` names it.
        """
        if key == "m":
            side = self.outgoing or self.incoming
            if side is not None:
                side.host.muted = not side.host.muted
        elif key in ("up", "+", "down", "-"):
            self.change_bitrate(1 if key in ("up", "+") else -1)

    def change_bitrate(self, books: int) -> None:
        """Send more or fewer books, as far as the codec has them."""
        if self.outgoing is not None:
            wanted = self.codec.books_for(self.outgoing.bitrate_kbps) + books
            if self.codec.least_books <= wanted <= self.codec.books:
                self.outgoing.bitrate_kbps = self.codec.kbps(wanted)

    def lines(self) -> list[str]:
        """Return the present state, for the panel."""
        lines = []
        if self.outgoing is not None:
            lines += _sent_lines(self.outgoing, self.outgoing.stats())
        if self.incoming is not None:
            lines += _received_lines(self.codec, self.incoming.stats(), self.way_ms)
        return lines

    def figures(self) -> dict[str, Any]:
        """Return the figures of a call for its JSON object."""
        from rtaudio.cli.run_report import run_figures

        figures: dict[str, Any] = {"codec": self.codec.name, "rate": self.codec.rate_hz}
        for name, side in (("sent", self.outgoing), ("received", self.incoming)):
            if side is not None:
                stats = side.stats()
                own = {key: value for key, value in asdict(stats).items() if key != "host"}
                if "mouth_to_ear_ms" in own:
                    own["mouth_to_ear_ms"] += self.way_ms
                figures[name] = own | {"run": run_figures(side.host, stats.host)}
        return figures

    def _watch(self, seconds: float | None, live: bool) -> None:
        """Wait for the end; meanwhile obey the keys and draw the panel."""
        end_s = None if seconds is None else time.monotonic() + seconds
        with contextlib.ExitStack() as stack:
            read_keys = stack.enter_context(pressed_keys()) if live else None
            screen = terminal.make_console(stderr=True)
            view = None
            if live and screen.is_terminal:
                from rich.live import Live

                view = stack.enter_context(Live(console=screen, transient=True))
            next_view_s = 0.0
            while self.running:
                now_s = time.monotonic()
                if end_s is not None and now_s >= end_s:
                    return
                for key in read_keys() if read_keys else ():
                    if key == "q":
                        return
                    self.press(key)
                if view and now_s >= next_view_s:
                    view.update(self._panel())
                    next_view_s = now_s + _VIEW_S
                time.sleep(_KEYS_S)

    def _panel(self) -> Group:
        from rich.console import Group
        from rich.text import Text

        return Group(*map(Text, (*self.lines(), self.keys_help)))  # brackets are no markup


def _sent_lines(outgoing: Outgoing, sent: OutgoingStats) -> list[str]:
    from rtaudio.runtime.decibels import to_db

    level_db = to_db(max(sent.host.in_peak, default=0.0))
    muted = "   MUTED" if outgoing.host.muted else ""
    failed = f"   not sent {sent.failed} ({sent.failure})" if sent.failed else ""
    return [
        f"out  {level_db:6.1f} dB   {outgoing.bitrate_kbps:.1f} kbit/s, on the line "
        f"{sent.line_kbps:.1f}   packets {sent.packets}   pauses {sent.pauses}{muted}{failed}"
    ]


def _received_lines(codec: CodecModel, got: IncomingStats, way_ms: float) -> list[str]:
    from rtaudio.runtime.decibels import to_db

    jitter, foreign = got.receiver.jitter, got.receiver
    level_db = to_db(max(got.host.out_peak, default=0.0))
    lines = [
        f"in   {level_db:6.1f} dB   {codec.kbps(got.books):.1f} kbit/s   "
        f"lost {jitter.lost}   late {jitter.late}   concealed {got.concealed_frames}",
        f"     jitter {jitter.jitter_ms:.1f} ms   buffer {jitter.delay_ms:.0f} ms   mouth to ear "
        f"{got.mouth_to_ear_ms + way_ms:.0f} ms   drift {got.drift_ppm:+.0f} ppm",
    ]
    refused = foreign.malformed + foreign.foreign + foreign.stranger + foreign.model
    if refused:
        lines.append(f"     refused {refused} packets that were not of this call")
    return lines


def _print(figures: dict[str, Any]) -> None:
    """Print the tables of a call."""
    from rtaudio.cli.run_report import fault_line

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
        times = (jitter.jitter_ms, jitter.delay_ms, got["mouth_to_ear_ms"])
        terminal.print_table(
            "received",
            ["frames", "concealed", "lost", "late", "copies used", "jitter", "buffer",
             "mouth to ear"],
            [(
                got["frames"], got["concealed_frames"], jitter.lost, jitter.late, jitter.recovered,
                *(f"{ms:.0f} ms" for ms in times),
            )],
        )  # fmt: skip
        for reason in ("malformed", "foreign", "stranger", "model"):
            if count := getattr(got["receiver"], reason):
                terminal.remark(f"{count} packets were refused: {reason}")
    for name in ("sent", "received"):
        for part, count in figures.get(name, {}).get("run", {}).get("faults", {}).items():
            if count:
                terminal.remark(f"{name}: {fault_line(part, count)}")
