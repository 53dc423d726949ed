"""What `rtaudio export` does."""

from __future__ import annotations

from pathlib import Path

from export.checkpoint import load_checkpoint
from export.exporter import export_model

__all__ = ["export"]


def export(checkpoint: Path, out: Path) -> None:
    """Write a trained net as a model file, after proof that both play the same.

    Raises
    ------
    ValueError
        A checkpoint or a net that cannot be exported; one line that says why.
    FileNotFoundError
        No such checkpoint.
    """
    net, card = load_checkpoint(checkpoint)
    parity = export_model(net, card, out)
    latency = "not measurable" if parity.latency is None else f"peak at {parity.latency} samples"
    print(
        f"{out}: {out.stat().st_size:,} bytes; ONNX Runtime = PyTorch within "
        f"{parity.onnx_error:.1e}, blocks = whole within {parity.streaming_error:.1e}; "
        f"impulse response: {latency}"
    )
