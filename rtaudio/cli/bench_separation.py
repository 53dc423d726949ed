"""``rtaudio bench separation``: quality and cost of separators, beside what bounds them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rtaudio.view import terminal

QUICK_S = 40.0
"""Seconds of the middle of each song that a quick measurement hears."""


def bench_separation(
    data: Path | None, models: Sequence[Path] = (), *, quick: bool = False, json: bool = False
) -> None:
    """Measure separators on songs that they have not learnt from, and print the figures.

    Parameters
    ----------
    data
        Folder of the songs; see `rtaudio.bench.separation_songs.separation_songs`.
    models
        Model files besides the shipped one.
    quick
        Hear only the middle of each song.
    json
        Print one JSON object instead of tables.
    """
    from rtaudio.bench.machine import machine, machine_line
    from rtaudio.bench.separation import (
        PUBLISHED,
        find_splitters,
        separation_cost,
        separation_scores,
    )
    from rtaudio.bench.separation_songs import separation_songs
    from rtaudio.errors import MetricsError

    if data is None:
        raise MetricsError("no songs to measure on; name their folder: --data or RTAUDIO_DATA")
    songs = separation_songs(data)
    for file in models:
        if not file.exists():
            raise FileNotFoundError(f"{file}: no such model file")
    splitters = find_splitters(models)
    rows: list[dict[str, Any]] = []
    with terminal.progress(not json) as bars:
        for song in bars.track(songs, description="songs"):
            rows += separation_scores(splitters, song, QUICK_S if quick else None)
        files = [each for each in splitters if each.file is not None]
        costs = {
            each.name: separation_cost(each.file)
            for each in bars.track(files, description="costs")
            if each.file is not None
        }
    if json:
        figures = {"separation": rows, "costs": costs, "published": PUBLISHED}
        terminal.print_json({"machine": machine(), "quick": quick, **figures})
        return
    print(machine_line())
    for title, columns, lines in separation_tables(rows, costs):
        terminal.print_table(title, columns, lines)
    terminal.print_table(
        "SDR that others have published, on other data",
        ["", "SDR dB", "latency", ""],
        PUBLISHED,
    )


def separation_tables(
    rows: Sequence[dict[str, Any]], costs: dict[str, dict[str, Any]]
) -> list[terminal.Table]:
    """Return the tables of ``bench separation``: title, column heads and rows of each.

    Parameters
    ----------
    rows
        What `rtaudio.bench.separation.separation_scores` yields.
    costs
        System -> what `rtaudio.bench.separation.separation_cost` returns.
    """
    pairs = list(dict.fromkeys((row["song"], row["stem"]) for row in rows))
    heads = ["", *(f"{song} {stem}" for song, stem in pairs)]
    systems = list(dict.fromkeys(row["system"] for row in rows))
    found = {(row["system"], row["song"], row["stem"]): row for row in rows}

    def lines(key: str) -> list[list[str]]:
        return [
            [system, *(_figure(found.get((system, *pair), {}).get(key), 2) for pair in pairs)]
            for system in systems
        ]

    quality = [
        ("SI-SDR above that of the mixture, mean of pieces, dB", heads, lines("si_sdri_db")),
        ("SI-SDR above that of the mixture, whole song, dB", heads, lines("song_si_sdri_db")),
        ("SDR, median over seconds, dB", heads, lines("sdr_db")),
        ("SDR over the whole song, dB", heads, lines("song_sdr_db")),
    ]
    columns = {
        "latency_ms": ("latency ms", 1),
        "weights": ("weights", 0),
        "mmacs": ("MMAC/s", 0),
        "hop_ms": ("hop ms", 1),
        "p50_us": ("us per hop p50", 0),
        "p99_us": ("p99", 0),
        "real_time_factor": ("real-time factor", 4),
    }
    table = [
        [system, *(_figure(cost[key], digits) for key, (_, digits) in columns.items())]
        for system, cost in costs.items()
    ]
    cost = ("cost, one core", ["", *(head for head, _ in columns.values())], table)
    return [*quality, *([cost] if table else [])]


def _figure(value: float | None, digits: int) -> str:
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.{digits}f}"
