"""``rtaudio sweep``: train many variants, and compare them in one table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rtaudio.cli.train import call_extra


def sweep(
    config: Annotated[
        Path, typer.Argument(help="A YAML file, see training/configs/guitar_study.yaml.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Write OUT.csv, OUT.md and OUT.png there.", show_default=False),
    ] = None,
) -> None:
    """Train variants of a configuration; one table of error, size, time and load.

    What is trained already is not trained again: start the same command to go on.
    """
    if not config.is_file():
        raise FileNotFoundError(f"{config}: no such file; see training/configs/guitar_study.yaml")
    call_extra("training.guitar.sweep", "sweep", config, out)
