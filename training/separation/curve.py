"""The curve of a run over its hours: ``python -m training.separation.curve RUN``."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from rtaudio.atomic import replacing
from rtaudio.models.stems import STEMS
from rtaudio.view.legend import legend_above

__all__ = ["PICTURE", "draw_curve"]

PICTURE = "curve.png"
"""Name of the picture in the folder of a run."""

SECONDS_PER_HOUR = 3600.0


def draw_curve(path: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Draw how the stems of the validation songs got better.

    Parameters
    ----------
    path
        The picture; its suffix chooses the format.
    rows
        The history of a run, with ``cpu_s`` and ``val_vocals_db`` ... for every stem; NaN is left
        out.
    """
    figure = Figure((8, 4), layout="constrained")
    axis = figure.add_subplot()
    hours = [row["cpu_s"] / SECONDS_PER_HOUR for row in rows]
    for stem in STEMS:
        gains = [row[f"val_{stem}_db"] for row in rows]
        if any(gain == gain for gain in gains):
            axis.plot(hours, gains, ".-", label=stem)
    axis.set_xlabel("hours of one core")
    axis.set_ylabel("SDR, dB")
    axis.grid(alpha=0.3)
    legend_above(axis)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=100)


def _main(run: Path) -> None:
    with (run / "history.csv").open(encoding="utf-8") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    draw_curve(run / PICTURE, rows)
    print(run / PICTURE)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
