"""``rtaudio bench streams``: how many live chains one process holds, beside as many processes."""

from __future__ import annotations

from typing import Any

from rtaudio.view import terminal

PRESETS = ("crunch-light", "crunch", "denoise", "codec-voice")
BLOCKS = (64, 128, 256, 480)
QUICK_BLOCKS = (256,)
SECONDS, QUICK_SECONDS = 5.0, 1.0


def bench_streams(*, quick: bool, json: bool) -> None:
    """Count streams, and print them.

    Parameters
    ----------
    quick
        One block size, and a second for each number of streams.
    json
        Print one JSON object instead of tables.
    """
    from rtaudio.bench.machine import machine, machine_line
    from rtaudio.bench.streams import MOST_PROCESSES, RATE_HZ, count_streams, start_processes

    seconds = QUICK_SECONDS if quick else SECONDS
    cases = [(name, block) for name in PRESETS for block in (QUICK_BLOCKS if quick else BLOCKS)]
    rows = []
    with terminal.progress(not json) as bars:
        task = bars.add_task("", total=len(cases))
        for name, block in cases:

            def show(streams: int, name: str = name, block: int = block) -> None:
                bars.update(task, description=f"{name}, blocks of {block}: {streams} streams")

            held = count_streams(name, block, seconds=seconds, watch=show)
            beside = start_processes(
                name, block, max(1, min(held.streams, MOST_PROCESSES)), seconds=seconds
            )
            rows.append((held, beside))
            bars.advance(task)
    if json:
        streams = [{**held._asdict(), "processes": beside} for held, beside in rows]
        terminal.print_json({"machine": machine(), "rate": RATE_HZ, "streams": streams})
        return
    print(machine_line())
    terminal.print_table(
        f"streams at {RATE_HZ} Hz that play {seconds:g} s without one missed block",
        ["", "block", "streams", "load", "MB/stream", "start ms", "processes", "missed",
         "MB/process", "start ms"],
        [
            (held.preset, held.block, held.streams, f"{100.0 * held.load:.0f} %",
             _megabytes(held.stream_bytes), 1000.0 * held.start_s, beside.processes,
             beside.missed, _megabytes(beside.process_bytes), 1000.0 * beside.start_s)
            for held, beside in rows
        ],
    )  # fmt: skip


def _megabytes(size: int | None) -> Any:
    return "-" if size is None else size / 1e6
