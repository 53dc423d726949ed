"""``rtaudio export``: from a trained net or a capture to a file that others play."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rtaudio.cli.train import call_extra


def export(
    source: Annotated[Path, typer.Argument(
        metavar="IN", help="A checkpoint of `rtaudio train`, a model file (.onnx), a capture "
        "(.nam, .aidax, .json), or a denoiser of others (a file or its folder).")],
    target: Annotated[Path, typer.Argument(
        metavar="OUT", help="The file to write; its ending says what: .onnx (this program), .nam "
        "(Neural Amp Modeler), .aidax (AIDA-X) or .json (RTNeural).")],
) -> None:  # fmt: skip
    """Export a net: as a model file, or for another program.

    Example: rtaudio export presets/models/crunch.onnx crunch.nam
    """
    from rtaudio.models.loader import MODEL_SUFFIXES

    if not source.exists():
        raise FileNotFoundError(f"{source}: no such file; `rtaudio train` writes checkpoints")
    module = "export.cli" if source.is_dir() or source.suffix in MODEL_SUFFIXES else "training.cli"
    call_extra(module, "export", source, target)
