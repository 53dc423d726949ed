"""``rtaudio encode``: a sound file, or a folder of them, in a few kbit/s."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rtaudio.cli.coded_report import coded_figures, coded_line, coded_total
from rtaudio.cli.folder_run import check_target, run_folder
from rtaudio.errors import UsageError, plain
from rtaudio.view import terminal

if TYPE_CHECKING:
    from rtaudio.batch.coded import Coded
    from rtaudio.codec.model import CodecModel

CODED_SUFFIX = ".rtc"
PIPE = Path("-")


def encode(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="A sound file of any length, or a folder of them.")
    ],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="The new file (.rtc) or folder; -: a pipe.")
    ],
    bitrate: Annotated[
        float, typer.Option(metavar="KBPS", help="Bitrate of one channel in kbit/s.")
    ] = 6.0,
    model: Annotated[
        str, typer.Option("--model", help="A shipped codec, or one of the two files of another.")
    ] = "codec-voice",
    force: Annotated[bool, typer.Option("--force", help="Replace existing files.")] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1, max=256, help="Folders: files processed at a time (default: one per core)."
        ),
    ] = None,
    json: terminal.Json = False,
) -> None:
    """Encode a sound file, or every one in a folder and its subfolders, with a neural codec.

    Each channel is coded on its own, at the level of the codec's training. The file keeps length,
    sample rate, levels and the name of the codec, so that `rtaudio decode` needs nothing else.

    A damaged file, or one with NaN, is refused; the other files of a folder are encoded anyway.
    """
    terminal.say_loading("the codec")
    from rtaudio.cli.run import ended_by_signals

    _find(model).books_for(bitrate)  # so that both are checked at once
    with ended_by_signals():
        if source.is_dir():
            _encode_folder(model, bitrate, source, target, force, jobs, json)
        elif target == PIPE:
            _encode_to_pipe(model, bitrate, source, json)
        else:
            _encode_file(model, bitrate, source, target, force, json)


@lru_cache(maxsize=1)
def _find(model: str) -> CodecModel:
    """Return the codec; cached, so that each process reads it only once."""
    from rtaudio.codec.find import find_codec

    return find_codec(model)


def _encode(
    model: str,
    bitrate: float,
    force: bool,
    source: Path,
    target: Path,
    progress: Callable[[float], None],
) -> Coded:
    """Encode one file; runs in other processes, too."""
    from rtaudio.batch.encode_file import encode_file

    check_target(source, target, force)
    return encode_file(_find(model), source, target, bitrate_kbps=bitrate, progress=progress)


def _encode_file(
    model: str, bitrate: float, source: Path, target: Path, force: bool, json: bool
) -> None:
    if target.suffix.lower() != CODED_SUFFIX:
        raise UsageError(f"{target}: a coded file ends in {CODED_SUFFIX}; name it so")
    with terminal.progress(not json) as bars:
        task = bars.add_task(plain(f"{source.name} -> {target.name}"), total=1.0)
        done = _encode(
            model, bitrate, force, source, target, lambda share: bars.update(task, completed=share)
        )
    if json:
        terminal.print_json({**coded_figures(done), "out": target})
    else:
        print(plain(coded_line(target, done)))


def _encode_to_pipe(model: str, bitrate: float, source: Path, json: bool) -> None:
    """Write the coded stream to stdout; the report goes to stderr."""
    from rtaudio.batch.encode_file import encode_file

    if json:
        raise UsageError("--json: stdout carries the coded stream; name a file as OUT")
    if sys.stdout.isatty():
        raise UsageError("-: stdout is a terminal; redirect it into a pipe or a file")
    # Not sys.stdout.buffer: if the reader ends early, it would complain a second time at exit.
    try:
        with open(sys.stdout.fileno(), "wb", closefd=False) as stream:
            done = encode_file(_find(model), source, stream, bitrate_kbps=bitrate)
    except BrokenPipeError:
        raise OSError("stdout: who reads the pipe has ended early; start both again") from None
    terminal.remark(coded_line("stdout", done))


def _encode_folder(
    model: str,
    bitrate: float,
    source: Path,
    target: Path,
    force: bool,
    jobs: int | None,
    json: bool,
) -> None:
    from rtaudio.batch.folder import list_pairs

    if target == PIPE:
        raise UsageError(f"-: a pipe is for one file; {source} is a folder")
    run_folder(
        partial(_encode, model, bitrate, force),
        list_pairs(source, target, suffix=CODED_SUFFIX),
        target,
        kind="sound files",
        force=force,
        jobs=jobs,
        json=json,
        figures=coded_figures,
        remark_faults=lambda target, done: None,
        total=coded_total,
    )
