"""``rtaudio encode``: a sound file, or a folder of them, in a few kbit/s."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from rtaudio.atomic import may_write, new_file
from rtaudio.cli.coded_report import coded_figures, coded_line, coded_total
from rtaudio.cli.file_run import report_file, run_file
from rtaudio.cli.folder_run import Force, Jobs, Ray, refuse_cluster, run_folder
from rtaudio.errors import UsageError
from rtaudio.view import terminal

if TYPE_CHECKING:
    from rtaudio.batch.coded import Coded
    from rtaudio.codec.model import CodecModel

CODED_SUFFIX = ".rtc"
PIPE = Path("-")


class Rates(NamedTuple):
    """Bitrates of the mid, or of each channel, and of the side; None: half of it."""

    bitrate_kbps: float
    side_kbps: float | None


def encode(
    source: Annotated[
        Path,
        typer.Argument(metavar="IN", help="A file with sound, or a folder of them."),
    ],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="The new file (.rtc) or folder; -: a pipe.")
    ],
    bitrate: Annotated[
        float,
        typer.Option(metavar="KBPS", help="Bitrate of one channel, or of the mid, in kbit/s."),
    ] = 6.0,
    side: Annotated[
        float | None,
        typer.Option(metavar="KBPS", help="Stereo: bitrate of the side (default: half, if any)."),
    ] = None,
    model: Annotated[
        str, typer.Option("--model", help="A shipped codec, or one of the two files of another.")
    ] = "codec-voice",
    force: Force = False,
    jobs: Jobs = None,
    ray: Ray = None,
    json: terminal.Json = False,
) -> None:
    """Encode a sound file, or every one in a folder and its subfolders, with a neural codec.

    Stereo is coded as mid and side, unless both are nearly as strong; a silent side costs nothing.
    Other channels are coded each on its own, all at the level of the codec's training. The file
    keeps length, sample rate, levels and codec, so that `rtaudio decode` needs nothing else.

    A damaged file, or one with NaN, is refused; the other files of a folder are encoded anyway.
    """
    terminal.say_loading("the codec")
    from rtaudio.cli.run import ended_by_signals

    refuse_cluster(ray, source)
    codec = _find(model)  # so that all are checked at once
    for kbps in (bitrate, *([] if side is None else [side])):
        codec.books_for(kbps)
    rates = Rates(bitrate, side)
    with ended_by_signals():
        if source.is_dir():
            _encode_folder(model, rates, source, target, force, jobs, ray, json)
        elif target == PIPE:
            _encode_to_pipe(model, rates, source, json)
        else:
            _encode_file(model, rates, source, target, force, json)


@lru_cache(maxsize=1)
def _find(model: str) -> CodecModel:
    """Return the codec; cached, so that each process reads it only once."""
    from rtaudio.codec.find import find_codec

    return find_codec(model)


def _encode(
    model: str,
    rates: Rates,
    force: bool,
    source: Path,
    target: Path,
    progress: Callable[[float], None],
) -> Coded:
    """Encode one file; runs in other processes, too."""
    from rtaudio.batch.encode_file import encode_file

    may_write(target, force)
    return encode_file(_find(model), source, target, **rates._asdict(), progress=progress)


def _encode_file(
    model: str, rates: Rates, source: Path, target: Path, force: bool, json: bool
) -> None:
    target = new_file(source, target, force, CODED_SUFFIX)
    if target.suffix.lower() != CODED_SUFFIX:
        raise UsageError(f"{target}: a coded file ends in {CODED_SUFFIX}; name it so")
    done = run_file(partial(_encode, model, rates, force), source, target, json)
    report_file(target, done, json=json, figures=coded_figures, line=coded_line)


def _encode_to_pipe(model: str, rates: Rates, source: Path, json: bool) -> None:
    """Write the coded stream to stdout; the report goes to stderr."""
    from rtaudio.batch.encode_file import encode_file

    if json:
        raise UsageError("--json: stdout carries the coded stream; name a file as OUT")
    if sys.stdout.isatty():
        raise UsageError("-: stdout is a terminal; redirect it into a pipe or a file")
    # Not sys.stdout.buffer: if the reader ends early, it would complain a second time at exit.
    try:
        with open(sys.stdout.fileno(), "wb", closefd=False) as stream:
            done = encode_file(_find(model), source, stream, **rates._asdict())
    except BrokenPipeError:
        raise OSError("stdout: who reads the pipe has ended early; start both again") from None
    terminal.remark(coded_line("stdout", done))


def _encode_folder(
    model: str,
    rates: Rates,
    source: Path,
    target: Path,
    force: bool,
    jobs: int | None,
    ray: str | None,
    json: bool,
) -> None:
    from rtaudio.batch.folder import list_pairs

    if target == PIPE:
        raise UsageError(f"-: a pipe is for one file; {source} is a folder")
    run_folder(
        partial(_encode, model, rates),
        list_pairs(source, target, suffix=CODED_SUFFIX),
        target,
        kind="sound files",
        force=force,
        jobs=jobs,
        ray=ray,
        needs=lambda: [_find(model).encoder.path, _find(model).decoder.path],
        json=json,
        figures=coded_figures,
        remark_faults=lambda target, done: None,
        total=coded_total,
    )
