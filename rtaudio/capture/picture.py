"""The picture of a capture: alignment, levels, noise, and what the gear does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rtaudio.atomic import replacing
from rtaudio.capture.checks import find_quiet
from rtaudio.capture.hum import find_hum
from rtaudio.view.legend import legend_above

if TYPE_CHECKING:
    from rtaudio.capture.recording import Recording

_AROUND = 20
_DRY, _WET = "0.55", "C0"
_COLOURS = {"fine": "C2", "warning": "C1", "refused": "C3"}
_POINTS = 6000


def draw(path: str | Path, recording: Recording, title: str) -> None:
    """Draw a capture.

    Parameters
    ----------
    path
        The picture; its suffix chooses the format.
    recording
        The recording to draw.
    title
        Title of the picture.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplot_mosaic(
        [["blips", "blips", "transfer", "transfer"], ["levels"] * 4,
         ["noise", "noise", "response", "response"]],
        figsize=(12, 10), layout="constrained",
    )  # fmt: skip
    take = recording.take
    signs = {1: "", -1: ", inverted"}
    latency = f"latency {recording.latency_samples} samples{signs[take.alignment.arrival.polarity]}"
    figure.suptitle(
        f"{title}: {take.dry.size / take.rate_hz:.0f} s at {take.rate_hz} Hz, {latency}"
    )
    _attacks(axes["blips"], recording)
    _transfer(axes["transfer"], recording)
    _levels(axes["levels"], recording)
    _noise(axes["noise"], recording)
    _response(axes["response"], recording)
    worst = [f for f in recording.findings if f.severity != "fine"]
    for row, finding in enumerate(worst):
        text = f"{finding.check}: {finding.text}"
        figure.text(0.01, -0.02 - 0.022 * row, text, color=_COLOURS[finding.severity], fontsize=9)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=100, bbox_inches="tight")
    plt.close(figure)


def _scaled(x: Any) -> Any:
    return x / max(float(np.abs(x).max()), 1e-9)


def _attacks(axis: Any, recording: Recording) -> None:
    """Draw dry and wet around every blip or, without blips, around the hardest attack."""
    take = recording.take
    if take.signal is not None:
        places = [at for at in take.signal.blips if at + _AROUND < take.aligned.size]
        name = "clicks of the test signal"
    else:
        steps = np.abs(np.diff(take.dry[_AROUND : -_AROUND - 1]))
        places = [int(np.argmax(steps)) + 1 + _AROUND] if steps.size else []
        name = "hardest attack"
    samples = np.arange(-_AROUND, _AROUND + 1)
    for number, at in enumerate(places):
        part = slice(at - _AROUND, at + _AROUND + 1)
        if number == 0:
            axis.plot(samples, _scaled(take.dry[part]), "o-", color=_DRY, ms=3, label="dry")
        axis.plot(samples, _scaled(take.aligned[part]), ".-", color=_WET, lw=1.0, alpha=0.6,
                  label="wet" if number == 0 else None)  # fmt: skip
    axis.axvline(0.0, color="black", lw=0.4)
    axis.axhline(0.0, color="black", lw=0.4)
    axis.set_xlim(-_AROUND, _AROUND)
    axis.set_ylim(-1.1, 1.1)
    axis.set_xlabel("samples")
    legend_above(axis)
    axis.set_title(f"{name}, latency removed", loc="left", fontsize=10)


def _transfer(axis: Any, recording: Recording) -> None:
    """Draw wet over dry, sample by sample."""
    take = recording.take
    start, stop = recording.train[0]
    stop = min(stop, take.aligned.size)
    places = np.random.default_rng(0).integers(start, max(start + 1, stop), _POINTS)
    axis.plot(take.dry[places], take.aligned[places], ".", color=_WET, ms=1.5, alpha=0.35)
    axis.axhline(0.0, color="black", lw=0.4)
    axis.axvline(0.0, color="black", lw=0.4)
    axis.set_xlim(-1.05, 1.05)
    peak = max(1e-3, float(np.abs(take.aligned[places]).max()))
    axis.set_ylim(-1.1 * peak, 1.1 * peak)
    axis.set_xlabel("dry")
    axis.set_ylabel("wet")
    axis.set_title("wet over dry, sample by sample", loc="left", fontsize=10)


def _levels(axis: Any, recording: Recording) -> None:
    """Draw peaks and RMS over time, and the sections."""
    take = recording.take
    size = max(1, take.aligned.size // 700)
    count = take.aligned.size // size
    seconds = (np.arange(count) + 0.5) * size / take.rate_hz
    for name, colour, sound in (("dry", _DRY, take.dry), ("wet", _WET, take.aligned)):
        pieces = sound[: count * size].reshape(count, size)
        peak = np.abs(pieces).max(axis=1)
        rms = np.sqrt(np.mean(np.square(pieces, dtype=np.float64), axis=1))
        axis.plot(seconds, _db(peak), color=colour, lw=0.8, label=f"{name} peak")
        axis.fill_between(seconds, -120.0, _db(rms), color=colour, alpha=0.25, lw=0.0)
    axis.axhline(0.0, color="C3", lw=0.6)
    for parts, colour, name in (
        (recording.train, "C2", "training"),
        (recording.validation, "C1", "validation"),
    ):
        for number, (start, stop) in enumerate(parts):
            axis.axvspan(start / take.rate_hz, stop / take.rate_hz, 0.0, 0.03, color=colour,
                         label=name if number == 0 else None)  # fmt: skip
    if take.signal is not None:
        for name, (start, stop) in take.signal.sections.items():
            axis.axvline(start / take.rate_hz, color="black", lw=0.4, alpha=0.5)
            if stop - start > 5 * take.rate_hz:
                axis.text(start / take.rate_hz, 3.0, f" {name}", fontsize=8, va="bottom")
    axis.set_xlim(0.0, take.aligned.size / take.rate_hz)
    axis.set_ylim(-100.0, 12.0)
    axis.set_xlabel("seconds")
    axis.set_ylabel("dBFS")
    legend_above(axis)
    axis.set_title("level: peak (line) and RMS (area)", loc="left", fontsize=10)


def _noise(axis: Any, recording: Recording) -> None:
    """Draw the spectrum of the gear's noise while nothing is played."""
    take = recording.take
    rest = find_quiet(take)
    axis.set_title("noise while nothing is played", loc="left", fontsize=10)
    if rest.size < take.rate_hz // 2:
        axis.text(0.5, 0.5, "no silence in the dry file", ha="center", transform=axis.transAxes)
        axis.set_axis_off()
        return
    rest = rest - np.mean(rest)
    window = np.hanning(rest.size)
    power = np.abs(np.fft.rfft(rest * window)) ** 2 * 2.0 / (rest.size * np.sum(window**2))
    hertz = np.fft.rfftfreq(rest.size, 1.0 / take.rate_hz)
    heard = hertz >= 20.0
    axis.semilogx(hertz[heard], _db(np.sqrt(power[heard])), color=_WET, lw=0.6)
    mains_hz, level_db, lines = find_hum(rest, take.rate_hz)
    if lines:
        at = np.round(np.array(lines) * rest.size / take.rate_hz).astype(int)
        axis.plot(hertz[at], _db(np.sqrt(power[at])), "v", color="C3", ms=5,
                  label=f"{mains_hz:.0f} Hz hum, {level_db:.0f} dBFS")  # fmt: skip
        legend_above(axis)
    _hertz(axis, 20.0, take.rate_hz / 2)
    axis.set_ylim(-160.0, max(-60.0, axis.get_ylim()[1]))
    axis.set_ylabel("dBFS per line")


def _response(axis: Any, recording: Recording) -> None:
    """Draw the level of wet over dry by frequency, in the sweep or in the whole recording."""
    take = recording.take
    start, stop = (0, take.aligned.size) if take.signal is None else take.signal.sections["sweep"]
    name = "whole recording" if take.signal is None else "sweep"
    dry, wet = take.dry[start:stop], take.aligned[start:stop]
    size = 1 << 13
    window = np.hanning(size)
    power = np.zeros((2, size // 2 + 1))
    for at in range(0, min(dry.size, wet.size) - size + 1, size // 4):
        for row, sound in enumerate((dry, wet)):
            power[row] += np.abs(np.fft.rfft(sound[at : at + size] * window)) ** 2
    hertz = np.fft.rfftfreq(size, 1.0 / take.rate_hz)
    edges = np.geomspace(30.0, 0.4 * take.rate_hz, 160)
    low = np.searchsorted(hertz, edges[:-1]).clip(0, hertz.size - 1)
    bands = np.add.reduceat(power, low, axis=1)
    centre = np.sqrt(edges[:-1] * edges[1:])
    # without dry signal in a band there is no response to draw
    played = bands[0] > 1e-5 * bands[0].max()
    level = 10.0 * np.log10(np.maximum(bands[1], 1e-20) / np.maximum(bands[0], 1e-20))
    axis.semilogx(centre[played], level[played], color=_WET, lw=1.2)
    low_db, high_db = axis.get_ylim()
    axis.set_ylim(min(low_db, high_db - 24.0), max(high_db, low_db + 6.0))
    axis.grid(alpha=0.3)
    _hertz(axis, 30.0, take.rate_hz / 2)
    axis.set_ylabel("dB")
    axis.set_title(f"level of wet over dry by frequency, {name}", loc="left", fontsize=10)


def _hertz(axis: Any, low: float, high: float) -> None:
    from matplotlib.ticker import FuncFormatter

    axis.set_xlim(low, high)
    axis.xaxis.set_major_formatter(FuncFormatter(lambda hertz, _: f"{hertz:g}"))
    axis.set_xlabel("Hz")


def _db(magnitude: Any) -> Any:
    return 20.0 * np.log10(np.maximum(magnitude, 1e-8))
