"""``rtaudio loudness``: measure files as broadcasters and streaming services do.

For an array: ``rtaudio.analysis.programme_loudness.programme_loudness(x, rate_hz)``.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rtaudio.errors import explain, plain
from rtaudio.view import terminal

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from rtaudio.batch.measure_loudness import MeasuredFile
    from rtaudio.view.loudness import Panel


def loudness(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILES", help="Sound files of at most 8 channels.")
    ],
    picture: Annotated[
        Path | None, typer.Option(help="Draw the loudness over time into this file.")
    ] = None,
    json: terminal.Json = False,
) -> None:
    """Measure loudness, loudness range, true peak, crest and correlation of files.

    By ITU-R BS.1770-5 and EBU R128, Tech 3341 and 3342. A file that cannot be read, or only in
    part, is reported on stderr; the others are measured, and the exit status is 2.
    """
    terminal.say_loading("the meters")
    from rtaudio.batch.measure_loudness import measure_loudness
    from rtaudio.errors import RtaudioError
    from rtaudio.view.loudness import HEADS, draw_loudness, loudness_row
    from rtaudio.view.sound import check_picture

    if picture is not None:
        check_picture(picture)
    measured: list[MeasuredFile] = []
    failed = False
    with terminal.progress(not json) as bars:
        for path in files:
            task = bars.add_task(plain(path.name), total=1.0)
            try:
                done = measure_loudness(path, progress=partial(_advance, bars, task))
            except (RtaudioError, OSError) as error:
                terminal.remark(f"error: {explain(error)[0]}")
                failed = True
                continue
            measured.append(done)
            if done.damage:
                terminal.remark(f"error: {done.damage}")
                failed = True
    if picture is not None and measured:
        draw_loudness(picture, [_panel(done) for done in measured])
    if json:
        terminal.print_json({"files": [_figures(done) for done in measured], "picture": picture})
    elif measured:
        rows = [(str(done.path), *loudness_row(done.loudness)) for done in measured]
        terminal.print_table("loudness", ["file", *HEADS], rows)
    if failed:
        raise typer.Exit(2)


def _advance(bars: Progress, task: TaskID, share: float) -> None:
    bars.update(task, completed=share)


def _panel(done: MeasuredFile) -> Panel:
    from rtaudio.view.loudness import Panel

    curves = done.seconds, done.momentary_lufs, done.short_term_lufs
    return Panel(done.path.name, done.loudness, *curves)


def _figures(done: MeasuredFile) -> dict[str, Any]:
    from dataclasses import asdict

    # The windows of a meter in motion: at the end of a file they say nothing of it.
    passing = ("momentary_lufs", "short_term_lufs", "correlation_now")
    figures = {name: value for name, value in asdict(done.loudness).items() if name not in passing}
    return {
        "path": done.path,
        "audio_seconds": done.frames / done.rate_hz,
        "channels": done.channels,
        "rate_hz": done.rate_hz,
        **figures,
        "damage": done.damage,
    }
