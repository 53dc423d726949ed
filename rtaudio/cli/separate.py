"""``rtaudio separate``: the stems of a song, or of a folder of songs, as files."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rtaudio.cli.file_run import report_file, run_file
from rtaudio.cli.folder_run import Force, Jobs, Ray, refuse_cluster, run_folder
from rtaudio.view import terminal
from rtaudio.view.words import counted, speed_words, storage_name

if TYPE_CHECKING:
    from rtaudio.batch.cluster_folder import ForcedWork
    from rtaudio.batch.separate_file import Separated

SHIPPED = "separate"
"""Name of the shipped separator."""


class FileType(StrEnum):
    """Types of the files of stems."""

    wav = "wav"
    flac = "flac"


def separate(
    source: Annotated[Path, typer.Argument(metavar="SONG", help="A song, or a folder of songs.")],
    target: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="A folder; or a .wav file for all stems side by side."),
    ],
    model: Annotated[
        str, typer.Option("--model", help="A separator: a model file, or a shipped one.")
    ] = SHIPPED,
    stems: Annotated[
        str | None,
        typer.Option(help="Which to write, as vocals,residual; that is the rest (default: all)."),
    ] = None,
    file_type: Annotated[
        FileType, typer.Option("--type", help="Type of the files in a folder.")
    ] = FileType.wav,
    force: Force = False,
    jobs: Jobs = None,
    ray: Ray = None,
    json: terminal.Json = False,
) -> None:
    """Take a song apart into vocals, drums, bass and other, each as a file.

    The stems are aligned with the song to the sample, have its length, rate and channels, and add
    up to it. WAV files hold floats, as a stem may be louder than the song; FLAC files have 24 bits.
    Songs of a folder get a folder each, called after the song.

    A damaged file is separated as far as it can be read, and NaN becomes silence: a line on stderr
    says where, and the exit status is 2. The other files of a folder are processed anyway.
    """
    terminal.say_loading("the separator")
    from rtaudio.audio.writer import is_audio_name
    from rtaudio.batch.separate_file import stem_names
    from rtaudio.cli.run import ended_by_signals

    refuse_cluster(ray, source)
    path = _find(model)
    names = stem_names(path, [name.strip() for name in (stems or "").split(",") if name.strip()])
    # Songs of a folder get folders, even one called take.flac.wav.
    together = is_audio_name(target) and not (target.is_dir() or source.is_dir())
    work = partial(_separate, path, names, None if together else f".{file_type.value}")
    with ended_by_signals():
        if source.is_dir():
            _separate_folder(work, path, source, target, force, jobs, ray, json)
        else:
            _separate_song(partial(work, force), source, target, json)


def _find(model: str) -> Path:
    from rtaudio.shipped import shipped_separators

    return shipped_separators().get(model) or Path(model)


def _separate(
    model: Path,
    stems: tuple[str, ...],
    suffix: str | None,
    force: bool,
    source: Path,
    target: Path,
    progress: Callable[[float], None],
) -> Separated:
    """Separate one file; runs in other processes, too."""
    from rtaudio.atomic import may_write
    from rtaudio.batch.separate_file import separate_file, stem_files

    for file in stem_files(target, stems, suffix):
        may_write(file, force)
    return separate_file(
        model, source, target, stems=stems, suffix=suffix, salvage=True, progress=progress
    )


def _separate_song(
    work: Callable[[Path, Path, Callable[[float], None]], Separated],
    source: Path,
    target: Path,
    json: bool,
) -> None:
    done = run_file(work, source, target, json)
    report_file(
        target, done, json=json, figures=_figures, line=_summary_line, remark_faults=_remark_faults
    )


def _separate_folder(
    work: ForcedWork[Separated],
    model: Path,
    source: Path,
    target: Path,
    force: bool,
    jobs: int | None,
    ray: str | None,
    json: bool,
) -> None:
    from rtaudio.batch.folder import list_pairs

    run_folder(
        work,
        list_pairs(source, target, suffix=""),
        target,
        kind="sound files",
        force=force,
        jobs=jobs,
        ray=ray,
        needs=lambda: [model],
        json=json,
        figures=_figures,
        remark_faults=_remark_faults,
    )


def _figures(done: Separated) -> dict[str, Any]:
    duration_s = done.frames / done.rate_hz
    return {
        "audio_seconds": duration_s,
        **done._asdict(),
        "real_time_factor": done.seconds / duration_s,
    }


def _summary_line(target: Path, done: Separated) -> str:
    duration_s = done.frames / done.rate_hz
    return (
        f"{target}: {', '.join(done.stems)}: {duration_s:.2f} s at {done.rate_hz} Hz, "
        f"{storage_name(done.subtype)}, {speed_words(duration_s / done.seconds)}"
    )


def _remark_faults(target: Path, done: Separated) -> None:
    if done.clipped:
        text = f"{counted(done.clipped, 'sample')} clipped; write WAV files instead"
        terminal.remark(f"{target}: {text}")
    if done.faults:
        terminal.remark(
            f"{target}: the model was silenced and reset {counted(done.faults, 'time')}"
        )
