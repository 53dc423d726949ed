"""`rtaudio train`, and `rtaudio export` with a checkpoint."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import yaml

from export.cli import export_net
from rtaudio.view.terminal import remark
from rtaudio.view.words import counted
from training.checkpoint import load_checkpoint
from training.codec.config import CodecConfig
from training.codec.task import CodecTask
from training.config import ConfigError, RunConfig, load_config
from training.convolutional_codec.config import ConvolutionalCodecConfig
from training.convolutional_codec.task import ConvolutionalCodecTask
from training.denoise.config import DenoiseConfig
from training.denoise.scene_config import SceneConfig
from training.denoise.scene_task import SceneTask
from training.denoise.task import DenoiseTask
from training.engine import pick_device, train_run
from training.guitar.captures import capture_config
from training.guitar.config import GuitarConfig
from training.guitar.forecast import forecast
from training.guitar.seeds import train_seeds
from training.guitar.task import AmpTask
from training.mastering.config import MasteringConfig
from training.mastering.task import MasteringTask
from training.separation.config import SeparationConfig
from training.separation.task import SeparationTask
from training.task import Task

__all__ = ["TASKS", "Kind", "export", "train"]


class Kind(NamedTuple):
    """A kind of training: configuration and task, the options it takes, and why no others."""

    config: type[RunConfig]
    task: type[Task]
    options: tuple[str, ...] = ()
    refusal: str = ""


GUITAR = "guitar"

TASKS = {
    GUITAR: Kind(GuitarConfig, AmpTask, ("seeds", "epochs", "checkpoint")),
    "denoise": Kind(
        DenoiseConfig, DenoiseTask, ("checkpoint",), "a denoiser; seed and steps are in the file"
    ),
    "denoise-features": Kind(
        SceneConfig, SceneTask, (), "a feature net; it is trained once, from its file alone"
    ),
    "codec": Kind(
        CodecConfig, CodecTask, ("checkpoint",), "a codec; seed and steps are in the file"
    ),
    "convolutional-codec": Kind(
        ConvolutionalCodecConfig,
        ConvolutionalCodecTask,
        ("checkpoint",),
        "a codec; seed and steps are in the file",
    ),
    "mastering": Kind(
        MasteringConfig,
        MasteringTask,
        ("checkpoint",),
        "a mastering net; seed and steps are in the file",
    ),
    "separation": Kind(
        SeparationConfig,
        SeparationTask,
        ("checkpoint",),
        "a separator; seed and steps are in the file",
    ),
}
"""Kinds of training by the ``task`` of a configuration; a file without one is for guitar."""


def train(
    what: Sequence[Path],
    *,
    out: Path | None = None,
    resume: bool = False,
    seeds: int = 1,
    device: str = "auto",
    size: str | None = None,
    epochs: int | None = None,
    checkpoint: Path | None = None,
    as_json: bool = False,
) -> None:
    """Train a model, score it on held-out data, and print the scores and what to do next.

    Parameters
    ----------
    what
        One configuration, or folders that ``rtaudio capture`` wrote.
    out
        The folder of the run, in place of the configuration's.
    resume
        Go on with a run.
    seeds
        Number of random starts; the best run is kept.
    device
        See `training.engine.pick_device`.
    size
        For captures; see `training.guitar.captures.SIZES`.
    epochs
        In place of the configuration's.
    checkpoint
        Start with the weights of this ``best.pt``.
    as_json
        Print the scores as one JSON object instead.

    Raises
    ------
    ValueError
        A configuration, capture or run folder that cannot be used; one line that says why.
    FileNotFoundError
        No such configuration or folder.
    """
    if all(path.is_dir() for path in what):
        kind = TASKS[GUITAR]
        config: RunConfig = _of_captures(what, out, resume, size, epochs)
    elif len(what) == 1:
        kind = _kind(what[0])
        if size is not None:
            raise ConfigError(f"--size is for captures; the net of {what[0]} is in the file")
        given = {"seeds": seeds != 1, "epochs": epochs is not None, "checkpoint": bool(checkpoint)}
        if any(used and option not in kind.options for option, used in given.items()):
            raise ConfigError(f"{what[0]}: {kind.refusal}")
        config = load_config(what[0], kind.config)
        if isinstance(config, GuitarConfig) and epochs is not None:
            schedule = config.schedule.model_copy(update={"epochs": epochs})
            config = config.model_copy(update={"schedule": schedule})
    else:
        raise ConfigError("give one configuration, or capture folders only")
    if out is not None:
        config = config.model_copy(update={"folder": str(out)})
    if all(path.is_dir() for path in what) and not resume:
        _print_forecasts(what, size or "medium", epochs, seeds, device)
    try:
        if isinstance(config, GuitarConfig) and seeds != 1:
            metrics = train_seeds(config, seeds, resume=resume, device=device, start=checkpoint)
        else:
            metrics = train_run(config, kind.task, resume=resume, device=device, start=checkpoint)
    except KeyboardInterrupt:
        options: dict[str, object] = {
            "out": out,
            "seeds": seeds if seeds != 1 else None,
            "device": device if device != "auto" else None,
            "checkpoint": checkpoint,
        }
        if seeds != 1 or not all(path.is_dir() for path in what):  # else the run folder knows
            options |= {"size": size, "epochs": epochs}
        _print_way_on(config.run_folder, what, options)
        raise
    if as_json:
        print(json.dumps(metrics))
        return
    print(f"{config.name}, on held-out data: {kind.task.verdict(metrics)}")
    if "seeds" in metrics:
        each = ", ".join(f"{seed}: {esr:.4f}" for seed, esr in metrics["seeds"].items())
        print(f"validation ESR of the seeds: {each}; the best is kept")
    for line in kind.task.next_steps(config):
        print(line)


def _print_forecasts(
    folders: Sequence[Path], size: str, epochs: int | None, seeds: int, device: str
) -> None:
    """Say what each size will take here, and how good its like became elsewhere."""
    remark("timing the first steps of each size on this machine ...")
    for found in forecast(folders, pick_device(device), epochs=epochs):
        mark = "->" if found.size == size else "  "
        times = f", times {seeds} seeds" if found.size == size and seeds > 1 else ""
        remark(f"{mark} {found}{times}")


def _print_way_on(folder: Path, what: Sequence[Path], given: Mapping[str, object]) -> None:
    """Say what an interrupted run has left on the disk, and the command that goes on with it."""
    for run in sorted(folder.glob("seed-*")) or [folder]:
        kept = sorted(run.glob("*")) if run.is_dir() else []
        size_mb = sum(file.stat().st_size for file in kept if file.is_file()) / 1e6
        if (run / "last.pt").is_file():
            epochs = len((run / "history.csv").read_text("utf-8").splitlines()) - 1
            best = ", best.pt (the best net so far, ready for export)"
            found = f"{counted(epochs, 'epoch')} in last.pt{best}"
            found = found if (run / "best.pt").is_file() else found.removesuffix(best)
        else:
            found = "no epoch is over yet, so it will begin anew"
        remark(f"on the disk: {run}, {size_mb:.1f} MB: {found}")
    words = ["rtaudio", "train", *map(str, what), "--resume"]
    for option, value in given.items():
        words += [f"--{option}", str(value)] if value is not None else []
    remark(f"to go on: {shlex.join(words)}")


def export(source: Path, out: Path, force: bool = True, half: bool = False) -> None:
    """Export the net of a checkpoint.

    Parameters
    ----------
    source
        The ``best.pt`` of a run.
    out
        The file to write; its suffix names the format, see `export.cli.export_net`.
    force, half
        As for `export.cli.export_net`.

    Raises
    ------
    ValueError
        No such checkpoint, or a net that this format cannot hold.
    """
    net, card = load_checkpoint(source)
    export_net(net, card, source, out, force, half)


def _of_captures(
    folders: Sequence[Path], out: Path | None, resume: bool, size: str | None, epochs: int | None
) -> GuitarConfig:
    """Return the configuration for captures; that of the run, if it goes on without options."""
    config = capture_config(folders, size=size or "medium", epochs=epochs)
    begun = (out or config.run_folder) / "config.json"
    if resume and size is None and epochs is None and begun.is_file():
        with suppress(ValueError):  # the engine refuses a damaged file
            config = GuitarConfig.model_validate_json(begun.read_text(encoding="utf-8"))
    return config


def _kind(path: Path) -> Kind:
    """Return the kind of training that a configuration names; other faults are `load_config`'s."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        content = None
    name = content.get("task", GUITAR) if isinstance(content, dict) else GUITAR
    if not isinstance(name, str) or name not in TASKS:
        raise ConfigError(f"{path}: task: unknown task {name!r}; choose from {', '.join(TASKS)}")
    return TASKS[name]
