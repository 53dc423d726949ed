"""The report of a live run: tables for people, figures for programs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rtaudio.view.terminal import PERCENTILES, print_table, remark
from rtaudio.view.words import counted

if TYPE_CHECKING:
    from rtaudio.live.host import Host
    from rtaudio.live.stats import Stats


def run_figures(host: Host, stats: Stats) -> dict[str, Any]:
    """Return the figures of a run for its JSON object.

    Parameters
    ----------
    host
        The host that played.
    stats
        Its statistics.
    """
    return {
        "device": host.device_name,
        "rate": host.rate_hz,
        "block": host.block,
        "seconds": stats.seconds,
        "blocks": stats.blocks,
        "missed": stats.missed,
        "xruns": stats.xruns,
        "load": stats.load,
        "realtime": stats.realtime,
        "callback_us": stats.callback_us,
        "gap_us": stats.gap_us,
        "latency_samples": stats.latency_samples,
        "latency_parts": stats.latency_parts,
        "device_latency_ms": stats.device_latency_ms,
        "faults": stats.faults,
        "clipped": stats.clipped,
        "loudness": stats.loudness,
    }


def print_run(host: Host, stats: Stats) -> None:
    """Print the tables of a run, and remarks on what went wrong.

    Parameters
    ----------
    host
        The host that played.
    stats
        Its statistics.
    """
    period_ms = 1e3 * host.block / host.rate_hz
    print_table(
        f"{host.device_name}: {stats.seconds:.1f} s at {host.rate_hz} Hz, "
        f"blocks of {host.block} ({period_ms:.2f} ms)",
        ["blocks", "missed", "load", "faults"],
        [(stats.blocks, stats.missed, f"{100 * stats.load:.1f} %", sum(stats.faults.values()))],
    )
    times = (("callback", stats.callback_us), ("between callbacks", stats.gap_us))
    rows = [(title, *(getattr(values, p) for p in PERCENTILES)) for title, values in times]
    print_table("microseconds", ["", *PERCENTILES.values()], rows)
    if stats.latency_samples or any(stats.device_latency_ms):
        print_table("latency", ["part", "samples", "ms"], _latency_rows(host.rate_hz, stats))
    if stats.loudness.integrated_lufs > -math.inf:
        from rtaudio.view.loudness import HEADS, loudness_row

        print_table("loudness of the output", list(HEADS), [loudness_row(stats.loudness)])
    for text in verdict(host, stats):
        remark(text)


_HIGH_LOAD = 0.7
"""Share of a block's time from which on the chain itself makes blocks late."""


def verdict(host: Host, stats: Stats) -> list[str]:
    """Return whether all was fine, or else what was wrong and which knob helps, in sentences.

    Parameters
    ----------
    host
        The host that played.
    stats
        Its statistics.
    """
    if not stats.blocks:
        return ["nothing was played"]
    found = []
    if stats.missed:
        missed = f"{counted(stats.missed, 'block')} of {stats.blocks} missed"
        if stats.load > _HIGH_LOAD:
            remedy = "the chain is too heavy; take a smaller model, or a larger --block"
        elif not stats.realtime:
            remedy = "the audio thread got no real-time priority; see what to do: rtaudio doctor"
        else:
            remedy = f"a larger --block than {host.block} leaves more time"
        found.append(f"{missed}: {remedy}")
    elif not stats.realtime:
        found.append("no block was missed, but without real-time priority one may be: "
                     "rtaudio doctor says what to do")  # fmt: skip
    found += [fault_line(name, count) for name, count in stats.faults.items() if count]
    if clipped := sum(stats.clipped):
        found.append(f"the input clipped in {counted(clipped, 'sample')}; turn it down")
    return found or ["all was fine: no block was missed, and nothing clipped"]


def fault_line(name: str, count: int) -> str:
    """Return a sentence for one of the faults that `rtaudio.live.stats.Stats` counts."""
    times = counted(count, "time")
    effect, _, kind = name.partition(": ")
    if kind == "late":
        gaps = "gap was" if count == 1 else "gaps were"
        return f"{effect} was too late {times}; the {gaps} faded"
    if name == "input":
        return f"the input held no usable sound {times}, and was silenced"
    return f"{name} made no usable sound, and was silenced and reset {times}"


def _latency_rows(rate_hz: int, stats: Stats) -> list[tuple[str, int | str, str]]:
    """Return the latency of each effect and of the device, as far as there is any, and the sum."""
    parts = [(name, samples) for name, samples in stats.latency_parts.items() if samples]
    if stats.latency_samples:
        parts.append(("chain", stats.latency_samples))
    rows: list[tuple[str, int | str, str]] = [
        (name, samples, f"{1000 * samples / rate_hz:.2f}") for name, samples in parts
    ]
    ways = zip(("input", "output"), stats.device_latency_ms, strict=True)
    rows += [(f"device {way}", "", f"{ms:.2f}") for way, ms in ways if ms]
    total_ms = 1000 * stats.latency_samples / rate_hz + sum(stats.device_latency_ms)
    return [*rows, ("total", "", f"{total_ms:.2f}")]
