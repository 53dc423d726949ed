"""Quality of a denoiser over the sound it has learnt from, and its gains by voice and noise.

``python -m benchmarks.denoise_study --data FOLDER 3.3=early.pt 8.3=later.pt ...``: checkpoints, and
after how many hours of mixtures each. They are exported and scored as `rtaudio bench denoise` does:
docs/studies/denoise.csv and .png. What the last one does to speech and to noise, on voices and
noises held out from training: docs/studies/denoise-gains.csv and .png.
"""

from __future__ import annotations

import argparse
import csv
import math
import tempfile
from collections import defaultdict
from pathlib import Path

import torch

from export.exporter import export_model
from rtaudio.analysis.speech import at_rate
from rtaudio.bench.denoise import System, scores, summary
from rtaudio.bench.recordings import recordings
from training.checkpoint import load_checkpoint
from training.denoise.gains import measure_gains
from training.models.overlap_net import OverlapNet

DOCS = Path(__file__).parents[1] / "docs" / "studies"
GROUPS = ("vbd17", "dfns6", "held_out")
MEASURES = {"pesq": "PESQ, wide band", "si_sdr_16k_db": "SI-SDR, dB"}
GAINS = {
    "fine_structure_db": "fine structure of the gains, dB",
    "noise_in_speech_db": "noise left in speech, dB",
    "noise_in_pauses_db": "noise left in pauses, dB",
    "speech_error_db": "error of the speech, dB",
}


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
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(GROUPS)
    )
    figure.savefig(path, dpi=150)


def gains(checkpoint: Path, data: Path) -> list[dict[str, str | float]]:
    """Measure the gains on the held-out mixtures; one row for each voice and each noise."""
    net, card = load_checkpoint(checkpoint)
    assert isinstance(net, OverlapNet)
    rate_hz = card["sample_rate"]
    found = defaultdict(list)
    for clip in recordings(data):
        if clip.noise is None:
            continue
        noisy, clean, clip_hz = clip.read()
        assert clean is not None
        pair = (torch.as_tensor(at_rate(x, clip_hz, rate_hz)).float() for x in (noisy, clean))
        noisy, clean = (x[None, None, : x.numel() // net.hop * net.hop] for x in pair)
        row = measure_gains(net.eval(), noisy, clean, rate_hz)
        noise = clip.noise.stem.split("_", 1)[-1].replace("_", " ")
        for group in (clip.sex, noise):
            found[group].append(row)
    voices = ("women", "men")
    order = [*voices, *sorted(set(found) - {*voices, None})]
    return [{"group": group} | {name: _mean(found[group], name) for name in GAINS}
            for group in order]  # fmt: skip


def _mean(rows: list[dict[str, float]], name: str) -> float:
    values = [row[name] for row in rows if math.isfinite(row[name])]
    return round(sum(values) / len(values), 2)


def draw_gains(rows: list[dict[str, str | float]], path: Path) -> None:
    """One panel for each measure, one line for each voice and noise."""
    import matplotlib.pyplot as plt

    names = [str(row["group"]) for row in rows][::-1]
    figure, panels = plt.subplots(
        1, len(GAINS), figsize=(11, 0.8 + 0.26 * len(rows)), sharey=True, layout="constrained"
    )
    for panel, (measure, label) in zip(panels, GAINS.items(), strict=True):
        panel.plot([row[measure] for row in rows][::-1], names, "o")
        panel.set_xlabel(label)
        panel.grid(alpha=0.3)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Read the arguments, and write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("checkpoints", nargs="+", metavar="HOURS=FILE")
    given = parser.parse_args()
    pairs = (text.split("=", 1) for text in given.checkpoints)
    found = {float(hours): Path(path) for hours, path in pairs}
    for name, rows, picture in (
        ("denoise", study(found, given.data), draw),
        ("denoise-gains", gains(found[max(found)], given.data), draw_gains),
    ):
        with (DOCS / f"{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        picture(rows, DOCS / f"{name}.png")


if __name__ == "__main__":
    main()
