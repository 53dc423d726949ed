"""Quality of a denoiser over the sound it has learnt from: docs/studies/denoise.csv and .png.

``python -m benchmarks.denoise_study --data FOLDER 3.3=early.pt 8.3=later.pt ...``: checkpoints, and
after how many hours of mixtures each. They are exported and scored as `rtaudio bench denoise` does.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from pathlib import Path

from export.exporter import export_model
from rtaudio.bench.denoise import System, scores, summary
from rtaudio.bench.recordings import recordings
from training.checkpoint import load_checkpoint

DOCS = Path(__file__).parents[1] / "docs" / "studies"
GROUPS = ("vbd17", "dfns6")
MEASURES = {"pesq": "PESQ, wide band", "si_sdr_16k_db": "SI-SDR, dB"}


def study(checkpoints: dict[float, Path], data: Path) -> list[dict[str, float]]:
    """Score checkpoints by hours; one row for each."""
    pairs = [recording for recording in recordings(data) if recording.group in GROUPS]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for hours, path in sorted(checkpoints.items()):
            net, card = load_checkpoint(path)
            model = Path(folder) / f"{hours}.onnx"
            export_model(net, card, model)
            found = summary(list(scores([System("denoise", model)], pairs, None)))["groups"]
            row = {"hours": hours}
            for group in GROUPS:
                row |= {f"{group}_{m}": round(found[group][m], 3) for m in MEASURES}
            rows.append(row)
    return rows


def draw(rows: list[dict[str, float]], path: Path) -> None:
    """One panel for each measure."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(MEASURES), figsize=(9, 3.4), layout="constrained")
    for panel, (measure, label) in zip(panels, MEASURES.items(), strict=True):
        for group in GROUPS:
            panel.plot(
                [r["hours"] for r in rows],
                [r[f"{group}_{measure}"] for r in rows],
                marker="o",
                label=group,
            )
        panel.set(xlabel="hours of mixtures learnt from", ylabel=label)
        panel.grid(alpha=0.3)
    panels[0].legend()
    figure.savefig(path, dpi=150)


def main() -> None:
    """Read the arguments, and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("checkpoints", nargs="+", metavar="HOURS=FILE")
    given = parser.parse_args()
    pairs = (text.split("=", 1) for text in given.checkpoints)
    rows = study({float(hours): Path(path) for hours, path in pairs}, given.data)
    with (DOCS / "denoise.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    draw(rows, DOCS / "denoise.png")


if __name__ == "__main__":
    main()
