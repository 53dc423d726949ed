"""``rtaudio bench denoise``: denoisers side by side, quality and cost in one run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rtaudio.view import terminal as show

PAIRS = {
    "vbd17": "VoiceBank-DEMAND, 17 pairs at 16 kHz",
    "dfns6": "VoiceBank-DEMAND, 6 pairs at 48 kHz",
    "p287x6": "VoiceBank-DEMAND, low SNR, 6 pairs at 16 kHz",
    "held_out": "Voices and noises held out from training, 44 mixtures at 48 kHz, 0 to 15 dB",
}
REAL = {
    "dns4x6": "DNS Challenge 4, 6 real recordings",
    "maxine5": "5 real recordings",
}
SCORES = {
    "pesq": ("PESQ", 2),
    "stoi": ("STOI", 3),
    "si_sdr_db": ("SI-SDR dB", 1),
    "si_sdr_16k_db": ("at 16 kHz", 1),
    "snr_gain_db": ("SNR gain dB", 1),
    "level_change_db": ("level dB", 1),
    "sig": ("SIG", 2),
    "bak": ("BAK", 2),
    "ovr": ("OVRL", 2),
}


def denoise(
    *, json: bool, data: Path | None, models: Sequence[Path], quick: bool, jobs: int,
    picture: Path | None,
) -> None:  # fmt: skip
    """Measure and print."""
    from rtaudio.bench import denoise as measure
    from rtaudio.bench.machine import machine, machine_line
    from rtaudio.errors import MetricsError

    if data is None:
        raise MetricsError(
            "no recordings to measure on: name their folder by --data or RTAUDIO_DATA"
        )
    sounds = measure.recordings(data, quick=quick)
    for file in models:
        if not file.exists():
            raise FileNotFoundError(f"{file}: no such model file")
    chosen, missing = measure.systems(data, models)
    dnsmos: Path | None = data / "denoise_eval" / "dnsmos" / "sig_bak_ovr.onnx"
    if dnsmos is not None and not dnsmos.is_file():
        missing.append(f"DNSMOS is left out: there is no {dnsmos}")
        dnsmos = None
    for line in missing:
        show.remark(line)
    rounds = 2 if quick else measure.ROUNDS
    rows = []
    with show.progress(not json) as bars:
        task = bars.add_task("costs", total=2)
        sample = next((s for s in sounds if s.group == "dfns6"), sounds[0])
        speech, _, rate_hz = sample.read()
        speech = speech[: 3 * rate_hz]
        costs = measure.costs(chosen, speech, rate_hz, rounds)
        bars.advance(task)
        peaks = {s.name: measure.silence_peak_db(s, speech, rate_hz) for s in chosen if s.file}
        bars.advance(task)
        task = bars.add_task("quality", total=len(sounds) * len(chosen))
        for row in measure.scores(chosen, sounds, dnsmos, jobs):
            rows.append(row)
            bars.advance(task)
    figures = []
    for system in chosen:
        means = measure.summary([row for row in rows if row["system"] == system.name])
        means["robustness"]["silence_peak_db"] = peaks.get(system.name, math.nan)
        figures.append({"system": system.name, "cost": costs.get(system.name), **means})
    if picture is not None:
        from rtaudio.view.denoisers import draw

        draw(picture, figures)
    if json:
        show.print_json({"machine": machine(), "quick": quick, "denoise": figures,
                         "recordings": rows})  # fmt: skip
        return
    print(machine_line())
    for title, columns, lines in denoise_tables(figures):
        show.table(title, columns, lines)


def denoise_tables(figures: Sequence[dict[str, Any]]) -> list[tuple[str, list[str], list[Any]]]:
    """Return the tables of `bench denoise`: title, columns and rows of each."""
    tables: list[tuple[str, list[str], list[Any]]] = []
    for titles in (PAIRS, REAL):
        for group, title in titles.items():
            found = [(each["system"], each["groups"].get(group, {})) for each in figures]
            shown = {k: v for k, v in SCORES.items() if any(k in means for _, means in found)}
            if "si_sdr_16k_db" in shown and "16 kHz" in title:
                del shown["si_sdr_16k_db"]
            if shown:
                lines = [
                    [name, *(_figure(means.get(k), digits) for k, (_, digits) in shown.items())]
                    for name, means in found
                ]
                tables.append((title, ["", *(head for head, _ in shown.values())], lines))
    timed = [(each["system"], each["cost"]) for each in figures if each["cost"]]
    heads = ["", "kHz", "latency ms", "weights", "MMAC/s", "of it Fourier", "us per hop p50",
             "p99", "hop ms", "real-time factor"]  # fmt: skip
    lines = [
        [
            name,
            _figure(cost["rate_hz"] / 1000, 0),
            _figure(cost["latency_ms"], 1),
            cost["weights"],
            _figure(cost["mmacs"], 1),
            _figure(cost["fourier_mmacs"], 1),
            _figure(cost["p50_us"], 0),
            _figure(cost["p99_us"], 0),
            _figure(cost["hop_ms"], 0),
            _figure(cost["real_time_factor"], 4),
        ]
        for name, cost in timed
    ]
    tables.append(("Cost, one core", heads, lines))
    given_ovr = next(e["robustness"]["clean_ovr"] for e in figures if e["system"] == "noisy")
    lines = []
    for each in figures:
        if each["cost"]:
            found = each["robustness"]
            lines.append([
                each["system"],
                _figure(_lost(given_ovr, found["clean_ovr"]), 2),
                _figure(found["clean_si_sdr_db"], 1),
                _figure(found["silence_peak_db"], 0),
                _figure(each["cost"]["silence_time_ratio"], 2),
                _figure(found["quiet_si_sdr_change_db"], 1),
            ])  # fmt: skip
    heads = ["", "clean in: OVRL lost", "SI-SDR dB", "silence in: peak dBFS", "time over speech",
             "40 dB quieter: SI-SDR dB"]  # fmt: skip
    tables.append(("What must not suffer", heads, lines))
    return tables


def _lost(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else before - after


def _figure(value: float | None, digits: int) -> str:
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.{digits}f}"
