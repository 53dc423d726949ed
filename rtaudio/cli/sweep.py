"""``rtaudio sweep``: train variants of a configuration, and compare them in one table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rtaudio.cli.extra import call_extra
from rtaudio.view import terminal


def sweep(
    config: Annotated[
        Path, typer.Argument(help="A YAML file such as training/configs/guitar_study.yaml.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Write OUT.csv, OUT.md and OUT.png.", show_default=False),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            "--ray",
            metavar="[ADDRESS]",
            help="Train on a Ray cluster; without an address, on one that starts here.",
        ),
    ] = None,
) -> None:
    """Train variants of a configuration; print one table of error, size, time and load.

    Finished variants are not trained again: to go on after a stop, start the same command.
    """
    if not config.is_file():
        example = "training/configs/guitar_study.yaml"
        raise FileNotFoundError(f"{config}: no such file; an example is {example}")
    terminal.say_loading("PyTorch")
    call_extra("training.guitar.sweep", "sweep", config, out, ray=ray)
