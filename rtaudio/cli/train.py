"""``rtaudio train``: train a model."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated, Any

import typer


def train(
    config: Annotated[Path, typer.Argument(help="A YAML file, see training/configs.")],
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint.")
    ] = False,
) -> None:
    """Train a model as a configuration file says."""
    if not config.is_file():
        raise FileNotFoundError(f"{config}: no such configuration file; see training/configs")
    call_extra("training.cli", "train", config, resume)


def call_extra(module: str, function: str, *arguments: Any) -> None:
    """Call a function of a package that needs the extra ``train``.

    Notes
    -----
    It is imported by name: ``rtaudio`` does not depend on ``training`` or ``export``.
    """
    try:
        getattr(importlib.import_module(module), function)(*arguments)
    except ModuleNotFoundError as error:
        name = error.name or ""
        if name.partition(".")[0] in ("rtaudio", "training", "export"):
            raise
        raise ValueError(f"{name} is not installed; pip install 'rtaudio[train]'") from None
