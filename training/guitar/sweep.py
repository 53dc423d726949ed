"""A sweep: many runs that differ in a few keys, and one table of their results."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from export.exporter import export_model
from rtaudio.models.loader import LoadedModel, load_model
from rtaudio.runtime.timing import block_microseconds
from rtaudio.view.terminal import progress
from training.checkpoint import load_checkpoint
from training.config import ConfigError, load_config, read_yaml
from training.engine import train_run
from training.guitar.config import GuitarConfig
from training.guitar.on_cluster import train_on_cluster
from training.guitar.study import BLOCK, Row, write_study
from training.guitar.sweep_config import Changes, SweepConfig
from training.guitar.task import AmpTask

__all__ = ["load_sweep", "sweep"]

ROUNDS = 5
ROUND_SAMPLES = 1 << 16


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


def sweep(
    path: str | Path,
    out: str | Path | None = None,
    *,
    show: bool = True,
    ray: str | None = None,
) -> list[Row]:
    """Train every row that is not trained yet, measure all, and write the table.

    Parameters
    ----------
    path
        The YAML file, see `training.guitar.sweep_config`.
    out
        The table is written to ``out.csv``, ``out.md`` and ``out.png``; None: to ``study.*`` in the
        sweep's own folder.
    show
        Show progress on the terminal.
    ray
        Address of a Ray cluster that trains, see `rtaudio.batch.cluster.Cluster`; None: train here.

    Returns
    -------
    list of Row
        The rows of the table.

    Raises
    ------
    ConfigError
        The file, or the configuration of a row, cannot be used; nothing has been trained.
    FileNotFoundError
        The folder of ``out`` does not exist.
    ClusterError
        The cluster cannot train. Trainings that failed are named; the others are kept.
    """
    path = Path(path)
    config = load_sweep(path)
    out = Path(out) if out is not None else config.run_folder / "study"
    rows = _rows(path, config)
    if not out.parent.is_dir() and out.parent != config.run_folder:
        raise FileNotFoundError(f"{out.parent}: no such folder; create it first")
    runs = {run.run_folder: run for row in rows for run in row.runs}
    left = [run for folder, run in runs.items() if not (folder / "metrics.json").is_file()]
    with progress(show) as bars:
        line = bars.add_task("training", total=len(runs), completed=len(runs) - len(left))
        if ray is not None:
            train_on_cluster(ray, train_one, left, lambda run: bars.advance(line))
        else:
            for run in left:
                bars.update(line, description=f"training {run.run_folder.name}")
                train_one(run)
                bars.advance(line)
    _measure(rows, show=show)
    write_study(config, path, rows, out)
    if show:
        print(f"the table: {out.with_suffix('.md')}")
    return rows


def train_one(run: GuitarConfig) -> None:
    """Train one run to its end, or go on where it was interrupted; in other processes, too."""
    make_task = partial(AmpTask, show=False)  # one display at a time
    begun = (run.run_folder / "config.json").is_file()
    train_run(run, make_task, resume=begun, show=False)


def _rows(path: Path, config: SweepConfig) -> list[Row]:
    """Check the configuration of every row; equal ones share a run folder, and so a training."""
    base_path = path.parent / config.base
    load_config(base_path, GuitarConfig)
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
) -> GuitarConfig:
    """Check one run; its folder is named by a hash of its content, so that equal runs share it."""
    told = {k: v for k, v in content.items() if k not in ("name", "description", "folder", "seed")}
    digest = hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()
    name = f"{digest[:10]}-{seed}"
    content = {**content, "name": name, "seed": seed, "folder": str(config.run_folder / name)}
    with tempfile.TemporaryDirectory() as folder:
        row = Path(folder) / "row.yaml"
        row.write_text(yaml.safe_dump(content), encoding="utf-8")
        try:
            return load_config(row, GuitarConfig)
        except ConfigError as error:
            text = str(error).replace(str(row), f"{path}: row {label!r}")
            raise ConfigError(text) from None


def _label(changes: Changes) -> str:
    """Say how a row differs from the base; a whole section, as ``net``, by its entries."""
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
    """Measure the real-time factors, in rounds over all rows, so that other load hits all alike."""
    nodes = []
    with progress(show) as bars:
        for row in bars.track(rows, description="exporting"):
            model = _model(row.runs[0])
            for engine in model.golden_errors:
                node = model.node(BLOCK, model.default_params(), engine=engine)
                # Blocks are timed per hop: most blocks of a hop only fill the buffer.
                together = math.ceil((model.file.card.hop or BLOCK) / BLOCK)
                play_us = 1e6 * together * BLOCK / model.file.card.rate_hz
                nodes.append((row, engine, node, together, play_us))
        for _ in bars.track(range(ROUNDS), description="measuring"):
            for row, engine, node, together, play_us in nodes:
                repeats = ROUND_SAMPLES // (BLOCK * together) * together
                spent = block_microseconds(node, BLOCK, repeats, channels=(1, 1))
                factor = float(np.median(spent.reshape(-1, together).sum(axis=1))) / play_us
                row.factors[engine] = min(factor, row.factors.get(engine, math.inf))


def _model(run: GuitarConfig) -> LoadedModel:
    path = run.run_folder / "model.onnx"
    if not path.is_file():
        export_model(*load_checkpoint(run.run_folder / "best.pt"), path)
    return load_model(path)
