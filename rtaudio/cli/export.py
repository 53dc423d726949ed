"""``rtaudio export``: write a trained net or a third-party model as a file for other players."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rtaudio.atomic import new_file
from rtaudio.cli.extra import call_extra
from rtaudio.cli.folder_run import Force
from rtaudio.errors import UsageError
from rtaudio.view import terminal


def export(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="IN",
            help="A checkpoint of `rtaudio train`, a model file (.onnx) or the name of a shipped "
            "one, a third-party model (.nam, .aidax, .json), or a third-party denoiser (its file "
            "or folder).",
        ),
    ],
    target: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="The file to write. Its suffix chooses the player: .onnx (rtaudio), .nam (Neural "
            "Amp Modeler), .aidax (AIDA-X) or .json (RTNeural). A codec becomes two files: "
            "voice.encoder.onnx and voice.decoder.onnx for voice.onnx.",
        ),
    ],
    force: Force = False,
    half: Annotated[
        bool,
        typer.Option("--half", help="A checkpoint to .onnx: weights of half precision."),
    ] = False,
) -> None:
    """Export a net as a model file, or as a file for another player."""
    from rtaudio.catalogue import find_file
    from rtaudio.models.loader import MODEL_SUFFIXES

    if not source.exists() and source.suffix == ".pt":
        raise FileNotFoundError(f"{source}: no such file; `rtaudio train` writes checkpoints")
    source = find_file(source, "model")
    target = new_file(source, target, force)
    terminal.say_loading("PyTorch")
    if source.is_dir() or source.suffix in MODEL_SUFFIXES:
        if half:
            raise UsageError(f"{source}: --half is for checkpoints; export it without")
        call_extra("export.cli", "export", source, target, force)
    else:
        call_extra("training.cli", "export", source, target, force, half)
