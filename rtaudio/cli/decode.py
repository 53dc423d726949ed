"""``rtaudio decode``: the sound of a coded file, or of a folder of them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rtaudio.atomic import may_write, new_file
from rtaudio.cli.coded_report import coded_figures, coded_line, coded_total, remark_clipped
from rtaudio.cli.encode import CODED_SUFFIX, PIPE
from rtaudio.cli.file_run import report_file, run_file
from rtaudio.cli.folder_run import Force, Jobs, run_folder
from rtaudio.errors import UsageError
from rtaudio.view import terminal

if TYPE_CHECKING:
    from rtaudio.batch.coded import Coded
    from rtaudio.codec.model import CodecModel

_NEW_SUFFIX = ".wav"


def decode(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="A coded file (.rtc) or a folder; -: a pipe.")
    ],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="The new file (.wav, .m4a ...), or a folder.")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model", help="One of the two files of a codec (default: the shipped one it names)."
        ),
    ] = None,
    salvage: Annotated[
        bool, typer.Option("--salvage", help="Decode a damaged file up to the damage.")
    ] = False,
    force: Force = False,
    jobs: Jobs = None,
    json: terminal.Json = False,
) -> None:
    """Decode a coded file, or every one in a folder and its subfolders.

    Length, sample rate, channels and levels are those of the original, and the result is aligned
    with it to the sample. In a folder the new files are .wav files, 32 bit float.

    A damaged file is refused; with `--salvage` everything up to the damage is decoded, a line on
    stderr says where it lies, and the exit status is 2.
    """
    terminal.say_loading("the codec")
    from rtaudio.cli.run import ended_by_signals

    _find(model)  # so that a bad model is reported at once
    with ended_by_signals():
        if source.is_dir():
            _decode_folder(model, salvage, source, target, force, jobs, json)
        else:
            _decode_file(model, salvage, source, target, force, json)


@lru_cache(maxsize=1)
def _find(model: str | None) -> CodecModel | None:
    """Return the codec; cached, so that each process reads it only once."""
    from rtaudio.codec.find import find_codec

    return None if model is None else find_codec(model)


def _decode(
    model: str | None,
    salvage: bool,
    force: bool,
    source: Path,
    target: Path,
    progress: Callable[[float], None],
) -> Coded:
    """Decode one file; runs in other processes, too."""
    from rtaudio.batch.decode_file import decode_file

    may_write(target, force)
    if source == PIPE and sys.stdin.isatty():
        raise UsageError("-: stdin is a terminal; give a file, or pipe one in")
    stream = sys.stdin.buffer if source == PIPE else source
    return decode_file(_find(model), stream, target, salvage=salvage, progress=progress)


def _decode_file(
    model: str | None, salvage: bool, source: Path, target: Path, force: bool, json: bool
) -> None:
    target = new_file(source, target, force, _NEW_SUFFIX)
    done = run_file(partial(_decode, model, salvage, force), source, target, json)
    report_file(
        target, done, json=json, figures=coded_figures, line=coded_line,
        remark_faults=remark_clipped,
    )  # fmt: skip


def _decode_folder(
    model: str | None,
    salvage: bool,
    source: Path,
    target: Path,
    force: bool,
    jobs: int | None,
    json: bool,
) -> None:
    from rtaudio.batch.folder import list_pairs

    found = list_pairs(
        source,
        target,
        is_source=lambda path: path.suffix.lower() == CODED_SUFFIX,
        kind=f"coded files ({CODED_SUFFIX})",
        suffix=_NEW_SUFFIX,
    )
    run_folder(
        partial(_decode, model, salvage),
        found,
        target,
        kind="coded files",
        force=force,
        jobs=jobs,
        json=json,
        figures=coded_figures,
        remark_faults=remark_clipped,
        total=coded_total,
    )
