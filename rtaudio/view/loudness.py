"""Loudness for people: the cells of a table, and a picture over time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rtaudio.atomic import replacing
from rtaudio.runtime.loudness import Loudness
from rtaudio.runtime.memory import Array

HEADS = (
    "LUFS", "range LU", "dBTP", "max short-term", "max momentary", "crest dB", "correlation",
)  # fmt: skip
"""Heads of the cells of `loudness_row`."""

_SPAN_LU = 40.0


class Panel(NamedTuple):
    """A sound in the picture: its name, its loudness, and that at times in seconds."""

    name: str
    loudness: Loudness
    seconds: Array
    momentary_lufs: Array
    short_term_lufs: Array


def loudness_row(loudness: Loudness) -> tuple[str, ...]:
    """Return the cells of a table.

    Examples
    --------
    >>> loudness_row(Loudness(integrated_lufs=-14.04, range_lu=5.0, true_peak_dbtp=-1.0))[:3]
    ('-14.0', '5.0', '-1.0')
    """
    levels = (
        loudness.integrated_lufs, loudness.range_lu, loudness.true_peak_dbtp,
        loudness.short_term_max_lufs, loudness.momentary_max_lufs, loudness.crest_db,
    )  # fmt: skip
    return (*(f"{level:.1f}" for level in levels), f"{loudness.correlation:.2f}")


def draw_loudness(path: str | Path, panels: Sequence[Panel]) -> None:
    """Draw momentary and short-term loudness over time, one panel per panel.

    Parameters
    ----------
    path
        The picture; its suffix chooses the format.
    panels
        The sounds, at least one.

    Raises
    ------
    OSError
        The picture cannot be written.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        len(panels), 1, figsize=(12, 1.0 + 2.6 * len(panels)), layout="constrained", squeeze=False
    )
    top = max((panel.loudness.momentary_max_lufs for panel in panels), default=0.0)
    top = math.ceil(top + 2.0) if math.isfinite(top) else 0.0
    for axis, panel in zip(axes[:, 0], panels, strict=True):
        _panel(axis, panel)
        axis.set_ylim(top - _SPAN_LU, top)
    axes[-1, 0].set_xlabel("seconds")
    try:
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=100)
    finally:
        plt.close(figure)


def _panel(axis: Any, panel: Panel) -> None:
    """Draw one panel."""
    loudness = panel.loudness
    for name, values, style in (
        ("momentary", panel.momentary_lufs, {"color": "C0", "alpha": 0.4, "lw": 0.8}),
        ("short-term", panel.short_term_lufs, {"color": "C0", "lw": 1.6}),
    ):
        axis.plot(panel.seconds, np.where(np.isfinite(values), values, np.nan), label=name, **style)
    if math.isfinite(loudness.integrated_lufs):
        axis.axhline(loudness.integrated_lufs, color="C3", lw=1.0, ls="--", label="integrated")
    axis.set_xlim(0.0, float(panel.seconds[-1]))
    axis.set_ylabel("LUFS")
    axis.grid(alpha=0.3)
    axis.legend(loc="lower right", ncols=3, frameon=False, fontsize=9)
    axis.set_title(
        f"{panel.name}   {loudness.integrated_lufs:.1f} LUFS, range {loudness.range_lu:.1f} LU,"
        f" true peak {loudness.true_peak_dbtp:.1f} dBTP",
        loc="left", fontsize=10, parse_math=False,
    )  # fmt: skip
