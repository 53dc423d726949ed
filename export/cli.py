"""The verb `rtaudio export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["export"]


def export(
    checkpoint: Annotated[Path, typer.Argument(help="best.pt of a training run")],
    out: Annotated[Path, typer.Argument(help="model file to write, .onnx")],
) -> None:
    """Write a trained net as a model file, after proof that both play the same.

    Example: rtaudio export runs/crunch/best.pt crunch.onnx
    """
    # Imported here: the other verbs must not wait for torch.
    from export.checkpoint import load_checkpoint
    from export.exporter import export_model

    net, card = load_checkpoint(checkpoint)
    parity = export_model(net, card, out)
    latency = "not measurable" if parity.latency is None else f"peak at {parity.latency} samples"
    typer.echo(
        f"{out}: {out.stat().st_size:,} bytes; ONNX Runtime = PyTorch within "
        f"{parity.onnx_error:.1e}, blocks = whole within {parity.streaming_error:.1e}; "
        f"impulse response: {latency}"
    )
