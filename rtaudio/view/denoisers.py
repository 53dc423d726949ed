"""A picture of denoisers side by side: quality over cost, and over the SNR of the input."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rtaudio.atomic import replacing

_GROUPS = {"dfns6": ("48 kHz pairs", "o", "--"), "vbd17": ("16 kHz pairs", "s", ":")}


def draw(path: str | Path, figures: Sequence[dict[str, Any]]) -> None:
    """Draw the figures of ``rtaudio bench denoise``.

    Parameters
    ----------
    path
        The picture; its suffix chooses the format.
    figures
        For each system: ``system`` (its name), ``cost``, ``groups`` and ``snr_curve``, as
        `rtaudio.bench.denoise` measures them.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.lines import Line2D
    from matplotlib.ticker import FuncFormatter

    figure, (over_cost, over_snr) = plt.subplots(1, 2, figsize=(13, 5), layout="constrained")
    names = []
    for number, each in enumerate(figures):
        colour = f"C{number}"
        names.append(Line2D([], [], color=colour, label=each["system"]))
        for group, (_, marker, line) in _GROUPS.items():
            pesq = each["groups"].get(group, {}).get("pesq")
            if pesq is not None and each["cost"]:
                over_cost.plot(each["cost"]["mmacs"], pesq, marker, color=colour, ms=9)
            elif pesq is not None:
                over_cost.axhline(pesq, color=colour, lw=1.0, ls=line)
        curve = {float(snr): row["pesq"] for snr, row in each["snr_curve"].items() if "pesq" in row}
        over_snr.plot(list(curve), list(curve.values()), ".-", color=colour)
    for label, marker, line in _GROUPS.values():
        names.append(Line2D([], [], color="0.4", marker=marker, ls="", label=label))
        names.append(Line2D([], [], color="0.4", ls=line, label=f"{label}, unprocessed"))
    over_cost.set_xscale("log")
    over_cost.xaxis.set_major_formatter(FuncFormatter(lambda millions, _: f"{millions:g}"))
    over_cost.xaxis.set_minor_formatter(FuncFormatter(lambda millions, _: f"{millions:g}"))
    over_cost.set_xlabel("million multiply-accumulates per second")
    over_cost.set_title("quality over cost", loc="left", fontsize=10)
    figure.suptitle("Denoisers side by side: speech quality (PESQ, higher is better)")
    over_snr.set_xlabel("SNR of the input in dB")
    over_snr.set_title("voices and noises held out from training", loc="left", fontsize=10)
    for axis in (over_cost, over_snr):
        axis.set_ylabel("PESQ, wide band")
        if not any(len(line.get_xdata()) for line in axis.lines):
            axis.text(0.5, 0.5, "not measured", ha="center", transform=axis.transAxes)
        axis.grid(alpha=0.3)
    figure.legend(handles=names, loc="outside right upper", frameon=False)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=100)
    plt.close(figure)
