"""A spectrogram as a picture, on a logarithmic scale of frequency."""

from __future__ import annotations

from typing import Any

import numpy as np

from rtaudio.runtime.memory import Array

BANDS = 240
"""Frequencies of an overview's spectrogram that are drawn."""

_TICKS_HZ = (100, 300, 1000, 3000, 10000)


def draw_spectrogram(
    axis: Any, view: tuple[Array, Array, Array], range_db: float, loudest: float = 1.0
) -> Any:
    """Draw a spectrogram, and return its colours, for a colour bar.

    Parameters
    ----------
    axis
        The axes to draw in.
    view
        Of `rtaudio.analysis.overview.Overview.spectrogram`.
    range_db
        What is softer than the loudest by more than this is black.
    loudest
        Magnitude that is 0 dB: 1 is a sine at full scale.
    """
    from matplotlib.ticker import FuncFormatter

    seconds, hertz, magnitude = view
    level_db = 20.0 * np.log10(np.maximum(magnitude / loudest, 10.0 ** (-range_db / 20.0)))
    mesh = axis.pcolormesh(
        seconds, hertz, np.minimum(level_db, 0.0), vmin=-range_db, vmax=0.0, cmap="magma",
        shading="nearest", rasterized=True,
    )  # fmt: skip
    axis.set_yscale("log")
    axis.set_yticks([hz for hz in _TICKS_HZ if hz < hertz[-1]])
    axis.yaxis.set_major_formatter(FuncFormatter(lambda hz, _: f"{hz:g}"))
    axis.minorticks_off()
    axis.set_ylabel("Hz")
    return mesh
