"""The report of a guitar run: one HTML file with pictures and sound inside."""

from __future__ import annotations

import base64
import csv
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import torch
import yaml
from numpy.typing import NDArray

from rtaudio.atomic import replacing
from rtaudio.audio.writer import write_audio
from rtaudio.bench.machine import machine
from training.guitar.data import Take
from training.guitar.plots import esr_in_words, middle

__all__ = ["save_clips", "write_report"]

CLIP_S = 6.0
CLIPS = {
    "dry": "the dry signal",
    "target": "the amp or pedal",
    "output": "the net",
    "error": "their difference, as loud as it is",
}
PICTURES = {
    "loss.png": (
        "Loss",
        "The ESR on the validation takes picks the best epoch. It is measured on whole takes of "
        "the plain signal, the training loss on short excerpts of the pre-emphasised one, so the "
        "two curves differ.",
    ),
    "waveform.png": ("Waveform", "A take that was never trained on, and its loudest moment."),
    "spectrogram.png": ("Spectrogram", "Target, output and error on one scale."),
    "transfer.png": (
        "Transfer",
        "Left: output over input by sample; the band is the amp's memory. Middle: output level "
        "over input level. Right: the spectrum of the error.",
    ),
}


def save_clips(take: Take, output: NDArray[np.float32], rate_hz: int, folder: Path) -> None:
    """Keep a short piece of a take for the ear: dry, target, output and error as FLAC.

    Parameters
    ----------
    take
        Dry and wet signal.
    output
        The net's output for the dry signal, (samples,), aligned with the wet one.
    rate_hz
        Samples per second.
    folder
        The folder of ``clip_dry.flac`` and the others. One gain for all keeps them below full
        scale.
    """
    part = middle(len(output), int(CLIP_S * rate_hz))
    signals = {
        "dry": take.dry[part],
        "target": take.wet[part],
        "output": output[part],
        "error": output[part] - take.wet[part],
    }
    peak = max(float(np.abs(values).max()) for values in signals.values())
    gain = min(1.0, 0.99 / max(peak, 1e-9))
    for name, values in signals.items():
        write_audio(folder / f"clip_{name}.flac", gain * values, rate_hz, "PCM_16")


def write_report(folder: str | Path) -> Path:
    """Write ``report.html`` from the files of a run.

    Parameters
    ----------
    folder
        The run folder with ``config.json``, ``history.csv`` and ``metrics.json``. Pictures, clips
        and ``best.pt`` may be missing.

    Returns
    -------
    Path
        The report. It is self-contained: it loads nothing and runs no code.

    Raises
    ------
    FileNotFoundError
        The folder holds no finished run.

    Examples
    --------
    >>> write_report("runs/crunch")                                 # doctest: +SKIP
    PosixPath('runs/crunch/report.html')
    """
    folder = Path(folder)
    for name in ("config.json", "history.csv", "metrics.json"):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder / name}: no such file; the run has not finished")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    with (folder / "history.csv").open(newline="", encoding="utf-8") as file:
        history = [{k: _short(v) for k, v in row.items()} for row in csv.DictReader(file)]
    seeds = metrics.get("seeds") or {}
    template = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    ).get_template("report.html.jinja")
    text = template.render(
        config=config,
        verdict=_verdict(metrics),
        summary=list(_summary(config, metrics, folder)),
        takes=list(_takes(metrics)),
        seeds=list(_seeds(seeds)),
        seed_spread=_spread(seeds),
        clips=[
            {"name": name, "note": note, "source": _inline(path, "audio/flac")}
            for name, note in CLIPS.items()
            if (path := folder / f"clip_{name}.flac").is_file()
        ],
        pictures=[
            {"title": title, "text": caption, "source": _inline(path, "image/png")}
            for name, (title, caption) in PICTURES.items()
            if (path := folder / name).is_file()
        ],
        data=list(_flat(config.get("data", {}))),
        history=history,
        fields=list(history[0]) if history else [],
        config_text=yaml.safe_dump(config, sort_keys=False, allow_unicode=True),
        environment=[
            *machine().items(),
            ("torch", torch.__version__),
            ("threads", config.get("threads", "?")),
        ],
    )
    path = folder / "report.html"
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def _inline(path: Path, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def _verdict(metrics: dict[str, Any]) -> str:
    mean, worst = float(metrics["esr_mean"]), float(metrics["esr_max"])
    return f"On held-out takes: {esr_in_words(mean)}. Worst take: ESR {worst:.2g}."


def _summary(
    config: dict[str, Any], metrics: dict[str, Any], folder: Path
) -> Iterator[tuple[str, Any]]:
    net = config.get("net", {})
    yield "net", ", ".join(f"{key} {value}" for key, value in net.items())
    if (folder / "best.pt").is_file():
        card = torch.load(folder / "best.pt", map_location="cpu", weights_only=True)["card"]
        yield "parameters", f"{card['metrics']['weights']:,}"
        yield "sample rate", f"{card['sample_rate']:,} Hz"
        yield "made by", f"code {card['provenance']['code']}, {card['provenance']['date']}"
        yield "export it", f"rtaudio export {folder / 'best.pt'} {config['name']}.onnx"
    yield "best epoch", int(metrics["epoch"]) + 1
    if "cpu_minutes" in metrics:
        yield "time", f"{metrics['wall_minutes']} min, {metrics['cpu_minutes']} min of processor"
    yield "license", config.get("license", "")


def _takes(metrics: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for part, scores in metrics["esr"].items():
        for name, esr in scores.items():
            words = esr_in_words(esr)
            db = 10 * math.log10(esr) if 0 < esr < math.inf else math.nan
            yield {
                "name": name,
                "part": part,
                "esr": f"{esr:.4f}" if math.isfinite(esr) else "-",
                "db": "-" if math.isnan(db) else f"{db:.1f}",
                "word": words.partition(", ")[2].partition(":")[0] or "broken",
                "width": 0 if math.isnan(db) else round(min(300.0, 8 * max(-db, 0))),
            }


def _seeds(seeds: dict[str, float]) -> Iterator[dict[str, str]]:
    best = min(seeds.values(), default=0.0)
    for seed, esr in seeds.items():
        yield {"seed": seed, "esr": f"{esr:.4f}", "note": "kept" if esr == best else ""}


def _spread(seeds: dict[str, float]) -> str:
    if not seeds:
        return ""
    low, high = min(seeds.values()), max(seeds.values())
    return f"ESR {low:.2g} to {high:.2g}, a factor of {high / max(low, 1e-12):.2f}."


def _flat(section: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the entries of a nested mapping as dotted key and value."""
    for key, value in section.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _flat(value, f"{name}.")
        elif isinstance(value, (list, tuple)):
            yield name, ", ".join(str(item) for item in value)
        else:
            yield name, str(value)


def _short(text: str) -> str:
    try:
        return f"{float(text):.4g}"
    except ValueError:
        return text
