"""The cost of the context-aggregation net by width and rate: ``python -m benchmarks.context``.

The exported graph in ONNX Runtime with one thread, as a chain plays it; the weights do not matter.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from export.exporter import export_model
from rtaudio.bench.machine import machine_line
from rtaudio.models.loader import load_model
from rtaudio.runtime.timing import block_microseconds
from training.models.context import ContextNet

WIDTHS = (32, 64)
RATES_HZ = (16_000, 48_000)
BLOCKS = (64, 256, 1024)
REPEATS = 200


def main() -> None:
    """Print the table."""
    print(machine_line())
    print(
        "channels  rate Hz  MMAC/s   real-time factor in blocks of " + ", ".join(map(str, BLOCKS))
    )
    card = {"name": "context", "license": "Apache-2.0", "provenance": {}}
    with tempfile.TemporaryDirectory() as folder:
        for channels in WIDTHS:
            net = ContextNet(channels).eval()
            for rate_hz in RATES_HZ:
                path = Path(folder) / f"{channels}-{rate_hz}.onnx"
                export_model(net, {**card, "sample_rate": rate_hz}, path)
                model = load_model(path)
                factors = [
                    float(np.median(block_microseconds(model.node(block), block, REPEATS)))
                    * 1e-6
                    * rate_hz
                    / block
                    for block in BLOCKS
                ]
                mmacs = 1e-6 * rate_hz * model.file.card.architecture["macs_per_sample"]
                print(
                    f"{channels:8d} {rate_hz:8d} {mmacs:7.0f}   "
                    + "  ".join(f"{factor:.3f}" for factor in factors),
                    flush=True,
                )


if __name__ == "__main__":
    main()
