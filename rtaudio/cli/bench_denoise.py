"""``rtaudio bench denoise``: quality and cost of denoisers, side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtaudio.view import terminal

if TYPE_CHECKING:
    from rich.progress import Progress

    from rtaudio.bench.denoise import System
    from rtaudio.bench.recordings import EvalClip, Signal

SPEECH_S = 3
"""Seconds of speech that the systems are timed on."""

QUICK_ROUNDS = 2

PAGE_CLIPS = 4
"""Recordings of each group that the page plays."""

PAGE_S = 8
PAGE_LUFS = -23.0
PAGE_GAIN_DB = 40.0
"""What is almost silent is raised by no more."""

PAIRS = {
    "vbd17": "VoiceBank-DEMAND, 17 pairs at 16 kHz",
    "dfns6": "VoiceBank-DEMAND, 6 pairs at 48 kHz",
    "p287x6": "VoiceBank-DEMAND, low SNR, 6 pairs at 16 kHz",
    "held_out": "Voices and noises held out from training, 44 mixtures at 48 kHz, 0 to 15 dB",
}
"""Groups of recordings whose clean speech is known: group -> title."""

REAL = {
    "dns4x6": "DNS Challenge 4, 6 real recordings",
    "maxine5": "5 real recordings",
}
"""Groups without clean speech."""

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
"""Measure -> head of its column, and number of decimals."""


def bench_denoise(
    data: Path | None,
    models: Sequence[Path] = (),
    *,
    quick: bool = False,
    jobs: int = 1,
    picture: Path | None = None,
    page: Path | None = None,
    json: bool = False,
) -> None:
    """Measure the quality and the cost of all available denoisers, and print them.

    Parameters
    ----------
    data
        Folder of recordings and of third-party models.
    models
        More model files or folders to measure.
    quick
        Use every sixth recording, and fewer rounds of timing.
    jobs
        Number of scoring processes.
    picture
        Draw quality over cost into this file.
    page
        Write a page to listen with into this file.
    json
        Print one JSON object instead of tables.
    """
    from rtaudio.bench.denoise import find_systems, scores, summary
    from rtaudio.bench.machine import machine, machine_line
    from rtaudio.bench.recordings import recordings
    from rtaudio.errors import MetricsError

    if data is None:
        raise MetricsError("no recordings to measure on; name their folder: --data or RTAUDIO_DATA")
    if page is not None:
        from rtaudio.view.listening_page import check_listening_page

        check_listening_page(page)
    clips = recordings(data, quick=quick)
    for file in models:
        if not file.exists():
            raise FileNotFoundError(f"{file}: no such model file")
    systems, missing = find_systems(data, models)
    dnsmos: Path | None = data / "denoise_eval" / "dnsmos" / "sig_bak_ovr.onnx"
    if dnsmos is not None and not dnsmos.is_file():
        missing.append(f"DNSMOS is left out: there is no {dnsmos}")
        dnsmos = None
    for line in missing:
        terminal.remark(line)
    with terminal.progress(not json) as bars:
        costs, peaks = _measure_costs(systems, clips, quick, bars)
        rows = []
        task = bars.add_task("quality", total=len(clips) * len(systems))
        for row in scores(systems, clips, dnsmos, jobs):
            rows.append(row)
            bars.advance(task)
        if page is not None:
            _write_page(page, systems, clips, rows, bars)
    figures = []
    for system in systems:
        means = summary([row for row in rows if row["system"] == system.name])
        means["robustness"]["silence_peak_db"] = peaks.get(system.name, math.nan)
        figures.append({"system": system.name, "cost": costs.get(system.name), **means})
    if picture is not None:
        from rtaudio.view.denoisers import draw

        draw(picture, figures)
    if json:
        terminal.print_json(
            {"machine": machine(), "quick": quick, "denoise": figures, "recordings": rows}
        )
        return
    print(machine_line())
    for title, columns, lines in denoise_tables(figures):
        terminal.print_table(title, columns, lines)


def _write_page(
    path: Path,
    systems: Sequence[System],
    clips: Sequence[EvalClip],
    rows: Sequence[dict[str, Any]],
    bars: Progress,
) -> None:
    """Write the page: the first recordings of each group, by all systems at equal loudness."""
    from rtaudio.analysis.programme_loudness import programme_loudness
    from rtaudio.bench.denoise import enhance
    from rtaudio.runtime.decibels import from_db
    from rtaudio.view.listening_page import Passage, Version, write_listening_page

    def version(name: str, note: str, sound: Signal, rate_hz: int) -> Version:
        sound = sound[: PAGE_S * rate_hz]
        apart_db = PAGE_LUFS - programme_loudness(sound, rate_hz).integrated_lufs
        return Version(name, note, sound * from_db(min(apart_db, PAGE_GAIN_DB)), "")

    found = {(row["system"], row["group"], row["recording"]): row for row in rows}
    heard = [
        clip
        for group in (*PAIRS, *REAL)
        for clip in [clip for clip in clips if clip.group == group][:PAGE_CLIPS]
    ]
    passages = []
    for clip in bars.track(heard, description="page"):
        noisy, clean, rate_hz = clip.read()
        versions = []
        for system in systems:
            note = _note(found[system.name, clip.group, clip.name])
            versions.append(version(system.name, note, enhance(system, noisy, rate_hz), rate_hz))
        if clean is not None:
            versions.append(version("clean", "", clean, rate_hz))
        source = ({**PAIRS, **REAL})[clip.group].partition(",")[0]
        title = f"{clip.name} ({source}, {rate_hz / 1000:g} kHz)"
        passages.append(Passage(title, rate_hz, versions))
    about = "All versions of a recording are equally loud (ITU-R BS.1770). Under each name: scores."
    write_listening_page(path, "Denoisers side by side", about, passages)


def _note(row: dict[str, Any]) -> str:
    scored = {key: row[key] for key in ("pesq", "ovr") if math.isfinite(row.get(key, math.nan))}
    # A line may break between the scores, not inside of one.
    return ", ".join(f"{SCORES[key][0]}\N{NO-BREAK SPACE}{v:.2f}" for key, v in scored.items())


def _measure_costs(
    systems: Sequence[System], clips: Sequence[EvalClip], quick: bool, bars: Progress
) -> tuple[dict[str, dict[str, Any]], dict[str, float]]:
    """Return the costs of the systems, and their output level after speech has ended."""
    from rtaudio.bench.denoise import ROUNDS, measure_costs, silence_peak_db

    task = bars.add_task("costs", total=2)
    sample = next((clip for clip in clips if clip.group == "dfns6"), clips[0])
    speech, _, rate_hz = sample.read()
    speech = speech[: SPEECH_S * rate_hz]
    costs = measure_costs(systems, speech, rate_hz, QUICK_ROUNDS if quick else ROUNDS)
    bars.advance(task)
    peaks = {s.name: silence_peak_db(s, speech, rate_hz) for s in systems if s.file}
    bars.advance(task)
    return costs, peaks


def denoise_tables(figures: Sequence[dict[str, Any]]) -> list[terminal.Table]:
    """Return the tables of ``bench denoise``: title, column heads and rows of each.

    Parameters
    ----------
    figures
        The list ``denoise`` of the JSON object that `rtaudio bench denoise` prints.
    """
    return [
        *_quality_tables(figures),
        *_part_tables(figures),
        _cost_table(figures),
        _robustness_table(figures),
    ]


def _quality_tables(figures: Sequence[dict[str, Any]]) -> Iterator[terminal.Table]:
    """Yield one table for each group of recordings, with the scores that could be measured."""
    for group, title in {**PAIRS, **REAL}.items():
        found = [(each["system"], each["groups"].get(group, {})) for each in figures]
        shown = {k: v for k, v in SCORES.items() if any(k in means for _, means in found)}
        if "16 kHz" in title:  # the same as at the rate of the recordings
            shown.pop("si_sdr_16k_db", None)
        if shown:
            lines = [
                [name, *(_figure(means.get(k), digits) for k, (_, digits) in shown.items())]
                for name, means in found
            ]
            yield title, ["", *(head for head, _ in shown.values())], lines


def _part_tables(figures: Sequence[dict[str, Any]]) -> Iterator[terminal.Table]:
    """Yield how good each system is for men, for women, and in each of the held-out noises."""
    parts = list(dict.fromkeys(part for each in figures for part in each["parts"]))
    for key in ("pesq", "si_sdr_db"):
        head, digits = SCORES[key]
        lines = [
            [each["system"], *(_figure(each["parts"][part].get(key), digits) for part in parts)]
            for each in figures
        ]
        if parts:
            names = [part.partition("_")[2].replace("_", " ") or part for part in parts]
            yield f"{head} by held-out voices and noises", ["", *names], lines


def _cost_table(figures: Sequence[dict[str, Any]]) -> terminal.Table:
    heads = ["", "kHz", "latency ms", "weights", "MMAC/s", "Fourier MMAC/s", "us per hop p50",
             "p99", "hop ms", "real-time factor"]  # fmt: skip
    lines = []
    for each in figures:
        if cost := each["cost"]:
            lines.append([
                each["system"],
                _figure(cost["rate_hz"] / 1000, 0),
                _figure(cost["latency_ms"], 1),
                cost["weights"],
                _figure(cost["mmacs"], 1),
                _figure(cost["fourier_mmacs"], 1),
                _figure(cost["p50_us"], 0),
                _figure(cost["p99_us"], 0),
                _figure(cost["hop_ms"], 0),
                _figure(cost["real_time_factor"], 4),
            ])  # fmt: skip
    return "Cost, one core", heads, lines


def _robustness_table(figures: Sequence[dict[str, Any]]) -> terminal.Table:
    """Return what happens to clean speech, to silence and to quiet recordings."""
    heads = ["", "clean speech: OVRL loss", "SI-SDR dB", "silence: peak dBFS",
             "time relative to speech", "40 dB quieter: SI-SDR change dB"]  # fmt: skip
    clean_ovr = next(e["robustness"]["clean_ovr"] for e in figures if e["system"] == "noisy")
    lines = []
    for each in figures:
        if each["cost"]:
            found = each["robustness"]
            lines.append([
                each["system"],
                _figure(_difference(clean_ovr, found["clean_ovr"]), 2),
                _figure(found["clean_si_sdr_db"], 1),
                _figure(found["silence_peak_db"], 0),
                _figure(each["cost"]["silence_time_ratio"], 2),
                _figure(found["quiet_si_sdr_change_db"], 1),
            ])  # fmt: skip
    return "Robustness", heads, lines


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else before - after


def _figure(value: float | None, digits: int) -> str:
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.{digits}f}"
