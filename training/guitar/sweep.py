"""A sweep: many runs that differ in a few keys, and one table of what came of them.

The file that `sweep` reads::

    name: guitar_study
    title: What a small net for an amp depends on
    base: crunch.yaml                       # a configuration of `rtaudio train`
    seeds: [0, 1]                           # every row is trained from each
    set: {schedule.epochs: 10}              # for all rows, in place of what the base says
    parts:
      - title: Learning rate
        text: What came out of it, in words.
        vary:                               # every combination is a row
          schedule.learning_rate: [0.01, 0.004, 0.001]
          schedule.shape: [constant, cosine]
      - title: Amount of data
        rows:                               # or the rows themselves
          - {data.train: [one], schedule.epochs: 40}
          - {data.train: [one, two], schedule.epochs: 20}
"""

from __future__ import annotations

import copy
import csv
import hashlib
import itertools
import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import yaml
from matplotlib.figure import Figure
from pydantic import BaseModel, ConfigDict, Field, model_validator
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from export.exporter import export_model
from rtaudio.atomic import replacing
from rtaudio.bench.machine import machine_line
from rtaudio.models.loader import LoadedModel, load_model
from rtaudio.runtime.timing import block_microseconds
from training.checkpoint import load_checkpoint
from training.config import ConfigError, TrainingConfig, load_config, read_yaml
from training.plots import plain_ticks, save
from training.run import train_run

__all__ = ["SweepConfig", "load_sweep", "sweep"]

BLOCK = 64
ROUNDS = 5
ROUND_SAMPLES = 1 << 16

Changes = dict[str, Any]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Part(_Section):
    """One question: rows that are compared with each other."""

    title: Annotated[str, Field(min_length=1)]
    text: str = ""
    vary: dict[str, Annotated[list[Any], Field(min_length=1)]] = {}
    rows: tuple[Changes, ...] = ()

    @model_validator(mode="after")
    def _either(self) -> Part:
        if bool(self.vary) == bool(self.rows):
            raise ValueError("wanted either vary or rows")
        return self

    def changes(self) -> list[Changes]:
        """What each row changes: dotted key -> value."""
        if self.rows:
            return list(self.rows)
        return [
            dict(zip(self.vary, values, strict=True))
            for values in itertools.product(*self.vary.values())
        ]


class SweepConfig(_Section):
    """A whole sweep, see the module; it trains in ``folder``, or in ``runs/<name>`` if empty."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    title: str
    text: str = ""
    base: str
    folder: str = ""
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (0,)
    set: Changes = {}
    parts: Annotated[tuple[Part, ...], Field(min_length=1)]

    @property
    def run_folder(self) -> Path:
        """Where the runs go."""
        return Path(self.folder or f"runs/{self.name}")


@dataclass
class Row:
    """One line of the table: how it differs, its runs (one for each seed), and its figures.

    ``factors`` are real-time factors by engine: time to compute over time to play.
    """

    part: str
    label: str
    runs: list[TrainingConfig]
    factors: dict[str, float]

    def metrics(self) -> list[dict[str, Any]]:
        """What each run left in ``metrics.json``."""
        return [
            json.loads((run.run_folder / "metrics.json").read_text(encoding="utf-8"))
            for run in self.runs
        ]

    def history(self) -> list[dict[str, list[float]]]:
        """Columns of each run's ``history.csv``."""
        columns = []
        for run in self.runs:
            with (run.run_folder / "history.csv").open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            columns.append({key: [float(row[key]) for row in rows] for key in rows[0]})
        return columns

    def figures(self) -> dict[str, Any]:
        """The line of the table."""
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


def load_sweep(path: str | Path) -> SweepConfig:
    """Read and check the file of a sweep.

    Raises
    ------
    ConfigError
        Not YAML, an unknown or missing key, a value out of range.
    FileNotFoundError
        No such file.
    """
    return read_yaml(Path(path), SweepConfig)


def sweep(path: str | Path, out: str | Path | None = None, *, show: bool = True) -> list[Row]:
    """Train every row that is not trained yet, measure all, and write the table.

    Parameters
    ----------
    path
        The YAML file, see the module.
    out
        Where the table goes: ``out.csv``, ``out.md`` and ``out.png``; None: ``study.*`` in the
        sweep's own folder.
    show
        Draw a progress bar.

    Returns
    -------
    list of Row
        The rows of the table.

    Raises
    ------
    ConfigError
        The file, or the configuration of a row, cannot be used; nothing has been trained.
    """
    path = Path(path)
    config = load_sweep(path)
    out = Path(out) if out is not None else config.run_folder / "study"
    rows = _rows(path, config)
    if not out.parent.is_dir() and out.parent != config.run_folder:
        raise FileNotFoundError(f"{out.parent}: no such folder; create it first")
    runs = {run.run_folder: run for row in rows for run in row.runs}
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, disable=not show) as bars:
        task = bars.add_task("training", total=len(runs))
        for folder, run in runs.items():
            bars.update(task, description=f"training {folder.name}")
            if not (folder / "metrics.json").is_file():
                train_run(run, resume=(folder / "last.ckpt").is_file(), show=False)
            bars.advance(task)
    _measure(rows, show=show)
    _write(config, path, rows, out)
    if show:
        print(f"the table: {out.with_suffix('.md')}")
    return rows


def _rows(path: Path, config: SweepConfig) -> list[Row]:
    """Check every row's configuration; equal ones share a run folder, and so a training."""
    base_path = path.parent / config.base
    load_config(base_path)
    base = yaml.safe_load(base_path.read_text(encoding="utf-8"))
    root = os.environ.get("RTAUDIO_DATA") or base_path.parent / base["data"].get("root", ".")
    base["data"]["root"] = str(Path(root).resolve())
    rows = []
    for part in config.parts:
        for changes in part.changes():
            content = copy.deepcopy(base)
            for key, value in {**config.set, **changes}.items():
                _assign(path, content, key, value)
            label = _label(changes)
            runs = [_run(path, config, content, label, seed) for seed in config.seeds]
            rows.append(Row(part.title, label, runs, {}))
    return rows


def _assign(path: Path, content: dict[str, Any], key: str, value: Any) -> None:
    *sections, last = key.split(".")
    place: Any = content
    for section in sections:
        place = place.get(section) if isinstance(place, dict) else None
    if not isinstance(place, dict):
        raise ConfigError(f"{path}: {key}: the base has no section {'.'.join(sections)!r}")
    place[last] = copy.deepcopy(value)


def _run(
    path: Path, config: SweepConfig, content: dict[str, Any], label: str, seed: int
) -> TrainingConfig:
    """Check one run; its folder is called after what it is told, so that equal ones meet."""
    told = {k: v for k, v in content.items() if k not in ("name", "description", "folder", "seed")}
    digest = hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()
    name = f"{digest[:10]}-{seed}"
    content = {**content, "name": name, "seed": seed, "folder": str(config.run_folder / name)}
    with tempfile.TemporaryDirectory() as folder:
        row = Path(folder) / "row.yaml"
        row.write_text(yaml.safe_dump(content), encoding="utf-8")
        try:
            return load_config(row)
        except ConfigError as error:
            text = str(error).replace(str(row), f"{path}: row {label!r}")
            raise ConfigError(text) from None


def _label(changes: Changes) -> str:
    """Tell what a row changes; a whole section, as ``net``, by its entries."""
    return ", ".join(
        " ".join(str(v) if k == "type" else f"{k} {v}" for k, v in value.items())
        if isinstance(value, Mapping)
        else f"{key.rpartition('.')[2]} {_value(value)}"
        for key, value in changes.items()
    )


def _value(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"{len(value)} takes" if len(value) != 1 else "1 take"
    return "no" if value is None else str(value)


def _measure(rows: list[Row], *, show: bool) -> None:
    """Fill in the real-time factors, in rounds over all rows, so that a busy machine is fair."""
    nodes = []
    with Progress(disable=not show, transient=True) as bars:
        for row in bars.track(rows, description="exporting"):
            model = _model(row.runs[0])
            for engine in model.golden_errors:
                node = model.node(BLOCK, model.default_params(), engine=engine)
                # All blocks of one hop belong together: most of them only fill the buffer.
                together = math.ceil((model.file.card.hop or BLOCK) / BLOCK)
                play_us = 1e6 * together * BLOCK / model.file.card.rate_hz
                nodes.append((row, engine, node, together, play_us))
        for _ in bars.track(range(ROUNDS), description="measuring"):
            for row, engine, node, together, play_us in nodes:
                repeats = ROUND_SAMPLES // (BLOCK * together) * together
                spent = block_microseconds(node, BLOCK, repeats, channels=(1, 1))
                factor = float(np.median(spent.reshape(-1, together).sum(axis=1))) / play_us
                row.factors[engine] = min(factor, row.factors.get(engine, math.inf))


def _model(run: TrainingConfig) -> LoadedModel:
    path = run.run_folder / "model.onnx"
    if not path.is_file():
        export_model(*load_checkpoint(run.run_folder / "best.pt"), path)
    return load_model(path)


def _write(config: SweepConfig, path: Path, rows: list[Row], out: Path) -> None:
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
    """For each part: ESR over the minutes of training, and ESR in the end, one dot for a seed."""
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
