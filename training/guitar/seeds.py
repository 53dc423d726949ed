"""Several runs that differ in their random start only; the best one is kept."""

from __future__ import annotations

import json
import shutil
import statistics
from pathlib import Path
from typing import Any

from rtaudio.atomic import replacing
from training.config import ConfigError
from training.engine import train_run
from training.guitar.config import GuitarConfig
from training.guitar.report import write_report
from training.guitar.task import AmpTask

__all__ = ["train_seeds"]


def train_seeds(
    config: GuitarConfig, count: int, *, resume: bool = False, **options: Any
) -> dict[str, Any]:
    """Train from ``count`` seeds and keep the net with the lowest validation ESR.

    Parameters
    ----------
    config
        The run; its seed is the first one. Each seed gets a folder within the run folder, which
        itself ends up like the run of the best seed.
    count
        Number of seeds.
    resume
        Go on where the runs were stopped.
    options
        As of `training.engine.train_run`.

    Returns
    -------
    dict
        The metrics of the best seed, and ``seeds``: the validation ESR of each.

    Raises
    ------
    ConfigError
        As `training.engine.train_run`, or the run folder holds a single run.
    """
    folder = config.run_folder
    if (folder / "last.pt").exists():
        raise ConfigError(
            f"{folder} holds a run of one seed already; name another folder, or remove it"
        )
    metrics: dict[int, dict[str, Any]] = {}
    runs: dict[int, Path] = {}
    for seed in range(config.seed, config.seed + count):
        runs[seed] = folder / f"seed-{seed}"
        one = config.model_copy(update={"seed": seed, "folder": str(runs[seed])})
        begun = (runs[seed] / "config.json").is_file()
        metrics[seed] = train_run(one, AmpTask, resume=resume and begun, **options)
    esr = {seed: statistics.fmean(metrics[seed]["esr"]["validation"].values()) for seed in runs}
    best = min(esr, key=lambda seed: esr[seed])
    for path in sorted(runs[best].iterdir()):
        if path.name != "last.pt":
            with replacing(folder / path.name) as temporary:
                shutil.copyfile(path, temporary)
    kept = {**metrics[best], "seeds": {str(seed): round(value, 6) for seed, value in esr.items()}}
    with replacing(folder / "metrics.json") as temporary:
        temporary.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    write_report(folder)
    return kept
