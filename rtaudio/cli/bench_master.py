"""``rtaudio bench master``: masters of the same songs, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rtaudio.view import terminal

RATE_HZ = 48000
BLOCK = 64

FIGURES = {
    "lufs": ("LUFS", 1),
    "error_lu": ("error LU", 2),
    "true_peak_dbtp": ("dBTP", 2),
    "range_lu": ("range LU", 1),
    "distance_db": ("distance dB", 1),
    "seconds": ("s", 1),
}
"""Figure -> head of its column, and number of decimals."""

NOTES = (
    "The reference of each song is the next one. Error: against -14 LUFS, or the loudness of the "
    "reference.",
    "Distance: log-spectral, in thirds of octaves, to the reference. s: time for the whole song.",
)


def bench_master(data: Path | None, *, quick: bool = False, json: bool = False) -> None:
    """Measure masters of the same songs by all systems, and the cost of the effects; print both.

    Parameters
    ----------
    data
        Folder of recordings.
    quick
        Use two songs only.
    json
        Print one JSON object instead of tables.
    """
    from rtaudio.bench.machine import machine, machine_line
    from rtaudio.bench.master import find_systems, list_tasks, measure_costs, measure_masters
    from rtaudio.errors import MetricsError

    if data is None:
        raise MetricsError("no recordings to measure on; name their folder: --data or RTAUDIO_DATA")
    systems, missing = find_systems()
    with terminal.progress(not json) as bars:
        tasks = list_tasks(data, quick)
        found = bars.track(measure_masters(tasks, systems), total=len(tasks), description="songs")
        rows = [row for part in found for row in part]
        costs = measure_costs(RATE_HZ, BLOCK)
    for line in missing:
        terminal.remark(line)
    if json:
        terminal.print_json(
            {"machine": machine(), "rate": RATE_HZ, "block": BLOCK, "songs": rows, "costs": costs}
        )
        return
    print(machine_line())
    for title, columns, table in master_tables(rows, costs):
        terminal.print_table(title, columns, table)
    for note in NOTES:
        print(note)


def master_tables(
    rows: Sequence[dict[str, Any]], costs: Sequence[dict[str, Any]]
) -> list[terminal.Table]:
    """Return the tables of ``bench master``: title, column heads and rows of each.

    Parameters
    ----------
    rows
        Of `rtaudio.bench.master.measure_masters`.
    costs
        Of `rtaudio.bench.master.measure_costs`.
    """
    songs = [
        [
            row["song"] if row["system"] == "nothing" else "",
            row["system"],
            *(f"{row[key]:.{digits}f}" for key, (_, digits) in FIGURES.items()),
        ]
        for row in rows
    ]
    effects = [
        [
            row["effect"],
            row["latency_samples"],
            *(f"{row['us'][name]:.1f}" for name in terminal.PERCENTILES),
        ]
        for row in costs
    ]
    return [
        ("songs", ["", "", *(head for head, _ in FIGURES.values())], songs),
        (
            f"effects, stereo: microseconds per {BLOCK} frames at {RATE_HZ} Hz",
            ["", "latency", *terminal.PERCENTILES.values()],
            effects,
        ),
    ]
