"""The stems of a song: made by a back end, checked, measured for the page, shown all at once."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from rtaudio.audio.file import STEREO
from rtaudio.audio.reader import open_audio
from rtaudio.errors import RtaudioError
from rtaudio.site.files import PEAKS, SONG, STEMS, stem_file

PLACES = ("{song}", "{out}")
"""What a command line has in place of the song, and of the folder of its stems."""
COLUMNS = 1200
"""Peaks of a waveform."""
MOST_STEMS = 16
_TOP = 255
_MAKING = "making"
_PIECE_FRAMES = 1 << 16
_MOST_CHARACTERS = 4096
"""Of a line that a program prints."""


class Recipe(NamedTuple):
    """How stems are made; `rtaudio.site.backends.Backend` says what each field means."""

    model: str | None
    command: list[str]
    stems: str
    progress: str | None


def make_stems(folder: str, recipe: list[Any], progress: Callable[[float], None]) -> dict[str, Any]:
    """Separate the song of a job; its folder ``stems`` appears when everything in it is complete.

    Parameters
    ----------
    folder
        Of the job.
    recipe
        The fields of a `Recipe`.
    progress
        Called with the share that is done, 0 .. 1.

    Returns
    -------
    dict
        ``stems``, ``rate_hz``, ``channels`` and ``frames``.

    Raises
    ------
    RtaudioError
        The program failed, or its stems are no match for each other.
    """
    job, entry = Path(folder), Recipe(*recipe)
    making, result = job / _MAKING, job / _MAKING / STEMS
    if (job / STEMS).is_dir():  # complete, but the site was killed before it noted that
        return _measure(job / STEMS)
    shutil.rmtree(making, ignore_errors=True)
    result.mkdir(parents=True)
    if entry.model is not None:
        from rtaudio.batch.separate_file import separate_file  # programs do without the engine

        separate_file(entry.model, job / SONG, result, progress=progress)
    else:
        _run(entry, job / SONG, making / "out", progress)
        _collect(entry, making / "out", result)
    found = _measure(result)
    os.replace(result, job / STEMS)
    shutil.rmtree(making)
    (job / SONG).unlink()
    return found


def _run(entry: Recipe, song: Path, out: Path, progress: Callable[[float], None]) -> None:
    """Run a program; what it prints tells its progress."""
    out.mkdir()
    pattern = re.compile(entry.progress) if entry.progress else None
    last = ""
    with subprocess.Popen(
        command_line(entry.command, song, out), cwd=out, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in _lines(process.stdout):
            last = line.strip() or last
            if pattern is not None and (found := pattern.search(line)):
                progress(_share(found[1]))
    if process.returncode:
        raise RtaudioError(f"exit status {process.returncode}: {last}")


def command_line(command: Sequence[str], song: Path, out: Path) -> list[str]:
    """Return the words of a command line with the paths in their places.

    Parameters
    ----------
    command
        The words, some with `PLACES`.
    song, out
        The song, and the folder of its stems.

    Examples
    --------
    >>> command_line(["my-tool", "--to={out}", "{song}"], Path("song.wav"), Path("stems"))
    ['my-tool', '--to=stems', 'song.wav']
    """
    paths = dict(zip(PLACES, (str(song), str(out)), strict=True))
    return [re.sub("|".join(PLACES), lambda place: paths[place[0]], word) for word in command]


def _share(text: str | None) -> float:
    try:
        return min(1.0, max(0.0, float(text or 0.0) / 100.0))
    except ValueError:
        return 0.0


def _lines(stream: IO[bytes]) -> Iterator[str]:
    """Yield lines as they come, the last one again and again while it grows.

    A progress bar ends its line with a carriage return, if at all when the next one comes.
    """
    line = ""
    while piece := os.read(stream.fileno(), _MOST_CHARACTERS):
        *whole, line = re.split(r"[\r\n]", line + piece.decode("utf-8", "replace"))
        line = line[-_MOST_CHARACTERS:]
        yield from (*whole, line)


def _collect(entry: Recipe, out: Path, result: Path) -> None:
    """Move the stems of a program to where they belong."""
    found = sorted(path for path in out.glob(entry.stems) if _is_stem(path))
    if not found:
        raise RtaudioError(f"ended without a stem that matches {entry.stems}")
    if len(found) > MOST_STEMS:
        raise RtaudioError(f"made {len(found)} stems; the most are {MOST_STEMS}")
    for path in found:
        name = re.sub(r"[^\w -]", "-", path.stem)[:40]
        target = stem_file(result, name)
        if target.exists():
            raise RtaudioError(f"made two stems that are called {name}")
        os.replace(path, target)


def _is_stem(path: Path) -> bool:
    return path.suffix.lower() == ".wav" and path.is_file() and not path.is_symlink()


def _measure(result: Path) -> dict[str, Any]:
    """Read each stem once, and keep the peaks of all for their pictures."""
    files = sorted(result.glob("*.wav"), key=_usual_order)
    forms, levels = set(), {}
    for file in files:
        with open_audio(file, STEREO) as stem:
            levels[file.stem] = _peaks(stem, stem.frames)
            forms.add((stem.rate_hz, stem.channels, stem.position))
    if len(forms) != 1:
        raise RtaudioError("made stems of different lengths, rates or channels")
    (rate_hz, channels, frames), loudest = forms.pop(), max(map(np.max, levels.values()))
    scale = _TOP / loudest if loudest > 0.0 else 0.0
    peaks = {name: np.round(level * scale).astype(int).tolist() for name, level in levels.items()}
    (result / PEAKS).write_text(json.dumps({"top": _TOP, "stems": peaks}))
    return {"stems": list(levels), "rate_hz": rate_hz, "channels": channels, "frames": frames}


def _usual_order(file: Path) -> tuple[int, str]:
    usual = ("vocals", "drums", "bass")
    return usual.index(file.stem) if file.stem in usual else len(usual), file.stem


def _peaks(stem: Any, frames: int) -> Any:
    """Return the greatest magnitude in each of `COLUMNS` equal parts of a stem."""
    peaks, at = np.zeros(COLUMNS), 0
    while True:
        piece = stem.read(_PIECE_FRAMES)
        magnitude = np.nan_to_num(np.abs(piece).max(axis=0, initial=0.0), posinf=0.0)
        columns = (at + np.arange(len(magnitude))) * COLUMNS // frames
        np.maximum.at(peaks, np.minimum(columns, COLUMNS - 1), magnitude)
        at += len(magnitude)
        if len(magnitude) < _PIECE_FRAMES:
            return peaks
