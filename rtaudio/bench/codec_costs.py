"""What codecs cost: latency, weights, multiply-accumulates, time and memory."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtaudio.analysis.speech import at_rate
from rtaudio.bench.coder import Coder, Signal
from rtaudio.bench.macs import macs_per_second, weight_count
from rtaudio.bench.neural_coder import NeuralCoder

__all__ = ["measure_cost"]

ROUNDS = 3
"""How many times the recording is coded, after one that is not counted."""


def measure_cost(coder: Coder, x: Signal, rate_hz: int, rounds: int = ROUNDS) -> dict[str, Any]:
    """Measure the costs of a codec at one bitrate, with one thread.

    Parameters
    ----------
    coder
        The codec.
    x
        The signal for timing, mono ``[frames]``.
    rate_hz
        Its sample rate.
    rounds
        How many times it is coded.

    Returns
    -------
    dict
        ``codec``, ``kbps``, ``rate_hz``, ``packet_ms``, ``latency_ms``
            The codec; its latency is the algorithmic one.
        ``weights``, ``encode_mmacs``, ``decode_mmacs``
            Of both sides together, and million multiply-accumulates per second of each; None for a
            codec without a net.
        ``encode_p50_us``, ``encode_p99_us``, ``decode_p50_us``, ``decode_p99_us``
            Time per packet, everything between sound and payload included.
        ``real_time_factor``
            Median of both sides over the duration of a packet.
        ``memory_mb``
            Resident memory of a process that encodes and decodes, the interpreter and all packages
            included; None where the system does not tell.
    """
    x = at_rate(x, rate_hz, coder.rate_hz)
    times: dict[str, list[NDArray[np.float64]]] = {"encode": [], "decode": []}
    for turn in range(rounds + 1):
        coded = coder.encode(x, coder.rate_hz)
        heard = coder.decode(coded.packets, coder.rate_hz, x.size)
        if turn:  # the first turn is a warm-up
            times["encode"].append(coded.encode_us)
            times["decode"].append(heard.decode_us)
    found: dict[str, Any] = {
        "codec": coder.codec,
        "kbps": coder.kbps,
        "rate_hz": coder.rate_hz,
        "packet_ms": coder.packet_ms,
        "latency_ms": coder.latency_ms,
        **_on_paper(coder),
    }
    for side, parts in times.items():
        p50, p99 = np.percentile(np.concatenate(parts), [50.0, 99.0])
        found |= {f"{side}_p50_us": float(p50), f"{side}_p99_us": float(p99)}
    both_us = found["encode_p50_us"] + found["decode_p50_us"]
    found["real_time_factor"] = both_us / (1000.0 * coder.packet_ms)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        found["memory_mb"] = pool.submit(_resident_mb, coder, x).result()
    return found


def _on_paper(coder: Coder) -> dict[str, Any]:
    if not isinstance(coder, NeuralCoder):
        return {"weights": None, "encode_mmacs": None, "decode_mmacs": None}
    sides = coder.model.encoder, coder.model.decoder
    encode_mmacs, decode_mmacs = (macs_per_second(side) / 1e6 for side in sides)
    return {
        "weights": sum(map(weight_count, sides)),
        "encode_mmacs": encode_mmacs,
        "decode_mmacs": decode_mmacs,
    }


def _resident_mb(coder: Coder, x: Signal) -> float | None:
    """Encode and decode in this process, then return its resident memory."""
    coder.decode(coder.encode(x, coder.rate_hz).packets, coder.rate_hz, x.size)
    status = Path("/proc/self/status")
    if not status.is_file():
        return None
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024.0
