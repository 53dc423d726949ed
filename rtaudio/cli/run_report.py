"""What a run did, as tables for people and as figures for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rtaudio.view.terminal import PERCENTILES, remark, table

if TYPE_CHECKING:
    from rtaudio.live.host import Host
    from rtaudio.live.stats import Stats


def run_figures(host: Host, stats: Stats) -> dict[str, Any]:
    """Return what a run did as the data of its JSON object."""
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
    }


def run_tables(host: Host, stats: Stats) -> None:
    """Print what a run did."""
    period = 1e6 * host.block / host.rate_hz
    table(
        f"{host.device_name}: {stats.seconds:.1f} s at {host.rate_hz} Hz, "
        f"blocks of {host.block} ({period / 1000:.2f} ms)",
        ["blocks", "missed", "load", "faults"],
        [(stats.blocks, stats.missed, f"{100 * stats.load:.1f} %", sum(stats.faults.values()))],
    )
    rows = []
    for title, values in (("callback", stats.callback_us), ("gap between", stats.gap_us)):
        rows.append((title, *(getattr(values, name) for name in PERCENTILES)))
    table("microseconds", ["", *PERCENTILES.values()], rows)
    parts = [*stats.latency_parts.items(), ("chain", stats.latency_samples)]
    whole_ms = 1000 * stats.latency_samples / host.rate_hz + sum(stats.device_latency_ms)
    table(
        "latency",
        ["part", "samples", "ms"],
        [(name, samples, f"{1000 * samples / host.rate_hz:.2f}") for name, samples in parts]
        + [(f"device {way}", "", f"{ms:.2f}") for way, ms in
           zip(("input", "output"), stats.device_latency_ms, strict=True) if ms]
        + [("in all", "", f"{whole_ms:.2f}")],
    )  # fmt: skip
    for kind, count in {**stats.xruns, **stats.faults}.items():
        if count:
            remark(f"{kind}: {count}")
    if any(stats.clipped):
        remark(f"input clipped in {sum(stats.clipped)} samples; turn it down")
    if stats.blocks and not stats.realtime:
        remark("the audio thread got no real-time priority; see what to do: rtaudio doctor")
