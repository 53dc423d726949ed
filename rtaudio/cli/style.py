"""``rtaudio style``: learn from songs what ``rtaudio master --style`` is to make of others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rtaudio.atomic import may_write
from rtaudio.cli.folder_run import Force
from rtaudio.errors import UsageError, plain
from rtaudio.view import terminal

if TYPE_CHECKING:
    from rtaudio.mastering.learnt_style import LearntStyle

HEADS = (
    "songs", "LUFS", "range LU", "peak to loudness dB", "width below 2 kHz dB", "above dB",
    "tolerance dB",
)  # fmt: skip


def style(
    target: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="A name, to be kept among your styles; or a new file (.yaml)."
        ),
    ],
    songs: Annotated[
        list[Path], typer.Argument(metavar="SONGS", help="Finished songs, or folders of them.")
    ],
    force: Force = False,
    json: terminal.Json = False,
) -> None:
    """Learn a style from finished songs: average spectrum, width, loudness and dynamics.

    `rtaudio master mix.wav master.wav --style NAME` then brings others there. What the songs differ
    by among themselves is their character, and stays. The file is plain data, to read and to edit.
    """
    from rtaudio.batch.measure_profile import measure_profile
    from rtaudio.mastering.learnt_style import LearntStyle

    path = _new_file(target)
    may_write(path, force)
    files = _listed(songs)
    with terminal.progress(not json) as bars:
        profiles = [measure_profile(file) for file in bars.track(files, description="songs")]
    learnt = LearntStyle.of_songs(plain(path.stem), profiles, [file.name for file in files])
    path.parent.mkdir(parents=True, exist_ok=True)
    learnt.write(path)
    if json:
        terminal.print_json({"out": path, **learnt.model_dump()})
    else:
        terminal.print_table(learnt.style, list(HEADS), [_row(learnt)])
        use = path.stem if target == path.stem else path
        print(plain(f"{path}: use it with `rtaudio master IN OUT --style {use}`"))


def _new_file(target: str) -> Path:
    """Return the file of a new style: a path, or a name in the folder of the user's styles."""
    from rtaudio.catalogue import user_styles_folder
    from rtaudio.mastering.find_goal import SUFFIX
    from rtaudio.mastering.styles import STYLES

    path = Path(target)
    if path.suffix == SUFFIX:
        if not path.parent.is_dir():
            raise FileNotFoundError(
                f"{target}: the folder {path.parent} does not exist; create it first"
            )
        return path
    if path.suffix or path.name != target:
        raise UsageError(f"{target}: is neither a name nor a file with the suffix {SUFFIX}")
    if target in STYLES:
        raise UsageError(f"{target}: is a style that comes with rtaudio; choose another name")
    return user_styles_folder() / f"{target}{SUFFIX}"


def _listed(songs: list[Path]) -> list[Path]:
    """Return the files, and those in the folders and below them."""
    from rtaudio.audio.writer import is_audio_name

    files: list[Path] = []
    for path in songs:
        inside = [path]
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.is_file() and is_audio_name(p))
            if not inside:
                raise UsageError(f"{path}: has no sound files; name songs, or folders of them")
        files += inside
    return list(dict.fromkeys(files))


def _row(learnt: LearntStyle) -> tuple[str, ...]:
    figures = (
        learnt.loudness_lufs, learnt.range_lu, learnt.peak_to_loudness_db, learnt.low_width_db,
        learnt.high_width_db, learnt.tolerance_db,
    )  # fmt: skip
    cells = ("mono" if figure is None else f"{figure:.1f}" for figure in figures)
    return (str(learnt.songs), *cells)
