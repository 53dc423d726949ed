"""The files of a job: ``song.wav`` until it is done, then ``stems/vocals.wav`` ... and peaks."""

from __future__ import annotations

from pathlib import Path

SONG = "song.wav"
STEMS = "stems"
PEAKS = "peaks.json"


def stem_file(folder: Path, stem: str) -> Path:
    """Return the file of a stem.

    Parameters
    ----------
    folder
        Of the stems.
    stem
        Its name, one of those that the job has.

    Examples
    --------
    >>> stem_file(Path("stems"), "vocals").as_posix()
    'stems/vocals.wav'
    """
    return folder / f"{stem}.wav"


def folder_bytes(folder: Path) -> int:
    """Return the size of all files of a folder and of those inside it.

    Examples
    --------
    >>> folder_bytes(Path("no such folder"))
    0
    """
    total = 0
    for file in folder.rglob("*"):
        try:
            total += file.stat().st_size if file.is_file() else 0
        except OSError:  # it has just been removed
            continue
    return total
