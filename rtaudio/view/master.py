"""Masters for people: the cells of a table, and a picture of before and after."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rtaudio.analysis.overview import Overview
from rtaudio.analysis.spectral_balance import distance_db
from rtaudio.analysis.third_octaves import CENTRES_HZ
from rtaudio.atomic import replacing
from rtaudio.runtime.loudness import Loudness
from rtaudio.runtime.memory import Array
from rtaudio.view.spectrogram import BANDS, draw_spectrogram

HEADS = ("LUFS", "range LU", "dBTP", "crest dB", "spectrum dB")
"""Heads of the cells of `master_row`."""

_RANGE_DB = 80.0
_SPAN_LU = 30.0
_SPAN_DB = 60.0


class Sound(NamedTuple):
    """A sound in the picture.

    Attributes
    ----------
    name
        Title of its panel.
    overview
        Of its spectrum over time.
    loudness, levels_db
        Its loudness, and its spectrum in thirds of octaves.
    seconds, short_term_lufs
        Loudness over time.
    """

    name: str
    overview: Overview
    loudness: Loudness
    levels_db: Array
    seconds: Array
    short_term_lufs: Array


def master_row(loudness: Loudness, levels_db: Array, wanted_db: Array) -> tuple[str, ...]:
    """Return the cells of a table; the last one is the log-spectral distance to the goal.

    Parameters
    ----------
    loudness
        Of the sound.
    levels_db, wanted_db
        Its spectrum and that of the goal, in thirds of octaves.

    Examples
    --------
    >>> master_row(Loudness(integrated_lufs=-14.04, true_peak_dbtp=-1.0), np.zeros(31), np.ones(31))
    ('-14.0', '0.0', '-1.0', '0.0', '0.0')
    """
    figures = (
        loudness.integrated_lufs, loudness.range_lu, loudness.true_peak_dbtp, loudness.crest_db,
        distance_db(levels_db, wanted_db),
    )  # fmt: skip
    return tuple(f"{figure:.1f}" for figure in figures)


def draw_master(
    path: str | Path, before: Sound, after: Sound, wanted_db: Array, goal: str, target_lufs: float
) -> None:
    """Draw two spectrograms, one above the other, loudness over time, and average spectra.

    Parameters
    ----------
    path
        The picture; its suffix chooses the format.
    before, after
        The sounds.
    wanted_db, goal
        Spectrum of the goal in thirds of octaves, of any level, and its name.
    target_lufs
        Loudness that was asked for.

    Raises
    ------
    OSError
        The picture cannot be written.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplot_mosaic(
        [["before", "before"], ["after", "after"], ["loudness", "spectrum"]],
        figsize=(12, 11), layout="constrained",
    )  # fmt: skip
    for row, sound in (("before", before), ("after", after)):
        mesh = _spectrogram(axes[row], sound)
    axes["after"].set_xlabel("seconds")
    figure.colorbar(mesh, ax=[axes["before"], axes["after"]], label="dB", pad=0.01)
    _loudness(axes["loudness"], before, after, target_lufs)
    _spectra(axes["spectrum"], before, after, wanted_db, goal)
    try:
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=100)
    finally:
        plt.close(figure)


def _spectrogram(axis: Any, sound: Sound) -> Any:
    mesh = draw_spectrogram(axis, sound.overview.spectrogram(BANDS), _RANGE_DB)
    loudness = sound.loudness
    axis.set_title(
        f"{sound.name}   {loudness.integrated_lufs:.1f} LUFS, range {loudness.range_lu:.1f} LU,"
        f" true peak {loudness.true_peak_dbtp:.1f} dBTP",
        loc="left", fontsize=10, parse_math=False,
    )  # fmt: skip
    return mesh


def _loudness(axis: Any, before: Sound, after: Sound, target_lufs: float) -> None:
    for sound, label, color in ((before, "before", "C7"), (after, "after", "C0")):
        heard = np.where(np.isfinite(sound.short_term_lufs), sound.short_term_lufs, np.nan)
        axis.plot(sound.seconds, heard, color=color, label=label)
    axis.axhline(target_lufs, color="C3", lw=1.0, ls="--", label="target")
    top = max(s.loudness.short_term_max_lufs for s in (before, after))
    top = max(target_lufs, top if np.isfinite(top) else target_lufs) + 3.0
    axis.set_ylim(top - _SPAN_LU, top)
    axis.set_xlim(0.0, float(after.seconds[-1]))
    axis.set_xlabel("seconds")
    axis.set_ylabel("short-term LUFS")
    _finish(axis)


def _spectra(axis: Any, before: Sound, after: Sound, wanted_db: Array, goal: str) -> None:
    """Draw the spectra, moved to one mean over the bands that matter."""
    middle = (CENTRES_HZ >= 100.0) & (CENTRES_HZ <= 10000.0)
    for levels_db, label, style in (
        (before.levels_db, "before", {"color": "C7"}),
        (after.levels_db, "after", {"color": "C0"}),
        (wanted_db, f"target: {goal}", {"color": "C3", "lw": 1.0, "ls": "--"}),
    ):
        level = levels_db - np.mean(np.maximum(levels_db, levels_db.max() - _SPAN_DB)[middle])
        axis.semilogx(CENTRES_HZ, level, label=label, **style)
    axis.set_ylim(-40.0, 25.0)
    axis.set_xlim(20.0, 20000.0)
    axis.set_xticks([30, 100, 300, 1000, 3000, 10000], ["30", "100", "300", "1k", "3k", "10k"])
    axis.minorticks_off()
    axis.set_xlabel("Hz")
    axis.set_ylabel("dB in thirds of octaves, equal means")
    _finish(axis)


def _finish(axis: Any) -> None:
    axis.grid(alpha=0.3)
    axis.legend(loc="lower center", ncols=3, frameon=False, fontsize=9)
