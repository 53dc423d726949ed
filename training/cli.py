"""What `rtaudio train` does, and `rtaudio export` with a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import yaml

from export.cli import export_net
from training.checkpoint import load_checkpoint
from training.config import ConfigError, load_config
from training.denoise.config import DenoiseConfig
from training.denoise.run import denoise_run
from training.denoise.scene_config import SceneConfig
from training.denoise.scenes import scene_run
from training.engine import train_run
from training.guitar.captures import capture_config
from training.guitar.config import GuitarConfig
from training.guitar.seeds import train_seeds
from training.guitar.task import AmpTask

__all__ = ["export", "train"]


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
    """Train a model, score it on what it has never heard, and say what to do next.

    Parameters
    ----------
    what
        One configuration, or folders that ``rtaudio capture`` wrote.
    out
        The folder of the run, in place of the configuration's.
    resume
        Go on with a run.
    seeds
        Train from so many random starts and keep the best.
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
        config = capture_config(what, size=size or "medium", epochs=epochs)
        begun = (out or config.run_folder) / "config.json"
        if resume and size is None and epochs is None and begun.is_file():
            with suppress(ValueError):  # a damaged file is train_run's to refuse
                config = GuitarConfig.model_validate_json(begun.read_text(encoding="utf-8"))
    elif len(what) == 1:
        if size is not None:
            raise ConfigError(f"--size is for captures; the net of {what[0]} is in the file")
        if _task(what[0]) == "denoise-features":
            if seeds != 1 or epochs is not None or resume or checkpoint is not None:
                raise ConfigError(
                    f"{what[0]}: a feature net; it is trained once, from its file alone"
                )
            _train_features(what[0], out, device, as_json)
            return
        if _task(what[0]) == "denoise":
            if seeds != 1 or epochs is not None:
                raise ConfigError(f"{what[0]}: a denoiser; seed and steps are in the file")
            _train_denoiser(what[0], out, resume, device, checkpoint, as_json)
            return
        config = load_config(what[0], GuitarConfig)
        if epochs is not None:
            schedule = config.schedule.model_copy(update={"epochs": epochs})
            config = config.model_copy(update={"schedule": schedule})
    else:
        raise ConfigError("give one configuration, or capture folders only")
    if out is not None:
        config = config.model_copy(update={"folder": str(out)})
    if seeds == 1:
        metrics = train_run(config, AmpTask, resume=resume, device=device, start=checkpoint)
    else:
        metrics = train_seeds(config, seeds, resume=resume, device=device, start=checkpoint)
    if as_json:
        print(json.dumps(metrics))
        return
    print(f"{config.name}, on what it never trained on: {metrics['esr_in_words']}")
    if "seeds" in metrics:
        each = ", ".join(f"{seed}: {esr:.4f}" for seed, esr in metrics["seeds"].items())
        print(f"validation ESR of the seeds: {each}; the best is kept")
    print(f"look and listen: {config.run_folder / 'report.html'}")
    best = config.run_folder / "best.pt"
    print(f"export it: rtaudio export {best} {config.name}.onnx (or .nam, .aidax)")


def export(source: Path, out: Path) -> None:
    """Write the net of a checkpoint; see `export.cli.export` for ``out`` and what is raised."""
    net, card = load_checkpoint(source)
    export_net(net, card, source, out)


def _task(path: Path) -> str:
    """The task a configuration names; effects name none. Faults are the loader's to tell."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return ""
    return str(content.get("task", "")) if isinstance(content, dict) else ""


def _train_denoiser(
    path: Path,
    out: Path | None,
    resume: bool,
    device: str,
    checkpoint: Path | None,
    as_json: bool,
) -> None:
    config = load_config(path, DenoiseConfig)
    if out is not None:
        config = config.model_copy(update={"folder": str(out)})
    metrics = denoise_run(config, resume=resume, device=device, start=checkpoint)
    if as_json:
        print(json.dumps(metrics))
        return
    print(
        f"{config.name}, on mixtures it never trained on: SI-SDR "
        f"{metrics['validation_si_sdr_db']:.1f} dB, loss {metrics['validation_loss']:.4f}"
    )
    print(f"export it: rtaudio export {config.run_folder / 'best.pt'} {config.name}.onnx")


def _train_features(path: Path, out: Path | None, device: str, as_json: bool) -> None:
    config = load_config(path, SceneConfig)
    if out is not None:
        config = config.model_copy(update={"folder": str(out)})
    metrics = scene_run(config, device=device)
    if as_json:
        print(json.dumps(metrics))
        return
    print(
        f"{config.name}, on what it never trained on: {100 * metrics['scene_accuracy']:.0f} % of "
        f"{metrics['excerpts']} excerpts of {metrics['kinds']} kinds named rightly"
    )
    print(f"it serves the loss term 'features': net: {config.run_folder / 'features.pt'}")
