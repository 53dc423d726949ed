"""A training run in its folder: checkpoints, history, scores, pictures.

What a run leaves behind::

    config.json    what was asked for
    train.log      what was said
    last.ckpt      everything to go on from (Lightning)
    best.pt        the net with the lowest validation ESR, ready for export
    epoch-*.pt     the nets of the best epochs, if the schedule keeps several
    history.csv    one row per epoch
    metrics.json   scores of the best net on the held-out takes, time spent
    *.png          loss curve, waveforms, spectrograms and transfer curves
    clip_*.flac    a held-out take: dry, target, output, error
    report.html    all of this in one file
"""

from __future__ import annotations

import csv
import datetime
import inspect
import json
import logging
import math
import pickle
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.strategies import SingleDeviceStrategy
from rich.progress import Progress
from typing_extensions import override

from export.streaming import StreamingModule
from rtaudio import __version__
from rtaudio.atomic import replacing
from rtaudio.view.terminal import progress
from training import plots
from training.checkpoint import load_checkpoint
from training.config import CaptureData, ConfigError, DataConfig, TeacherData, TrainingConfig
from training.guitar.data import Split, load_split
from training.guitar.task import AmpTask, play, scores
from training.models import net_class
from training.report import save_clips, write_report

__all__ = ["make_net", "pick_device", "train_run"]

LOG = logging.getLogger("training")
SAID = logging.INFO + 1
"""Level of what the screen shows too."""

HISTORY_FIELDS = ["epoch", "loss", "val_esr", "learning_rate", "wall_s", "cpu_s"]


def make_net(config: TrainingConfig, knobs: Sequence[Mapping[str, Any]] = ()) -> StreamingModule:
    """The net a configuration asks for, with the random start its seed gives.

    Raises
    ------
    ConfigError
        There are ``knobs``, but the net takes none.
    """
    torch.manual_seed(config.seed)
    kind = net_class(config.net.type)
    if knobs and "knobs" not in inspect.signature(kind).parameters:
        raise ConfigError(f"net.type: {config.net.type} takes no knobs; choose another net")
    return kind(**_arguments(config, knobs))


def _arguments(config: TrainingConfig, knobs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {**config.net.arguments, **({"knobs": [dict(knob) for knob in knobs]} if knobs else {})}


def pick_device(name: str = "auto") -> torch.device:
    """Return the device of a name: cpu, cuda (also AMD's), mps or xpu; auto finds one itself.

    Raises
    ------
    ConfigError
        It is not there.
    """
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "xpu": torch.xpu.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(kind for kind, present in there.items() if present))
    if not there.get(name):
        present = ", ".join(kind for kind, found in there.items() if found)
        raise ConfigError(f"device {name!r} is not there; choose auto, or one of: {present}")
    return torch.device(name)


def train_run(
    config: TrainingConfig,
    *,
    resume: bool = False,
    device: str = "auto",
    start: Path | None = None,
    show: bool = True,
) -> dict[str, Any]:
    """Train, keep the best net by validation, score it on the held-out takes.

    Parameters
    ----------
    config
        The run.
    resume
        Go on from the last whole epoch in the run folder, or from the beginning if the run was
        stopped before there was one.
    device
        Where to compute; see `pick_device`.
    start
        A ``best.pt`` whose weights the net starts with.
    show
        Show progress.

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
    place = pick_device(device)
    torch.set_num_threads(config.threads)
    # Denormal states cost many times the time of normal ones, and nobody hears them.
    torch.set_flush_denormal(True)
    split = load_split(config.data)
    net = make_net(config, split.knobs)
    if start is not None:
        load_weights(net, start)
    split = split.delayed(net.latency_samples)
    task = AmpTask(net, config, split)
    folder.mkdir(parents=True, exist_ok=True)
    _write_text(folder / "config.json", config.model_dump_json(indent=2))
    resume = resume and last.is_file()
    with logging_to(folder / "train.log", show):
        _say_what(config, net, split, place, resume)
        with progress(show) as bar, warnings.catch_warnings():
            history = _History(folder, config, resume, bar)
            # Lightning's advice on loggers and worker processes, of no use to a run of this kind.
            warnings.filterwarnings("ignore", module="lightning")
            trainer = lightning.Trainer(
                max_epochs=config.schedule.epochs,
                **_placement(place),
                default_root_dir=folder,
                logger=False,
                callbacks=[history],
                enable_progress_bar=False,
                enable_checkpointing=False,
                enable_model_summary=False,
                num_sanity_val_steps=0,
                reload_dataloaders_every_n_epochs=1,
            )
            on_ctrl_c = signal.getsignal(signal.SIGINT)
            try:
                trainer.fit(task, ckpt_path=last if resume else None, weights_only=True)
            except SystemExit:
                # Lightning answers Ctrl-C by leaving the program, deaf to a second one.
                signal.signal(signal.SIGINT, on_ctrl_c)
                LOG.info("stopped; go on with --resume")
                raise KeyboardInterrupt from None
        return _finish(config, split, net.cpu(), history)


def _placement(device: torch.device) -> dict[str, Any]:
    """Lightning's words for a device. It knows no XPU, but a strategy that takes any device."""
    if device.type == "xpu":
        return {"strategy": SingleDeviceStrategy(device)}
    return {"accelerator": device.type, "devices": 1}


def load_weights(net: StreamingModule, path: Path) -> None:
    """Give a net the weights of a ``best.pt``, or refuse those of another one."""
    trained, _ = load_checkpoint(path)
    if type(trained) is not type(net):
        raise ConfigError(
            f"{path}: a {type(trained).__name__}, but the run is of a {type(net).__name__}"
        )
    try:
        net.load_state_dict(trained.state_dict())
    except RuntimeError:
        raise ConfigError(
            f"{path}: its sizes are not those of the run; make net: the same as there"
        ) from None


@contextmanager
def logging_to(path: Path, show: bool) -> Iterator[None]:
    """Write what the run says to a file too, and to the console if wanted."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    handlers: list[logging.Handler] = [logging.FileHandler(path, encoding="utf-8")]
    handlers[0].setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    if show:
        handlers.append(logging.StreamHandler())
        # One line for each epoch is for the file; the screen has its progress bar.
        handlers[1].setLevel(SAID if sys.stderr.isatty() else logging.INFO)
    LOG.setLevel(logging.INFO)
    for handler in handlers:
        LOG.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            LOG.removeHandler(handler)
            handler.close()


def _say_what(
    config: TrainingConfig, net: StreamingModule, split: Split, device: torch.device, resume: bool
) -> None:
    seconds = sum(len(take.dry) - take.skip_samples for take in split.train) / split.sample_rate
    weights = sum(p.numel() for p in net.parameters())
    knobs = ", ".join(f"{k['name']} {k['min']:g} .. {k['max']:g}" for k in split.knobs)
    LOG.log(
        SAID,
        "%s %s: %s with %s weights%s, on %s; %.1f min to train on, at %d Hz",
        "going on with" if resume else "training",
        config.name,
        config.net.type,
        f"{weights:,}",
        f" and the knobs {knobs}" if knobs else "",
        device.type,
        seconds / 60,
        split.sample_rate,
    )


def _check_folder(config: TrainingConfig, last: Path, resume: bool) -> None:
    if not resume:
        if last.exists():
            raise ConfigError(
                f"{last.parent} holds a run already; go on with --resume, or start anew with --out"
            )
        return
    if not (last.parent / "config.json").is_file():
        raise ConfigError(f"{last}: no checkpoint to resume from; start without --resume")
    try:
        if last.is_file():
            torch.load(last, map_location="cpu", weights_only=True)
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

    def __init__(self, folder: Path, config: TrainingConfig, resume: bool, bar: Progress) -> None:
        self.folder = folder
        self.config = config
        self.rows = _read_rows(folder / "history.csv") if resume else []
        self.code = code_version()
        self.bar = bar
        self._start = (0.0, 0.0)

    @override
    def on_train_start(self, trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        # A run killed between history and checkpoint has one row too many.
        self.rows = [row for row in self.rows if row["epoch"] < trainer.current_epoch]
        spent = (self.rows[-1]["wall_s"], self.rows[-1]["cpu_s"]) if self.rows else (0.0, 0.0)
        self._start = (time.monotonic() - spent[0], time.process_time() - spent[1])
        self._stop_on_plateau(trainer)
        self._line = self.bar.add_task(self.config.name, total=1000 * self.config.schedule.epochs)

    @override
    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        share = (trainer.fit_loop.batch_idx + 1) / trainer.num_training_batches
        self.bar.update(self._line, completed=int(1000 * (trainer.current_epoch + share)))

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
        self.rows.append(row)
        self._keep_best(task, row)
        lines = [",".join(HISTORY_FIELDS)]
        lines += [",".join(repr(float(r[k])) for k in HISTORY_FIELDS) for r in self.rows]
        _write_text(self.folder / "history.csv", "\n".join(lines) + "\n")
        with replacing(self.folder / "last.ckpt") as temporary:
            trainer.save_checkpoint(temporary)
        LOG.info(
            "epoch %d of %d: loss %.5f, validation ESR %.5f, learning rate %.2e",
            row["epoch"] + 1,
            self.config.schedule.epochs,
            row["loss"],
            row["val_esr"],
            row["learning_rate"],
        )
        best = min(
            (r["val_esr"] for r in self.rows if math.isfinite(r["val_esr"])), default=math.nan
        )
        self.bar.update(self._line, description=f"{self.config.name}: ESR {best:.4f}")
        self._stop_on_plateau(trainer)

    def _ranking(self) -> list[dict[str, float]]:
        finite = [row for row in self.rows if math.isfinite(row["val_esr"])]
        return sorted(finite, key=lambda row: (row["val_esr"], row["epoch"]))

    def _stop_on_plateau(self, trainer: lightning.Trainer) -> None:
        patience = self.config.schedule.patience_epochs
        if patience is None or not self.rows:
            return
        best = self._ranking()[0]["epoch"] if self._ranking() else -1
        if self.rows[-1]["epoch"] - best >= patience:
            trainer.should_stop = True

    def _keep_best(self, task: AmpTask, row: dict[str, float]) -> None:
        keep = self.config.schedule.keep_best
        best = [int(r["epoch"]) for r in self._ranking()[:keep]]
        if int(row["epoch"]) not in best:
            return
        metrics = {"validation_esr": row["val_esr"], "epoch": row["epoch"]}
        if keep > 1:
            self.save_best(task.net, task.split, metrics, f"epoch-{row['epoch']:03.0f}.pt")
            wanted = {f"epoch-{epoch:03d}.pt" for epoch in best}
            for path in self.folder.glob("epoch-*.pt"):
                if path.name not in wanted:
                    path.unlink()
        if int(row["epoch"]) == best[0]:
            self.save_best(task.net, task.split, metrics)

    def save_best(
        self, net: StreamingModule, split: Split, metrics: dict[str, Any], name: str = "best.pt"
    ) -> None:
        """Write a checkpoint: all the exporter needs, as plain data that runs no code when read."""
        content = {
            "net": f"{type(net).__module__}:{type(net).__qualname__}",
            "arguments": _arguments(self.config, split.knobs),
            "weights": {name: value.cpu() for name, value in net.state_dict().items()},
            "card": {
                "name": self.config.name,
                "description": self.config.description,
                "sample_rate": split.sample_rate,
                "levels": dict(split.levels),
                "license": self.config.license,
                "provenance": {
                    **_provenance(self.config.data),
                    "config": self.config.model_dump(
                        mode="json", include={"seed", "net", "loss", "schedule"}
                    ),
                    "code": self.code,
                    "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
                },
                "metrics": {**metrics, "weights": sum(p.numel() for p in net.parameters())},
            },
        }
        with replacing(self.folder / name) as temporary:
            torch.save(content, temporary)


def _provenance(data: DataConfig) -> dict[str, Any]:
    """What the card says of the data: no path of this machine."""
    if isinstance(data, TeacherData):
        return {
            "data": data.model_dump(
                mode="json",
                include={"takes", "train", "validation", "test", "source", "license"},
            ),
            "teacher": data.model_dump(
                mode="json",
                include={"teacher", "advance_samples", "noise_seconds", "gain_db"}
                | ({"knobs", "test_knobs"} if data.knobs else set()),
            ),
        }
    if isinstance(data, CaptureData):
        # Where they lie is nobody's business; what they are called may be.
        names = [Path(folder).name for folder in data.captures]
        return {"data": {"captures": names, "source": data.source, "license": data.license}}
    return {"data": data.model_dump(mode="json", exclude={"root"})}


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
    best = torch.load(folder / "best.pt", map_location="cpu", weights_only=True)
    net.load_state_dict(best["weights"])
    net.eval()
    esr = {
        part: {name: round(value, 6) for name, value in scores(net, takes).items()}
        for part, takes in (("validation", split.validation), ("test", split.test))
    }
    held_out = [value for part in esr.values() for value in part.values()]
    mean = round(sum(held_out) / len(held_out), 6)
    metrics = {
        "esr": esr,
        "esr_mean": mean,
        "esr_max": max(held_out),
        "esr_in_words": plots.esr_in_words(mean),
        "epoch": int(best["card"]["metrics"]["epoch"]),
        "wall_minutes": round(history.rows[-1]["wall_s"] / 60, 1),
        "cpu_minutes": round(history.rows[-1]["cpu_s"] / 60, 1),
    }
    history.save_best(net, split, metrics)
    _write_text(folder / "metrics.json", json.dumps(metrics, indent=2) + "\n")
    take = max(split.test or split.validation, key=lambda take: len(take.dry))
    played = play(net, [take])[0].numpy()
    if net.latency_samples:  # the wet side was delayed for the training
        late = net.latency_samples
        take, played = replace(take, dry=take.dry[:-late], wet=take.wet[late:]), played[late:]
    plots.loss_curve(history.rows, folder / "loss.png")
    plots.comparison(take, played, split.sample_rate, folder)
    save_clips(take, played, split.sample_rate, folder)
    write_report(folder)
    LOG.info(
        "on what it never trained on: %s; worst take: ESR %.2g",
        metrics["esr_in_words"],
        metrics["esr_max"],
    )
    return metrics


def code_version() -> str:
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
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
