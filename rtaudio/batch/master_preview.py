"""Preview of a master: its loudest passage before and after, equally loud."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from rtaudio.analysis.programme_loudness import programme_loudness
from rtaudio.audio.writer import suited_subtype, write_audio
from rtaudio.batch.loudest import loudest_start_s, read_passage
from rtaudio.batch.master_file import Mastered, MasterSettings, master_file
from rtaudio.errors import AudioFileError
from rtaudio.runtime.decibels import from_db

GAP_S = 0.5
"""Silence between before and after."""


def master_preview(
    settings: MasterSettings,
    source: str | Path,
    target: str | Path,
    seconds: float,
    *,
    progress: Callable[[float], None] = lambda share: None,
) -> Mastered:
    """Write the loudest passage of a file twice: before, half a second of silence, after.

    Parameters
    ----------
    settings, source, progress
        As for `rtaudio.batch.master_file.master_file`; all of the file is mastered.
    target
        The new file. The louder of the two is turned down to the other.
    seconds
        Length of the passage.

    Returns
    -------
    Mastered
        The figures of the whole master.

    Raises
    ------
    AudioFileError, OSError
        As for `rtaudio.batch.master_file.master_file`.

    Examples
    --------
    >>> done = master_preview(settings, "mix.wav", "preview.wav", 30.0)         # doctest: +SKIP
    """
    source, target = Path(source), Path(target)
    subtype = suited_subtype(target)
    if source.exists() and target.exists() and source.samefile(target):
        raise AudioFileError(f"{target}: is the file that is read; choose another name")
    with TemporaryDirectory(prefix=".master-", dir=target.parent) as folder:
        master = Path(folder) / "master.wav"
        done = master_file(settings, source, master, progress=progress)
        start = round(loudest_start_s(done.before, seconds) * done.rate_hz)
        frames = round(seconds * done.rate_hz)
        dry, wet = (read_passage(path, start, frames) for path in (source, master))
    levels = [programme_loudness(x, done.rate_hz).integrated_lufs for x in (dry, wet)]
    dry, wet = (
        x * np.float32(from_db(min(levels) - level))
        for x, level in zip((dry, wet), levels, strict=True)
    )
    gap = np.zeros((len(dry), round(GAP_S * done.rate_hz)), np.float32)
    write_audio(target, np.concatenate([dry, gap, wet], axis=1), done.rate_hz, subtype)
    return done
