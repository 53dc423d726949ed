"""Legends of pictures: beside the curves, never on them."""

from __future__ import annotations

from typing import Any


def legend_above(axis: Any) -> None:
    """Name the curves of a plot in one line above it, at its right end.

    Parameters
    ----------
    axis
        The axes of matplotlib, with labelled curves.
    """
    names = axis.get_legend_handles_labels()[1]
    axis.legend(
        loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.1, ncols=max(1, len(names)),
        frameon=False, fontsize=9, columnspacing=1.2, handlelength=1.4,
    )  # fmt: skip
