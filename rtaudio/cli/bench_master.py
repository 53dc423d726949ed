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

NET_FIGURES = {
    "snr_db": "SNR dB",
    "blind_snr_db": "blind SNR dB",
    "distance_db": "distance dB",
    "loudness_error_lu": "loudness error LU",
}
"""Figure of a net -> head of its column."""

NET_NOTES = (
    "Nets: white noise on the loudest 20 s of each song, 45 dB below it or of deviation 0.005. "
    "SNR: the passage over the difference to it;",
    "blind: estimated from the sound alone. Distance: log-spectral, of frames of 2,048 samples. "
    "The thesis does not say how its SNR is measured.",
)
NOTES = (
    "The reference of each song is the next one. Error: against -14 LUFS, or the loudness of the "
    "reference.",
    "Distance: log-spectral, in thirds of octaves, to the reference. s: time for the whole song.",
)


def bench_master(
    data: Path | None, models: Sequence[Path] = (), *, quick: bool = False, json: bool = False
) -> None:
    """Measure masters of the same songs by all systems, and the cost of the effects; print both.

    Parameters
    ----------
    data
        Folder of recordings, or of songs.
    models
        Nets to measure on the same songs with hiss.
    quick
        Use two songs only.
    json
        Print one JSON object instead of tables.
    """
    from rtaudio.bench import mastering_nets
    from rtaudio.bench.machine import machine, machine_line
    from rtaudio.bench.master import find_systems, list_tasks, measure_costs, measure_masters
    from rtaudio.errors import MetricsError

    if data is None:
        raise MetricsError("no recordings to measure on; name their folder: --data or RTAUDIO_DATA")
    systems, missing = find_systems()
    nets = mastering_nets.load_nets(models)
    with terminal.progress(not json) as bars:
        tasks = list_tasks(data, quick)
        found = bars.track(measure_masters(tasks, systems), total=len(tasks), description="songs")
        rows = [row for part in found for row in part]
        played = bars.track(
            mastering_nets.measure_nets(nets, tasks if nets else ()),
            total=len(tasks) if nets else 0,
            description="nets",
        )
        hiss = [row for part in played for row in part]
        costs = measure_costs(RATE_HZ, BLOCK)
        costs += mastering_nets.measure_net_costs(nets, RATE_HZ, BLOCK)
    means = mastering_nets.summary(hiss, nets)
    for line in missing:
        terminal.remark(line)
    if json:
        figures: dict[str, Any] = {"machine": machine(), "rate": RATE_HZ, "block": BLOCK}
        figures |= {"songs": rows, "hiss": hiss, "nets": means, "costs": costs}
        if nets:
            figures["published_snr_db"] = mastering_nets.PUBLISHED
        terminal.print_json(figures)
        return
    print(machine_line())
    tables = master_tables(rows, costs)
    if nets:
        tables.insert(1, net_table(means, mastering_nets.PUBLISHED))
    for title, columns, table in tables:
        terminal.print_table(title, columns, table)
    for note in (*NOTES, *(NET_NOTES if nets else ())):
        print(note)


def net_table(
    means: Sequence[dict[str, Any]], published: Sequence[tuple[str, float, float]]
) -> terminal.Table:
    """Return the table of nets, before -> after, beside what the thesis says of its own.

    Parameters
    ----------
    means
        Of `rtaudio.bench.mastering_nets.summary`.
    published
        Name, and SNR before and after.
    """

    def change(row: dict[str, Any], name: str) -> str:
        return f"{row['before'][name]:.1f} -> {row['after'][name]:.1f}"

    rows = [
        [
            row["system"],
            row["hiss"],
            f"{row['songs']}, {'learnt from' if row['learnt_from'] else 'unheard'}",
            *(change(row, name) for name in NET_FIGURES),
        ]
        for row in means
    ]
    rows += [
        [f"{name}, of the thesis", "", "1", f"{before:.0f} -> {after:.0f}", "", "", ""]
        for name, before, after in published
    ]
    return "nets on hiss: means of the songs", ["", "hiss", "songs", *NET_FIGURES.values()], rows


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
