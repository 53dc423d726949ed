"""The picture of what a chain did: dry and wet, as waveform and spectrogram."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from rtaudio.atomic import replacing

_BANDS = 240
_COLUMNS = 900
_FLOOR_DB = -84.0


def draw(path: str | Path, dry: Any, wet: Any, rate_hz: int, title: str) -> None:
    """Draw two sounds, one above the other.

    Parameters
    ----------
    path
        The picture; its suffix chooses the format.
    dry, wet
        Planar audio ``[channels, frames]``; of the spectrum the mean of the channels is shown.
    rate_hz
        Their sample rate.
    title
        What stands above them.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FuncFormatter

    figure, axes = plt.subplots(
        4, 1, figsize=(12, 9), sharex=True, layout="constrained",
        gridspec_kw={"height_ratios": [1, 2, 1, 2]},
    )  # fmt: skip
    figure.suptitle(title)
    mesh: Any = None
    for row, (label, sound) in enumerate((("dry", dry), ("wet", wet))):
        wave, spectrum = axes[2 * row], axes[2 * row + 1]
        _wave(wave, label, sound, rate_hz)
        seconds, hertz, level = _spectrogram(sound.mean(axis=0), rate_hz)
        mesh = spectrum.pcolormesh(
            seconds, hertz, level, vmin=_FLOOR_DB, vmax=0.0, cmap="magma",
            shading="nearest", rasterized=True,
        )  # fmt: skip
        spectrum.set_yscale("log")
        spectrum.set_yticks([100, 300, 1000, 3000, 10000])
        spectrum.yaxis.set_major_formatter(FuncFormatter(lambda hz, _: f"{hz:g}"))
        spectrum.minorticks_off()
        spectrum.set_ylabel("Hz")
    axes[-1].set_xlabel("seconds")
    axes[-1].set_xlim(0.0, dry.shape[1] / rate_hz)
    figure.colorbar(mesh, ax=[axes[1], axes[3]], label="dB below the loudest", pad=0.01)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=100)
    plt.close(figure)


def _wave(axis: Any, label: str, sound: Any, rate_hz: int) -> None:
    """Draw the envelope: the extremes of every short piece, one colour per channel."""
    piece = max(1, sound.shape[1] // (2 * _COLUMNS))
    pieces = sound.shape[1] // piece
    seconds = np.arange(pieces) * piece / rate_hz
    names = [""] if sound.shape[0] == 1 else ["left", "right"]
    for channel, (samples, name) in enumerate(zip(sound, names, strict=False)):
        cut = samples[: pieces * piece].reshape(pieces, piece)
        axis.fill_between(
            seconds, cut.min(axis=1), cut.max(axis=1), color=f"C{channel}", alpha=0.65, lw=0.0,
            label=name,
        )  # fmt: skip
    if sound.shape[0] > 1:
        axis.legend(loc="upper right", ncols=2, frameon=False)
    axis.axhline(0.0, color="black", lw=0.4)
    axis.set_ylim(-1.05, 1.05)
    axis.set_yticks([-1, 0, 1])
    rms = 20.0 * np.log10(max(1e-6, float(np.sqrt(np.mean(np.square(sound))))))
    peak = 20.0 * np.log10(max(1e-6, float(np.abs(sound).max())))
    axis.set_title(f"{label}   {rms:.1f} dBFS RMS, peak {peak:.1f} dBFS", loc="left", fontsize=10)


def _spectrogram(x: Any, rate_hz: int) -> tuple[Any, Any, Any]:
    """Return times, frequencies on a logarithmic scale, and levels relative to the loudest."""
    size = 4096
    window = np.hanning(size)
    starts = np.linspace(0, max(0, x.size - size), _COLUMNS).astype(int)
    padded = np.pad(x, (0, max(0, size - x.size)))
    frames = np.stack([padded[at : at + size] * window for at in starts])
    magnitude = np.abs(np.fft.rfft(frames, axis=1))
    hertz = np.geomspace(60.0, 0.46 * rate_hz, _BANDS)
    bins = hertz * size / rate_hz
    low = bins.astype(int)
    share = bins - low
    bands = magnitude[:, low] * (1.0 - share) + magnitude[:, low + 1] * share
    level = 20.0 * np.log10(np.maximum(bands / max(bands.max(), 1e-12), 1e-6))
    return (starts + size / 2) / rate_hz, hertz, level.T
