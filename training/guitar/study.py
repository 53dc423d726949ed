"""The table of a sweep: a CSV file, a page and a picture."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from rtaudio.atomic import replacing
from rtaudio.bench.machine import machine_line
from training.checkpoint import load_checkpoint
from training.guitar.config import GuitarConfig
from training.guitar.plots import plain_ticks, save
from training.guitar.sweep_config import SweepConfig

__all__ = ["BLOCK", "Row", "write_study"]

BLOCK = 64
"""Frames per block in which the real-time factors are measured."""


@dataclass
class Row:
    """One line of the table: its changes, its runs (one for each seed), and its figures.

    ``factors`` are real-time factors by engine: time to compute over time to play.
    """

    part: str
    label: str
    runs: list[GuitarConfig]
    factors: dict[str, float]

    def metrics(self) -> list[dict[str, Any]]:
        """Return the ``metrics.json`` of each run."""
        return [
            json.loads((run.run_folder / "metrics.json").read_text(encoding="utf-8"))
            for run in self.runs
        ]

    def history(self) -> list[dict[str, list[float]]]:
        """Return the columns of each run's ``history.csv``."""
        columns = []
        for run in self.runs:
            with (run.run_folder / "history.csv").open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            columns.append({key: [float(row[key]) for row in rows] for key in rows[0]})
        return columns

    def figures(self) -> dict[str, Any]:
        """Return the cells of the line, by column of the CSV file."""
        metrics, history = self.metrics(), self.history()
        esr = [m["esr_mean"] for m in metrics]
        net, _ = load_checkpoint(self.runs[0].run_folder / "best.pt")
        mean = math.exp(sum(math.log(e) for e in esr) / len(esr))
        return {
            "part": self.part,
            "setting": self.label,
            "esr": mean,
            "esr_lowest": min(esr),
            "esr_highest": max(esr),
            "esr_worst_take": max(m["esr_max"] for m in metrics),
            "error_db": 10 * math.log10(mean),
            "seeds": len(esr),
            "parameters": sum(p.numel() for p in net.parameters()),
            "epochs": sum(len(h["epoch"]) for h in history) / len(history),
            "train_minutes": sum(h["cpu_s"][-1] for h in history) / len(history) / 60,
            "rtf_native": self.factors.get("native", math.nan),
            "rtf_onnx": self.factors.get("onnx", math.nan),
        }


def write_study(config: SweepConfig, path: Path, rows: list[Row], out: Path) -> None:
    """Write ``out.csv``, ``out.md`` and ``out.png``.

    Parameters
    ----------
    config
        The sweep.
    path
        Its file, to be named on the page.
    rows
        All rows, trained and measured.
    out
        Path of the files, without a suffix.
    """
    figures = [row.figures() for row in rows]
    save(_picture(config, rows), out.with_suffix(".png"))
    with replacing(out.with_suffix(".csv")) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(figures[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: _exact(v) for k, v in line.items()} for line in figures)
    with replacing(out.with_suffix(".md")) as temporary:
        temporary.write_text("\n".join(_page(config, path, figures, out)) + "\n", encoding="utf-8")


def _exact(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value


COLUMNS = {
    "setting": "setting",
    "esr": "ESR",
    "seeds": "over seeds",
    "esr_worst_take": "worst take",
    "error_db": "error, dB",
    "parameters": "parameters",
    "epochs": "epochs",
    "train_minutes": "training, min",
    "rtf_native": "RTF native",
    "rtf_onnx": "RTF ONNX",
}


def _page(
    config: SweepConfig, path: Path, figures: list[dict[str, Any]], out: Path
) -> Iterator[str]:
    yield f"# {config.title}\n"
    if config.text:
        yield f"{config.text.strip()}\n"
    for part in config.parts:
        lines = [line for line in figures if line["part"] == part.title]
        best = min(line["esr"] for line in lines)
        yield f"## {part.title}\n"
        if part.text:
            yield f"{part.text.strip()}\n"
        yield "| " + " | ".join(COLUMNS.values()) + " |"
        yield "|" + "|".join("---" if key == "setting" else "---:" for key in COLUMNS) + "|"
        for line in lines:
            cells = _cells(line)
            if line["esr"] == best:
                cells["esr"] = f"**{cells['esr']}**"
            yield "| " + " | ".join(cells[key] for key in COLUMNS) + " |"
        yield ""
    yield f"![ESR while training, and in the end]({out.with_suffix('.png').name})\n"
    yield (
        "ESR: energy of the error over energy of the target, mean of the held-out takes, then of "
        "the seeds (geometric), and the lowest and highest of them. Training: minutes of one "
        f"processor core. RTF: time to compute over time to play, in blocks of {BLOCK} frames, "
        "one core; native is rtaudio's own kernel, where there is one.\n"
    )
    yield f"Made by `rtaudio sweep {path} --out {out}` on {machine_line()}."


def _cells(line: dict[str, Any]) -> dict[str, str]:
    def number(value: float) -> str:
        return "-" if math.isnan(value) else f"{value:.3g}"

    return {
        "setting": line["setting"].replace("|", "\\|"),
        "esr": number(line["esr"]),
        "seeds": f"{number(line['esr_lowest'])} .. {number(line['esr_highest'])}"
        if line["seeds"] > 1
        else "one seed",
        "esr_worst_take": number(line["esr_worst_take"]),
        "error_db": f"{line['error_db']:.1f}",
        "parameters": f"{line['parameters']:,}",
        "epochs": f"{line['epochs']:.0f}",
        "train_minutes": f"{line['train_minutes']:.1f}",
        "rtf_native": number(line["rtf_native"]),
        "rtf_onnx": number(line["rtf_onnx"]),
    }


def _picture(config: SweepConfig, rows: list[Row]) -> Figure:
    """Draw for each part the ESR over the minutes of training, and the final ESR of each seed."""
    parts = [[row for row in rows if row.part == part.title] for part in config.parts]
    heights = [max(3.0, 0.8 + 0.36 * len(part)) for part in parts]
    figure = Figure(figsize=(12, sum(heights)), layout="constrained")
    grid: Any = figure.subplots(
        len(parts), 2, squeeze=False, height_ratios=heights, width_ratios=[3, 2]
    )
    reached = [m["esr_mean"] for row in rows for m in row.metrics()]
    limits = (min(reached) / 1.3, max(reached) * 1.3)
    for (curve, final), part in zip(grid, parts, strict=True):
        for place, row in enumerate(part):
            colour = f"C{place % 10}"
            for number, history in enumerate(row.history()):
                minutes = np.array(history["cpu_s"]) / 60
                curve.plot(
                    minutes,
                    history["val_esr"],
                    color=colour,
                    lw=1.2,
                    alpha=0.9,
                    ls="-" if place < 10 else "--",
                    label=None if number else row.label,
                )
            esr = [m["esr_mean"] for m in row.metrics()]
            final.plot(esr, [place] * len(esr), "o-", color=colour, ms=6, lw=1.5)
        curve.set_title(part[0].part, loc="left", fontsize=11)
        curve.set(xlabel="minutes of one core", ylabel="validation ESR", yscale="log")
        final.set(
            xlabel="ESR on the held-out takes",
            xscale="log",
            xlim=limits,
            ylim=(len(part) - 0.5, -0.5),
        )
        final.set_yticks(range(len(part)), [row.label for row in part])
        final.yaxis.tick_right()
        for axes, axis in ((curve, curve.yaxis), (final, final.xaxis)):
            plain_ticks(axis)
            axes.grid(visible=True, which="both", alpha=0.25, lw=0.6)
            axes.spines[["top", "left" if axes is final else "right"]].set_visible(False)
    return figure
