"""The verb `rtaudio train`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["train"]


def train(
    config: Annotated[Path, typer.Argument(help="YAML file, see training/configs")],
    resume: Annotated[
        bool, typer.Option("--resume", help="go on from the last whole epoch")
    ] = False,
) -> None:
    """Train a model and score it on takes it has never heard.

    Example: rtaudio train training/configs/crunch.yaml
    """
    # Imported here: the other verbs must not wait for torch.
    from training.config import load_config
    from training.run import train_run

    checked = load_config(config)
    metrics = train_run(checked, resume=resume)
    typer.echo(json.dumps(metrics, indent=2))
    typer.echo(f"export it: rtaudio export {checked.run_folder / 'best.pt'} {checked.name}.onnx")
