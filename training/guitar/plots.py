"""Pictures of a run: its loss, and output beside target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.mlab import specgram
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from rtaudio.atomic import replacing
from rtaudio.runtime.memory import Floats
from rtaudio.view.legend import legend_above
from training.guitar.data import Take

__all__ = ["comparison", "esr_in_words", "loss_curve", "middle", "plain_ticks", "save"]

EXCERPT_S = 5.0
ZOOM_S = 0.02
FLOOR_DB = -90.0
TARGET, OUTPUT, ERROR = "#222222", "#1f77b4", "#d62728"

_WORDS = ((0.002, "excellent"), (0.01, "very good"), (0.035, "good"), (0.1, "fair"), (0.3, "rough"))


def esr_in_words(esr: float) -> str:
    """Say in words how good an error-to-signal ratio is.

    Notes
    -----
    Trainers of amp models commonly use the bounds 0.01, 0.035, 0.1 and 0.3.

    Examples
    --------
    >>> esr_in_words(0.0071)
    'ESR 0.0071, very good: the error lies 21 dB below the target'
    """
    if not np.isfinite(esr):
        return "ESR is not a number: the training broke down"
    word = next((word for bound, word in _WORDS if esr <= bound), "poor")
    below = -10 * np.log10(max(esr, 1e-12))
    where = f"{below:.0f} dB below" if below >= 0.5 else "no lower than"
    return f"ESR {esr:.2g}, {word}: the error lies {where} the target"


def middle(samples: int, length: int) -> slice:
    """Return the slice of the middle of a take.

    Parameters
    ----------
    samples
        Length of the take.
    length
        Length of the slice, in samples; at most the take.
    """
    length = min(samples, length)
    start = (samples - length) // 2
    return slice(start, start + length)


def plain_ticks(axis: Axis) -> None:
    """Label a logarithmic axis with plain numbers, at 1, 2 and 5 times each power of ten."""
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axis.set_minor_formatter(FuncFormatter(lambda v, _: f"{v:g}" if f"{v:e}"[0] in "25" else ""))


def loss_curve(rows: Sequence[Mapping[str, float]], path: Path) -> None:
    """Draw training loss and validation ESR over the epochs, the best epoch, and the rate.

    Parameters
    ----------
    rows
        The history, with ``epoch``, ``loss``, ``val_esr`` and ``learning_rate``.
    path
        The picture.
    """
    epochs = np.array([row["epoch"] for row in rows]) + 1
    esr = np.array([row["val_esr"] for row in rows])
    figure = Figure(figsize=(9, 5.2), layout="constrained")
    top, bottom = figure.subplots(2, sharex=True, height_ratios=[4, 1])
    marker = "o" if len(rows) < 15 else None
    top.plot(
        epochs,
        [row["loss"] for row in rows],
        color="#888888",
        marker=marker,
        ms=4,
        label="training loss",
    )
    top.plot(epochs, esr, color=OUTPUT, marker=marker, ms=4, label="validation ESR")
    title = "no epoch gave a number"
    if np.isfinite(esr).any():
        best = int(np.nanargmin(esr))
        top.plot(epochs[best], esr[best], "o", color=ERROR, ms=8, label="best epoch")
        title = f"epoch {epochs[best]:.0f} is the best: {esr_in_words(float(esr[best]))}"
    top.set_yscale("log")
    plain_ticks(top.yaxis)
    figure.suptitle(title, fontsize=11)
    legend_above(top)
    bottom.plot(
        epochs, [row["learning_rate"] for row in rows], color="#888888", marker=marker, ms=4
    )
    bottom.set_ylim(bottom=0)
    bottom.set(xlabel="epoch", ylabel="learning rate")
    bottom.xaxis.get_major_locator().set_params(integer=True)
    for axes in (top, bottom):
        _grid(axes)
    save(figure, path)


def comparison(take: Take, output: Floats, rate_hz: int, folder: Path) -> None:
    """Draw waveform.png, spectrogram.png and transfer.png of the middle of a take.

    Parameters
    ----------
    take
        Dry and wet signal.
    output
        The net's output for the dry signal, (samples,), aligned with the wet one.
    rate_hz
        Samples per second.
    folder
        The folder of the pictures.
    """
    part = middle(len(output), int(EXCERPT_S * rate_hz))
    dry, target, made = take.dry[part], take.wet[part], output[part]
    error = made - target
    energy, lost = (float(np.square(x, dtype=np.float64).sum()) for x in (target, error))
    esr = lost / max(energy, 1e-30)
    title = f"{take.name}, {len(made) / rate_hz:.2g} s from its middle: {esr_in_words(esr)}"
    save(_waveform(target, made, error, rate_hz, title), folder / "waveform.png")
    save(_spectrogram(target, made, error, rate_hz, title), folder / "spectrogram.png")
    save(_transfer(dry, target, made, error, rate_hz, title), folder / "transfer.png")


def _waveform(target: Floats, output: Floats, error: Floats, rate_hz: int, title: str) -> Figure:
    """Draw the excerpt as an envelope, and 20 ms around its loudest sample."""
    figure = Figure(figsize=(11, 6.5), layout="constrained")
    figure.suptitle(title, fontsize=11)
    whole, zoom = figure.subplots(2, height_ratios=[2, 3])
    piece = max(1, len(target) // 2000)
    pieces = len(target) // piece
    seconds = np.arange(pieces) * piece / rate_hz
    for name, values, colour in (("target", target, "#bbbbbb"), ("error", error, ERROR)):
        cut = values[: pieces * piece].reshape(pieces, piece)
        whole.fill_between(seconds, cut.min(1), cut.max(1), color=colour, lw=0, label=name)
    whole.set(xlabel="seconds", xlim=(0, len(target) / rate_hz))
    legend_above(whole)

    width = min(len(target), int(ZOOM_S * rate_hz))
    first = int(np.clip(np.abs(target).argmax() - width // 2, 0, len(target) - width))
    part = slice(first, first + width)
    time = 1000 * np.arange(width) / rate_hz
    zoom.plot(time, target[part], color=TARGET, lw=1.8, label="target")
    zoom.plot(time, output[part], color=OUTPUT, lw=1.2, ls=(0, (4, 2)), label="output")
    zoom.plot(time, error[part], color=ERROR, lw=0.9, label="error")
    zoom.set(
        xlabel=f"milliseconds from {first / rate_hz:.3f} s, around the loudest sample",
        xlim=(0, 1000 * width / rate_hz),
    )
    zoom.margins(y=0.15)
    legend_above(zoom)
    whole.axvspan(first / rate_hz, (first + width) / rate_hz, color=OUTPUT, alpha=0.25, lw=0)
    for axes in (whole, zoom):
        axes.set_ylabel("amplitude")
        _grid(axes)
    return figure


def _spectrogram(target: Floats, output: Floats, error: Floats, rate_hz: int, title: str) -> Figure:
    """Draw target, output and error in decibels below the target's loudest bin."""
    figure = Figure(figsize=(11, 9.5), layout="constrained")
    figure.suptitle(title, fontsize=11)
    size = min(2048, len(target))
    rows: Any = figure.subplots(3, sharex=True, sharey=True)
    loudest = 0.0
    image: Any = None
    for axes, (name, values) in zip(
        rows, (("target", target), ("output", output), ("error", error)), strict=True
    ):
        power, hertz, seconds = _power(values, size, 3 * size // 4, rate_hz)
        loudest = loudest or float(power.max())
        level = 10 * np.log10(np.maximum(power[1:] / max(loudest, 1e-30), 10 ** (FLOOR_DB / 10)))
        image = axes.pcolormesh(
            seconds,
            hertz[1:],
            level,
            vmin=FLOOR_DB,
            vmax=0,
            cmap="magma",
            shading="nearest",
            rasterized=True,
        )
        axes.set_title(name, loc="left", fontsize=10)
        _hertz(axes.yaxis, axes.set_yscale)
        axes.set(ylabel="Hz", ylim=(60, rate_hz / 2))
    rows[-1].set_xlabel("seconds")
    figure.colorbar(image, ax=rows, label="dB below the target's loudest", pad=0.01, aspect=40)
    return figure


def _transfer(
    dry: Floats, target: Floats, output: Floats, error: Floats, rate_hz: int, title: str
) -> Figure:
    """Draw output over input by sample, by level, and the spectra."""
    figure = Figure(figsize=(12, 4.6), layout="constrained")
    figure.suptitle(title, fontsize=11)
    sample, level, spectrum = figure.subplots(1, 3)
    _draw_samples(sample, dry, target, output)
    _draw_levels(level, dry, target, output, max(1, min(len(dry), rate_hz // 50)))
    _draw_spectra(spectrum, target, output, error, rate_hz)
    for axes in (sample, level, spectrum):
        _grid(axes)
    figure.legend(*spectrum.get_legend_handles_labels(), loc="outside lower center", ncols=3,
                  frameon=False)  # fmt: skip
    return figure


def _draw_samples(axes: Axes, dry: Floats, target: Floats, output: Floats) -> None:
    """Draw the output samples over the input samples: the median, and from 10 to 90 %."""
    edges = np.linspace(-1, 1, 62) * max(float(np.abs(dry).max()), 1e-9)
    place = np.digitize(dry, edges)
    centres = 0.5 * (edges[1:] + edges[:-1])
    for values, colour, name, style in (
        (target, TARGET, "target", "-"),
        (output, OUTPUT, "output", (0, (4, 2))),
    ):
        bands = np.full((3, len(centres)), np.nan)
        for k in range(len(centres)):
            inside = values[place == k + 1]
            if len(inside) >= 20:
                bands[:, k] = np.percentile(inside, [10, 50, 90])
        axes.fill_between(centres, bands[0], bands[2], color=colour, alpha=0.18, lw=0)
        axes.plot(centres, bands[1], color=colour, ls=style, lw=1.6, label=name)
    axes.set(xlabel="input sample", ylabel="output sample")
    axes.set_title("samples: median, and 10 to 90 %", loc="left", fontsize=10)


def _draw_levels(axes: Axes, dry: Floats, target: Floats, output: Floats, width: int) -> None:
    """Draw the output level over the input level, each of ``width`` samples."""
    levels = [_level_db(values, width) for values in (dry, target, output)]
    axes.plot(levels[0], levels[1], ".", color=TARGET, ms=5, label="target")
    axes.plot(levels[0], levels[2], ".", color=OUTPUT, ms=3, label="output")
    lowest = max(FLOOR_DB, float(levels[0].min()) - 1)
    axes.set(
        xlabel="input, dBFS",
        ylabel="output, dBFS",
        xlim=(lowest, max(float(levels[0].max()), lowest) + 1),
    )
    axes.set_title("levels over 20 ms", loc="left", fontsize=10)


def _draw_spectra(axes: Axes, target: Floats, output: Floats, error: Floats, rate_hz: int) -> None:
    """Draw the mean spectra in third octaves, relative to the target's loudest."""
    size = min(4096, len(target))
    loudest = None
    for values, colour, name in (
        (target, TARGET, "target"),
        (output, OUTPUT, "output"),
        (error, ERROR, "error"),
    ):
        power, hertz, _ = _power(values, size, size // 2, rate_hz)
        mean = _third_octaves(power.mean(axis=1), hertz)
        loudest = loudest or float(mean[1].max())
        level_db = 10 * np.log10(np.maximum(mean[1] / max(loudest, 1e-30), 1e-12))
        axes.plot(mean[0], level_db, color=colour, lw=1.4, label=name)
    _hertz(axes.xaxis, axes.set_xscale)
    axes.set(xlabel="Hz", ylabel="dB, third octaves", xlim=(60, rate_hz / 2), ylim=(FLOOR_DB, 5))
    axes.set_title("mean spectrum", loc="left", fontsize=10)


def _power(values: Floats, size: int, overlap: int, rate_hz: int) -> tuple[Any, Any, Any]:
    """Return power (bins, frames), the bins in Hz, and the middles of the frames in s."""
    if len(values) <= size:  # a picture needs two frames
        values = np.pad(values, (0, size + 1 - len(values) + size - overlap))
    return specgram(values, NFFT=size, noverlap=overlap, Fs=rate_hz)


def _level_db(values: Floats, width: int) -> Floats:
    """Return the level in dB (RMS) of every ``width`` samples."""
    cut = values[: len(values) // width * width].reshape(-1, width).astype(np.float64)
    level = 10 * np.log10(np.maximum(np.square(cut).mean(axis=1), 10 ** (FLOOR_DB / 10)))
    return np.asarray(level, np.float32)


def _third_octaves(power: NDArray[Any], hertz: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return band centres, a sixth of an octave apart, and mean power; empty bands are left out."""
    centres = 50.0 * 2.0 ** np.arange(0, np.log2(hertz[-1] / 50.0), 1 / 6)
    inside = [np.abs(np.log2(np.maximum(hertz, 1e-3) / c)) <= 1 / 6 for c in centres]
    filled = [k for k, mask in enumerate(inside) if mask.any()]
    return centres[filled], np.array([power[inside[k]].mean() for k in filled])


def _hertz(axis: Any, set_scale: Any) -> None:
    set_scale("log")
    axis.set_ticks([100, 300, 1000, 3000, 10000])
    axis.set_major_formatter(FuncFormatter(lambda hz, _: f"{hz:g}"))
    axis.set_minor_formatter(FuncFormatter(lambda hz, _: ""))


def _grid(axes: Axes) -> None:
    axes.grid(visible=True, which="both", alpha=0.25, lw=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def save(figure: Figure, path: Path) -> None:
    """Write a picture, whole or not at all.

    Parameters
    ----------
    figure
        The picture.
    path
        The PNG file.
    """
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100)
