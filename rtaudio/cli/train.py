"""``rtaudio train``: train a model."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rtaudio.cli.extra import call_extra
from rtaudio.view import terminal


class ComputeDevice(StrEnum):
    """Where PyTorch computes."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"
    XPU = "xpu"


class Size(StrEnum):
    """Cost of the model when it plays."""

    LIGHT = "light"
    MEDIUM = "medium"
    HEAVY = "heavy"


def train(
    what: Annotated[
        list[Path],
        typer.Argument(
            metavar="CAPTURE...|CONFIG",
            help="A folder of `rtaudio capture`; several, with different --knob settings, for a "
            "model with knobs; or a YAML file such as those in training/configs.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run (default: runs/NAME).")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was stopped.")
    ] = False,
    seeds: Annotated[
        int, typer.Option(min=1, max=100, help="Train from N random starts, and keep the best.")
    ] = 1,
    size: Annotated[
        Size | None, typer.Option(help="For captures: cost of the model (default: medium).")
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Rounds through the data (default: as in the file, or 60)."),
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Start with the weights of this checkpoint.")
    ] = None,
    device: Annotated[ComputeDevice, typer.Option(help="Where to compute.")] = ComputeDevice.AUTO,
    json: terminal.Json = False,
) -> None:
    """Train a model on captures, or as a configuration file says.

    The folder of the run holds best.pt, report.html, its figures, and the state for --resume.
    """
    for path in (*what, *([checkpoint] if checkpoint else [])):
        if not path.exists():
            raise FileNotFoundError(f"{path}: no such file or folder")
    terminal.say_loading("PyTorch")
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
