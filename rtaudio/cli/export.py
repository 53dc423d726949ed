"""``rtaudio export``: make a model file of a trained net."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rtaudio.cli.train import call_extra


def export(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint that `rtaudio train` wrote.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The model file, NAME.onnx.")],
) -> None:
    """Export a checkpoint as a streaming model file."""
    if not checkpoint.is_file():
        raise FileNotFoundError(f"{checkpoint}: no such checkpoint; `rtaudio train` writes them")
    call_extra("export.cli", "export", checkpoint, target)
