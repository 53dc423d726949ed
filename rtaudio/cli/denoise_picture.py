"""The picture of denoisers side by side: quality over cost, and over the noise that came in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rtaudio.atomic import replacing

_GROUPS = {"dfns6": ("48 kHz pairs", "o"), "vbd17": ("16 kHz pairs", "s")}


def draw(path: str | Path, figures: Sequence[dict[str, Any]]) -> None:
    """Draw what `rtaudio.cli.bench_denoise` has measured.

    Parameters
    ----------
    path
        The picture; its suffix chooses the format.
    figures
        For each system its ``system``, ``cost``, ``groups`` and ``snr_curve``.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (over_cost, over_snr) = plt.subplots(1, 2, figsize=(12, 5), layout="constrained")
    for number, each in enumerate(figures):
        name, colour = each["system"], f"C{number}"
        for group, (_, marker) in _GROUPS.items():
            pesq = each["groups"].get(group, {}).get("pesq")
            if pesq is None:
                continue
            if each["cost"]:
                over_cost.plot(each["cost"]["mmacs"], pesq, marker, color=colour, ms=8)
                over_cost.annotate(
                    name, (each["cost"]["mmacs"], pesq), xytext=(6, 5),
                    textcoords="offset points", fontsize=8,
                )  # fmt: skip
            else:
                over_cost.axhline(pesq, color=colour, lw=0.8, ls="--" if marker == "o" else ":")
        curve = {float(snr): row["pesq"] for snr, row in each["snr_curve"].items() if "pesq" in row}
        if curve:
            over_snr.plot(list(curve), list(curve.values()), ".-", color=colour, label=name)
    for label, marker in _GROUPS.values():
        over_cost.plot([], [], marker, color="0.4", label=label)
    over_cost.set_xscale("log")
    over_cost.set_xlabel("million multiply-accumulates per second")
    over_cost.set_title("quality over cost; lines: nothing done", loc="left", fontsize=10)
    over_snr.set_xlabel("dB of SNR that came in")
    over_snr.set_title("voices and noises held out", loc="left", fontsize=10)
    for axis in (over_cost, over_snr):
        axis.set_ylabel("PESQ, wide band")
        axis.grid(alpha=0.3)
        if axis.get_legend_handles_labels()[0]:
            axis.legend(frameon=False, fontsize=8)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=100)
    plt.close(figure)
