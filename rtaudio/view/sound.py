"""A picture of the sound before and after a chain, as waveform and spectrogram."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from rtaudio.analysis.overview import Overview
from rtaudio.atomic import replacing
from rtaudio.errors import UsageError
from rtaudio.runtime.decibels import to_db
from rtaudio.view.legend import legend_above
from rtaudio.view.spectrogram import BANDS, draw_spectrogram

_RANGE_DB = 84.0
_SUFFIXES = (".png", ".jpg", ".pdf", ".svg")


def draw(path: str | Path, before: Overview, after: Overview, title: str) -> None:
    """Draw two sounds, one above the other; one colour means one level in both.

    Parameters
    ----------
    path
        The picture; its suffix chooses the format.
    before, after
        The sounds.
    title
        Title of the picture.

    Raises
    ------
    ValueError
        matplotlib does not know the format of the suffix.
    OSError
        The picture cannot be written.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        4, 1, figsize=(12, 9), sharex=True, layout="constrained",
        gridspec_kw={"height_ratios": [1, 2, 1, 2]},
    )  # fmt: skip
    figure.suptitle(title)
    views = [view.spectrogram(BANDS) for view in (before, after)]
    peak = max(before.peak, after.peak)
    loudest = max(1e-9, *(float(magnitude.max()) for _, _, magnitude in views))
    mesh: Any = None
    for row, (label, sound) in enumerate((("before", before), ("after", after))):
        _wave(axes[2 * row], label, sound, peak)
        mesh = draw_spectrogram(axes[2 * row + 1], views[row], _RANGE_DB, loudest)
    axes[-1].set_xlabel("seconds")
    axes[-1].set_xlim(0.0, before.frames / before.rate_hz)
    figure.colorbar(mesh, ax=[axes[1], axes[3]], label="dB, 0 is the loudest of both", pad=0.01)
    try:
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=100)
    finally:
        plt.close(figure)


def check_picture(path: Path) -> None:
    """Check the name of a picture before the long work begins.

    Raises
    ------
    UsageError
        The suffix is not that of a picture.
    OSError
        The folder does not exist.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"{path}: is not a picture; use one of {', '.join(_SUFFIXES)}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: the folder {path.parent} does not exist; create it first")


def _wave(axis: Any, label: str, sound: Overview, peak: float) -> None:
    """Draw the envelope: minimum and maximum of every short piece, one colour per channel.

    ``peak`` is that of the louder sound: both are drawn to one scale, which quiet speech fills.
    """
    seconds = np.arange(sound.low.shape[1]) * sound.step / sound.rate_hz
    names = [""] if sound.low.shape[0] == 1 else ["left", "right"]
    for channel, name in enumerate(names):
        low, high = (
            np.where(np.isfinite(edge[channel]), edge[channel], 0.0)
            for edge in (sound.low, sound.high)
        )
        axis.fill_between(
            seconds, low, high, color=f"C{channel}", alpha=0.65, lw=0.0, label=name
        )  # fmt: skip
    if len(names) > 1:
        legend_above(axis)
    axis.axhline(0.0, color="black", lw=0.4)
    if sound.peak == 0.0:
        axis.text(0.5, 0.6, "silence", ha="center", transform=axis.transAxes)
    top = peak or 1.0
    axis.set_ylim(-1.1 * top, 1.1 * top)
    axis.set_yticks([-top, 0, top], [f"{-top:.2g}", "0", f"{top:.2g}"])
    axis.set_ylabel("amplitude")
    levels = f"{to_db(sound.rms):.1f} dBFS RMS, peak {to_db(sound.peak):.1f} dBFS"
    axis.set_title(f"{label}   {levels}", loc="left", fontsize=10)
