"""A call for ten minutes: two processes, two sound cards whose clocks drift, and a bad network.

Run ``python -m benchmarks.call [--minutes 10] [--loss 5] [--jitter 10] [--in speech.wav]``. Sender
and receiver play on JACK servers of their own, with the dummy driver. It counts a block in whole
microseconds: blocks of 192 samples at 48 kHz last 4000 us exactly, those of 160 samples 3333 us
instead of 3333.3, so the clock of the sender runs 100 ppm fast. Between them is a relay that loses
packets in bursts, and delays them at random, so that they overtake each other.

It ends with status 1 if something grew, stalled, or was louder than what was said.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.live import Jack
from rtaudio.codec.network import Conditions
from rtaudio.live.relay import Relay

RATE_HZ = 48000
SENDER_BLOCK, RECEIVER_BLOCK = 160, 192
BAD = Conditions(loss=0.05, burst=2.0, delay_ms=20.0, jitter_ms=10.0)
"""The network, if nothing else is said."""

SETTLING_S = 60.0
"""Then the drift has been found; delays are counted from there on (from a third of short runs)."""

LOUDER_DB = 1.0
"""A decoder may overshoot this much; what is more is a click."""

MOST_GROWTH_MB = 8.0
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096

Row = dict[str, float]
Table = list[tuple[str, str]]


def speech_like(seconds: float) -> np.ndarray:
    """Return syllables with pauses: a buzz through three resonances, float32 ``[samples]``."""
    rng = np.random.default_rng(0)
    count = round(seconds * RATE_HZ)
    time_s = np.arange(count) / RATE_HZ
    pitch_hz = 120.0 + 30.0 * np.sin(2 * np.pi * 0.7 * time_s)
    buzz = (np.cumsum(pitch_hz / RATE_HZ) % 1.0 < 0.04) + 0.02 * rng.standard_normal(count)
    hz = np.fft.rfftfreq(count, 1 / RATE_HZ)
    resonances = sum(1 / (1 + ((hz - centre) / 120.0) ** 2) for centre in (600, 1400, 2600))
    voice = np.fft.irfft(np.fft.rfft(buzz) * resonances, count)
    voice *= np.clip(2.0 * np.sin(2 * np.pi * 3.0 * time_s), 0.0, 1.0)
    voice *= np.sin(2 * np.pi * 0.2 * time_s) > -0.7
    return np.asarray(0.5 * voice / np.abs(voice).max(), np.float32)


def memory_mb() -> float:
    """Return the resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * PAGE_BYTES / 1e6


def watch(state: Callable[[], Row], seconds: float) -> list[Row]:
    """Return what ``state`` tells, second by second, with time and memory."""
    begin, rows = time.monotonic(), []
    while time.monotonic() - begin < seconds:
        time.sleep(1.0)
        rows.append({"at_s": time.monotonic() - begin, "memory_mb": memory_mb(), **state()})
    return rows


def send(port: int, seconds: float, file: str) -> dict[str, Any]:
    """Send to a port; run in a process of its own."""
    from rtaudio.cli.call import read_voice
    from rtaudio.codec.find import find_codec
    from rtaudio.live.outgoing import Outgoing

    voice = read_voice(Path(file), RATE_HZ, 0.5) if file else speech_like(60.0)

    def again() -> Any:
        while True:
            yield from voice.reshape(1, -1)

    call = Outgoing(
        find_codec("codec-voice"), ("127.0.0.1", port),
        device="system", block=SENDER_BLOCK, in_channels=[1], source=again(),
    )  # fmt: skip
    with call:
        rows = watch(dict, seconds)
        stats = call.stats()
    return {
        "rows": rows,
        "blocks": stats.host.blocks,
        "missed": stats.host.missed,
        "frames": stats.frames,
        "pauses": stats.pauses,
        "packets": stats.packets,
        "peak": float(np.abs(voice).max()),
        "encode_ms": stats.encode_ms,
    }


def receive(port: int, seconds: float, file: str) -> dict[str, Any]:
    """Receive at a port; run in a process of its own."""
    from rtaudio.codec.find import find_codec
    from rtaudio.live.incoming import Incoming

    call = Incoming(
        find_codec("codec-voice"), port,
        device="system", block=RECEIVER_BLOCK, out_channels=[1],
    )  # fmt: skip

    def state() -> Row:
        stats = call.stats()
        jitter = stats.receiver.jitter
        return {
            "buffer_ms": jitter.delay_ms,
            "delay_ms": stats.mouth_to_ear_ms,
            "drift_ppm": stats.drift_ppm,
            "peak": max(stats.host.out_peak, default=0.0),
            "lost": jitter.lost,
        }

    with call:
        rows = watch(state, seconds)
        stats = call.stats()
    return {
        "rows": rows,
        "blocks": stats.host.blocks,
        "missed": stats.host.missed,
        "silence_ms": 1000.0 * stats.host.source_missing / RATE_HZ,
        "frames": stats.frames,
        "packets": stats.packets,
        "decode_ms": stats.decode_ms,
        **stats.receiver.jitter._asdict(),
        "concealed": stats.concealed_frames,
    }


def measure(
    seconds: float, conditions: Conditions, file: str = ""
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the figures of the sender and of the receiver.

    Parameters
    ----------
    seconds
        How long the sender sends.
    conditions
        The network.
    file
        What is said; "": a synthetic voice.
    """
    port = _free_port()
    with ExitStack() as stack:
        servers = []
        for name, block in (("sender", SENDER_BLOCK), ("receiver", RECEIVER_BLOCK)):
            servers.append(Jack(RATE_HZ, block, f"rtaudio-{name}"))
            stack.callback(servers[-1].stop)
        relay = stack.enter_context(Relay(("127.0.0.1", port), conditions, seed=1))
        sides = [
            _started(servers[1], "receive", port, seconds + 2.0, file),
            _started(servers[0], "send", relay.address[1], seconds, file),
        ]
        for side in sides:
            stack.callback(side.kill)
        received, sent = (_answer(side) for side in sides)
    return sent, received


def _free_port() -> int:
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _started(server: Jack, side: str, port: int, seconds: float, file: str) -> Any:
    """Start a side in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.call", "--one", side, "--port", str(port),
         "--minutes", str(seconds / 60.0), "--in", file],
        env=os.environ | {"JACK_DEFAULT_SERVER": server.name},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def _answer(process: Any) -> dict[str, Any]:
    out, error = process.communicate()
    if process.returncode:
        raise SystemExit(error.strip().splitlines()[-1])
    return dict(json.loads(out.splitlines()[-1]))


def rate_hz(block: int) -> float:
    """Return the rate of a server with the dummy driver: its blocks are whole microseconds."""
    return 1e6 * block / (1_000_000 * block // RATE_HZ)


def settled(rows: Sequence[Row]) -> Sequence[Row]:
    """Return the rows after the start."""
    return rows[round(min(SETTLING_S, len(rows) / 3)) :]


def tables(sent: dict[str, Any], received: dict[str, Any]) -> Table:
    """Return the figures as names and texts."""
    drift_ppm = 1e6 * (rate_hz(SENDER_BLOCK) / rate_hz(RECEIVER_BLOCK) - 1.0)
    late = settled(received["rows"])
    buffer_ms, delay_ms, found_ppm = (
        np.array([row[key] for row in late]) for key in ("buffer_ms", "delay_ms", "drift_ppm")
    )
    percentiles = np.percentile(delay_ms, [50, 99, 100])
    return [
        ("length", f"{sent['rows'][-1]['at_s']:.0f} s"),
        ("blocks, missed: sender", f"{sent['blocks']}, {sent['missed']}"),
        ("blocks, missed: receiver", f"{received['blocks']}, {received['missed']}"),
        ("frames spoken, pauses", f"{sent['frames']}, {sent['pauses']}"),
        ("packets sent, arrived", f"{sent['packets']}, {received['packets']}"),
        ("frames lost, late, waited for", "{lost}, {late}, {waited}".format(**received)),
        ("frames concealed, left out", "{concealed}, {dropped}".format(**received)),
        ("silence for want of frames", f"{received['silence_ms']:.0f} ms"),
        ("buffer min, mean, max", _spread_ms(buffer_ms)),
        ("drift of the clocks", f"{drift_ppm:+.0f} ppm"),
        ("drift found, mean", f"{found_ppm.mean():+.0f} ppm"),
        ("mouth to ear p50, p99, max", ", ".join(f"{ms:.0f}" for ms in percentiles) + " ms"),
        ("peak of the voice, of what was heard", f"{sent['peak']:.3f}, {_peak(received):.3f}"),
        ("memory of the sender, start and end", _memory(sent)),
        ("memory of the receiver, start and end", _memory(received)),
        ("longest encode, decode", f"{sent['encode_ms']:.1f}, {received['decode_ms']:.1f} ms"),
    ]


def _spread_ms(values: np.ndarray) -> str:
    return f"{values.min():.0f}, {values.mean():.0f}, {values.max():.0f} ms"


def _peak(received: dict[str, Any]) -> float:
    return max(float(row["peak"]) for row in received["rows"])


def _memory(side: dict[str, Any]) -> str:
    return f"{settled(side['rows'])[0]['memory_mb']:.0f}, {side['rows'][-1]['memory_mb']:.0f} MB"


def faults(sent: dict[str, Any], received: dict[str, Any]) -> list[str]:
    """Return a line for each thing that must not be."""
    found = []
    if _peak(received) > 10.0 ** (LOUDER_DB / 20.0) * sent["peak"]:
        found.append(f"louder than the voice: {_peak(received):.3f} and {sent['peak']:.3f}")
    for name, side in (("sender", sent), ("receiver", received)):
        rows = settled(side["rows"])
        growth_mb = rows[-1]["memory_mb"] - rows[0]["memory_mb"]
        if growth_mb > MOST_GROWTH_MB:
            found.append(f"the memory of the {name} grew by {growth_mb:.0f} MB")
    if received["packets"] < 0.5 * sent["packets"]:
        found.append(f"only {received['packets']} of {sent['packets']} packets arrived")
    rows = settled(received["rows"])
    first, last = (
        float(np.median([row["buffer_ms"] for row in part]))
        for part in (rows[: len(rows) // 2], rows[len(rows) // 2 :])
    )
    if last > 2.0 * first + 40.0:
        found.append(f"the buffer grew from {first:.0f} to {last:.0f} ms")
    return found


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--loss", type=float, default=100.0 * BAD.loss, help="percent")
    parser.add_argument("--burst", type=float, default=BAD.burst, help="packets in a row")
    parser.add_argument("--jitter", type=float, default=BAD.jitter_ms, help="ms, mean")
    parser.add_argument("--in", dest="file", default="", help="what is said")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", choices=["send", "receive"], help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    seconds = 60.0 * given.minutes
    if given.one:
        function = send if given.one == "send" else receive
        print(json.dumps(function(given.port, seconds, given.file)), flush=True)
        os._exit(0)
    conditions = replace(BAD, loss=given.loss / 100.0, burst=given.burst, jitter_ms=given.jitter)
    sent, received = measure(seconds, conditions, given.file)
    wrong = faults(sent, received)
    table = tables(sent, received)
    if given.json:
        print(json.dumps({"figures": dict(table), "faults": wrong}))
    else:
        for name, text in table:
            print(f"{name:40} {text}")
    for line in wrong:
        print(line, file=sys.stderr)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
