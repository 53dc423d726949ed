"""Pictures of a run: the loss curve, and what is still missing from the target."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray

from training.data import Take

matplotlib.use("Agg")

from matplotlib import pyplot

__all__ = ["comparison", "loss_curve"]

EXCERPT_S = 5.0
ZOOM_S = 0.02


def loss_curve(rows: list[dict[str, float]], path: Path) -> None:
    """Training loss and validation ESR over the epochs."""
    epochs = [row["epoch"] for row in rows]
    figure, axes = pyplot.subplots(figsize=(8, 4), layout="constrained")
    axes.semilogy(epochs, [row["loss"] for row in rows], label="training loss")
    axes.semilogy(epochs, [row["val_esr"] for row in rows], label="validation ESR")
    axes.set(xlabel="epoch", title="Loss curve")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    _save(figure, path)


def comparison(take: Take, output: NDArray[np.float32], rate: int, folder: Path) -> None:
    """waveform.png and spectrogram.png: target, output and error from the middle of a take."""
    length = min(len(output), int(EXCERPT_S * rate))
    start = (len(output) - length) // 2
    part = slice(start, start + length)
    signals = {
        "target": take.wet[part], "output": output[part], "error": output[part] - take.wet[part],
    }
    loudest = int(np.abs(signals["target"]).argmax())
    zoom = slice(max(0, loudest - int(ZOOM_S * rate / 2)), loudest + int(ZOOM_S * rate / 2))

    figure, axes = pyplot.subplots(2, figsize=(10, 6), layout="constrained")
    for axis, window in zip(axes, (slice(None), zoom), strict=True):
        time = np.arange(length)[window] / rate
        for name, values in signals.items():
            axis.plot(time, values[window], label=name, linewidth=0.8)
        axis.set(xlabel="time, s", ylabel="amplitude")
        axis.grid(visible=True, alpha=0.3)
    axes[0].set_title(take.name)
    axes[0].legend(loc="upper right")
    _save(figure, folder / "waveform.png")

    figure, rows = pyplot.subplots(3, figsize=(10, 9), sharex=True, layout="constrained")
    for axis, (name, values) in zip(rows, signals.items(), strict=True):
        _, _, _, image = axis.specgram(
            values + 1e-9, NFFT=1024, noverlap=768, Fs=rate, vmin=-140, vmax=-30
        )
        axis.set(title=name, ylabel="frequency, Hz")
    rows[-1].set_xlabel("time, s")
    figure.colorbar(image, ax=rows, label="dB/Hz")
    _save(figure, folder / "spectrogram.png")


def _save(figure: pyplot.Figure, path: Path) -> None:
    temporary = path.with_name(f".{path.name}")
    figure.savefig(temporary, format="png", dpi=100)
    pyplot.close(figure)
    temporary.replace(path)
