"""A training run in its folder: checkpoints, history, scores, pictures.

What a run leaves behind::

    last.ckpt      everything to go on from (Lightning)
    best.pt        the net with the lowest validation ESR, ready for export
    history.csv    one row per epoch
    metrics.json   scores of the best net on the held-out takes, time spent
    *.png          loss curve, waveforms, spectrograms and transfer curves
    clip_*.flac    a held-out take: dry, target, output, error
    report.html    all of this in one file
"""

from __future__ import annotations

import csv
import datetime
import json
import logging
import math
import os
import pickle
import subprocess
import time
import warnings
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, TQDMProgressBar
from typing_extensions import override

from export.streaming import StreamingModule
from rtaudio import __version__
from training import plots
from training.config import ConfigError, TrainingConfig
from training.data import Split, load_split
from training.models import NETS
from training.report import save_clips, write_report
from training.task import AmpTask, score

__all__ = ["make_net", "train_run"]

HISTORY_FIELDS = ["epoch", "loss", "val_esr", "learning_rate", "wall_s", "cpu_s"]


def make_net(config: TrainingConfig) -> StreamingModule:
    """The net a configuration asks for, with the random start its seed gives."""
    torch.manual_seed(config.seed)
    return NETS[config.net.type](**config.net.model_dump(exclude={"type"}))


def train_run(config: TrainingConfig, *, resume: bool = False, show: bool = True) -> dict[str, Any]:
    """Train, keep the best net by validation, score it on the held-out takes.

    Parameters
    ----------
    config
        The run.
    resume
        Go on from the last whole epoch in the run folder.
    show
        Draw a progress bar.

    Returns
    -------
    dict
        What ``metrics.json`` holds.

    Raises
    ------
    ConfigError
        The run folder holds a run already (without ``resume``), or none or another one (with it).
    """
    folder = config.run_folder
    last = folder / "last.ckpt"
    _check_folder(config, last, resume)
    torch.set_num_threads(config.threads)
    # Denormal states cost many times the time of normal ones, and nobody hears them.
    torch.set_flush_denormal(True)
    split = load_split(config.data)
    net = make_net(config)
    task = AmpTask(net, config, split)
    folder.mkdir(parents=True, exist_ok=True)
    _write_text(folder / "config.json", config.model_dump_json(indent=2))
    history = _History(folder, config, resume)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # Lightning's advice on loggers and worker processes, of no use to a run of this kind.
        warnings.filterwarnings("ignore", module="lightning")
        trainer = lightning.Trainer(
            max_epochs=config.schedule.epochs,
            accelerator="cpu",
            default_root_dir=folder,
            logger=False,
            callbacks=[history, *([TQDMProgressBar()] if show else [])],
            enable_progress_bar=show,
            enable_checkpointing=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            reload_dataloaders_every_n_epochs=1,
        )
        trainer.fit(task, ckpt_path=last if resume else None, weights_only=True)
    return _finish(config, split, net, history)


def _check_folder(config: TrainingConfig, last: Path, resume: bool) -> None:
    if not resume:
        if last.exists():
            raise ConfigError(
                f"{last.parent} holds a run already; go on with --resume, or remove the folder"
            )
        return
    if not last.is_file():
        raise ConfigError(f"{last}: no checkpoint to resume from; start without --resume")
    try:
        torch.load(last, weights_only=True)
        stored = TrainingConfig.model_validate_json((last.parent / "config.json").read_text())
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, LookupError, OSError):
        raise ConfigError(
            f"{last.parent}: last.ckpt or config.json is damaged; remove the folder and start anew"
        ) from None
    if stored != config:
        changed = [k for k, v in config.model_dump().items() if v != stored.model_dump()[k]]
        raise ConfigError(
            f"{last.parent}: the run was started with another {changed[0]!r}; "
            "undo the change, or start anew in another folder"
        )


class _History(Callback):
    """After every epoch: a row of history.csv, best.pt if the score is the best, last.ckpt."""

    def __init__(self, folder: Path, config: TrainingConfig, resume: bool) -> None:
        self.folder = folder
        self.config = config
        self.rows = _read_rows(folder / "history.csv") if resume else []
        self.code = _code_version()
        self._start = (0.0, 0.0)

    @override
    def on_train_start(self, trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        # A run killed between history and checkpoint has one row too many.
        self.rows = [row for row in self.rows if row["epoch"] < trainer.current_epoch]
        spent = (self.rows[-1]["wall_s"], self.rows[-1]["cpu_s"]) if self.rows else (0.0, 0.0)
        self._start = (time.monotonic() - spent[0], time.process_time() - spent[1])

    @override
    def on_train_epoch_end(
        self, trainer: lightning.Trainer, task: lightning.LightningModule
    ) -> None:
        assert isinstance(task, AmpTask)
        row = {
            "epoch": trainer.current_epoch,
            "loss": task.epoch_loss(),
            "val_esr": float(trainer.callback_metrics["val_esr"]),
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            "wall_s": time.monotonic() - self._start[0],
            "cpu_s": time.process_time() - self._start[1],
        }
        earlier = [r["val_esr"] for r in self.rows if math.isfinite(r["val_esr"])]
        if row["val_esr"] < min(earlier, default=math.inf):
            metrics = {"validation_esr": row["val_esr"], "epoch": row["epoch"]}
            self.save_best(task.net, task.split, metrics)
        self.rows.append(row)
        lines = [",".join(HISTORY_FIELDS)]
        lines += [",".join(repr(float(r[k])) for k in HISTORY_FIELDS) for r in self.rows]
        _write_text(self.folder / "history.csv", "\n".join(lines) + "\n")
        part = self.folder / ".last.ckpt.part"
        trainer.save_checkpoint(part)
        os.replace(part, self.folder / "last.ckpt")

    def save_best(self, net: StreamingModule, split: Split, metrics: dict[str, Any]) -> None:
        """Write best.pt: all the exporter needs, as plain data that runs no code when read."""
        data = self.config.data
        content = {
            "net": f"{type(net).__module__}:{type(net).__qualname__}",
            "arguments": self.config.net.model_dump(exclude={"type"}),
            "weights": net.state_dict(),
            "card": {
                "name": self.config.name,
                "description": self.config.description,
                "sample_rate": split.sample_rate,
                "license": self.config.license,
                "provenance": {
                    "data": data.model_dump(
                        mode="json",
                        include={"takes", "train", "validation", "test", "source", "license"},
                    ),
                    "teacher": data.model_dump(
                        include={"teacher", "advance_samples", "noise_seconds"}
                    ),
                    "config": self.config.model_dump(
                        mode="json", include={"seed", "net", "schedule"}
                    ),
                    "code": self.code,
                    "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
                },
                "metrics": {**metrics, "weights": sum(p.numel() for p in net.parameters())},
            },
        }
        part = self.folder / ".best.pt.part"
        torch.save(content, part)
        os.replace(part, self.folder / "best.pt")


def _read_rows(path: Path) -> list[dict[str, float]]:
    with path.open(newline="") as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


def _finish(
    config: TrainingConfig, split: Split, net: StreamingModule, history: _History
) -> dict[str, Any]:
    folder = config.run_folder
    if not (folder / "best.pt").is_file():
        raise ConfigError(
            f"{folder}: the loss was never a number; lower schedule.learning_rate and start anew"
        )
    best = torch.load(folder / "best.pt", weights_only=True)
    net.load_state_dict(best["weights"])
    net.eval()
    scores: dict[str, dict[str, float]] = {}
    for part in ("validation", "test"):
        takes = getattr(split, part)
        scores[part] = {take.name: round(score(net, take)[0], 6) for take in takes}
    held_out = [value for part in scores.values() for value in part.values()]
    metrics = {
        "esr": scores,
        "esr_mean": round(sum(held_out) / len(held_out), 6),
        "esr_max": max(held_out),
        "epoch": int(best["card"]["metrics"]["epoch"]),
        "wall_minutes": round(history.rows[-1]["wall_s"] / 60, 1),
        "cpu_minutes": round(history.rows[-1]["cpu_s"] / 60, 1),
    }
    history.save_best(net, split, metrics)
    _write_text(folder / "metrics.json", json.dumps(metrics, indent=2) + "\n")
    take = split.test[0]
    plots.loss_curve(history.rows, folder / "loss.png")
    played = score(net, take)[1].numpy()
    plots.comparison(take, played, split.sample_rate, folder)
    save_clips(take, played, split.sample_rate, folder)
    write_report(folder)
    return metrics


def _code_version() -> str:
    """Commit of a checkout ("+" if this code differs from it), else version of the package."""
    root = Path(__file__).parents[1]

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--", "training", "export")
        return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return __version__


def _write_text(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
