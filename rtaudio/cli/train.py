"""``rtaudio train``: train a model."""

from __future__ import annotations

import importlib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from rtaudio.errors import UsageError
from rtaudio.view import terminal as show


class ComputeDevice(StrEnum):
    """Where to compute."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"
    XPU = "xpu"


class Size(StrEnum):
    """Cost of the net."""

    LIGHT = "light"
    MEDIUM = "medium"
    HEAVY = "heavy"


def train(
    what: Annotated[
        list[Path],
        typer.Argument(
            metavar="CAPTURE...|CONFIG",
            help="A folder that `rtaudio capture` wrote; several with knobs at other places for "
            "one model with knobs; or a YAML file, see training/configs.",
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="The folder of the run; else runs/NAME.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was stopped.")
    ] = False,
    seeds: Annotated[
        int, typer.Option(min=1, max=100, help="Train from so many random starts, keep the best.")
    ] = 1,
    size: Annotated[
        Size | None, typer.Option(help="For captures: what the model may cost; else medium.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Rounds through the data; else 60, or the file's.")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Start with the weights of this best.pt.")
    ] = None,
    device: Annotated[ComputeDevice, typer.Option(help="Where to compute.")] = ComputeDevice.AUTO,
    json: show.Json = False,
) -> None:
    """Train a model on captures, or as a configuration file says.

    The run is written to runs/NAME: best.pt, report.html, figures, and all that --resume needs.
    """
    for path in (*what, *([checkpoint] if checkpoint else [])):
        if not path.exists():
            raise FileNotFoundError(f"{path}: no such file or folder")
    call_extra(
        "training.cli",
        "train",
        what,
        out=out,
        resume=resume,
        seeds=seeds,
        device=device.value,
        size=size.value if size else None,
        epochs=epochs,
        checkpoint=checkpoint,
        as_json=json,
    )


def call_extra(module: str, function: str, *arguments: Any, **options: Any) -> None:
    """Call a function of a package that needs the extra ``train``.

    Notes
    -----
    It is imported by name: ``rtaudio`` does not depend on ``training`` or ``export``.
    """
    try:
        getattr(importlib.import_module(module), function)(*arguments, **options)
    except ModuleNotFoundError as error:
        name = error.name or ""
        if name.partition(".")[0] in ("rtaudio", "training", "export"):
            raise
        raise UsageError(f"{name} is not installed; pip install 'rtaudio[train]'") from None
