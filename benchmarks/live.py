"""Dropouts beside busy Python threads: the compiled callback, and a plain Python one.

Run ``python -m benchmarks.live [--preset crunch] [--seconds 60] [--json]``. It starts a private
JACK server with the dummy driver (48 kHz, 64 frames, real-time priority if permitted), and plays
the same preset three times: alone, beside two busy pure-Python threads in the same process, and
beside the same threads from an ordinary sounddevice callback written in Python, which runs the
same compiled chain.

With ``--grid`` it plays the preset at every usual rate and block size instead, beside one busy
Python thread, ``--seconds`` each; ``--rates`` and ``--blocks`` name some of them. Ten minutes:
``python -m benchmarks.live --grid --preset denoise --rates 48000 --blocks 64 --seconds 600``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np

RATE, BLOCK = 48000, 64
RATES = (44100, 48000, 96000)
BLOCKS = (32, 64, 128, 256, 480, 512, 1024, 2048)


def burn() -> None:
    """Keep the interpreter lock as busy as pure Python code can."""
    while True:
        sum(range(1000))


def compiled(preset: str, seconds: float, busy: int, rate_hz: int, block: int) -> dict[str, Any]:
    """Play through the engine; run in a process of its own."""
    import rtaudio as rt

    source = _noise(seconds + 2, rate_hz)
    host = rt.Host(rt.load_preset(preset), "system", rate_hz, block, source=source)
    with host:
        for _ in range(busy):
            threading.Thread(target=burn, daemon=True).start()
        host.wait(seconds)
        stats = host.stats()
    return {
        "blocks": stats.blocks,
        "missed": stats.missed,
        "late": sum(n for name, n in stats.faults.items() if name.endswith(": late")),
        "latency_ms": 1000 * stats.latency_samples / rate_hz,
        "load": stats.load,
        "callback_us": vars(stats.callback_us),
        "gap_us": vars(stats.gap_us),
    }


def python_callback(
    preset: str, seconds: float, busy: int, rate_hz: int, block: int
) -> dict[str, Any]:
    """Play the same compiled chain from a Python callback; run in a process of its own."""
    import sounddevice

    import rtaudio as rt
    from rtaudio.analysis.percentiles import Percentiles
    from rtaudio.runtime.offline import run

    program = rt.load_preset(preset).compile(rate_hz, block, out_channels=2)
    noise = _noise(seconds + 2, rate_hz)
    run(program, noise[:, :block])
    durations: list[float] = []
    entries: list[float] = []
    flagged = [0]

    def callback(indata: Any, outdata: Any, frames: int, when: Any, status: Any) -> None:
        entry = time.perf_counter()
        at = len(entries) * block % (noise.shape[1] - block)
        outdata[:] = run(program, noise[:, at : at + frames]).T
        flagged[0] += bool(status)
        entries.append(entry)
        durations.append(time.perf_counter() - entry)

    with sounddevice.Stream(
        device="system", samplerate=rate_hz, blocksize=block, channels=(1, 2), dtype="float32",
        latency="low", callback=callback,
    ):  # fmt: skip
        for _ in range(busy):
            threading.Thread(target=burn, daemon=True).start()
        time.sleep(seconds)
        blocks = len(entries)
    return {
        "blocks": blocks,
        "missed": flagged[0],
        "callback_us": vars(Percentiles.of_samples(1e6 * np.array(durations[:blocks]))),
        "gap_us": vars(Percentiles.of_samples(1e6 * np.diff(entries[:blocks]))),
    }


def _noise(seconds: float, rate_hz: int) -> np.ndarray:
    noise = np.random.default_rng(0).random((1, round(seconds * rate_hz)), np.float32)
    noise -= 0.5
    noise *= 0.6
    return noise


class Jack:
    """A private jackd with the dummy driver.

    Parameters
    ----------
    rate_hz, block
        Sample rate, and frames per block.
    name
        Its name among the servers of the machine.
    """

    def __init__(
        self, rate_hz: int = RATE, block: int = BLOCK, name: str = "rtaudio-bench"
    ) -> None:
        self.rate_hz, self.block = rate_hz, block
        if shutil.which("jackd") is None:
            raise SystemExit("jackd is not installed; apt install jackd2")
        self.name = name
        try:
            former = os.sched_getscheduler(0), os.sched_getparam(0)
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
            os.sched_setscheduler(0, *former)
            realtime = ["-R", "-P70"]
        except PermissionError:
            realtime = ["--no-realtime"]
        driver = ["-d", "dummy", "-r", str(rate_hz), "-p", str(block)]
        self.process = subprocess.Popen(
            ["jackd", "-n", self.name, *realtime, *driver],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(2)

    def stop(self) -> None:
        """End the server."""
        self.process.terminate()
        self.process.wait()

    def measure(self, what: str, preset: str, seconds: float, busy: int) -> dict[str, Any]:
        """Run one measurement in a fresh process and return its figures."""
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.live", "--one", what, "--preset", preset,
             "--seconds", str(seconds), "--busy", str(busy), "--rate", str(self.rate_hz),
             "--block", str(self.block)],
            env=os.environ | {"JACK_DEFAULT_SERVER": self.name},
            capture_output=True,
            text=True,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"{what}: {done.stderr.strip().splitlines()[-1]}")
        return dict(json.loads(done.stdout.splitlines()[-1]))


def measure(preset: str, seconds: float) -> dict[str, dict[str, Any]]:
    """Measure all four; returns their figures by name."""
    jack = Jack()
    try:
        return {
            "compiled, idle": jack.measure("compiled", preset, seconds, 0),
            "compiled, 2 busy threads": jack.measure("compiled", preset, seconds, 2),
            "Python callback, idle": jack.measure("python", preset, seconds, 0),
            "Python callback, 2 busy threads": jack.measure("python", preset, seconds, 2),
        }
    finally:
        jack.stop()


def measure_one(preset: str, seconds: float, rate_hz: int, block: int) -> dict[str, Any]:
    """Measure the engine alone, beside one busy thread, at one rate and block size."""
    jack = Jack(rate_hz, block)
    try:
        return jack.measure("compiled", preset, seconds, 1)
    finally:
        jack.stop()


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="crunch")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--grid", action="store_true", help="every usual rate and block size")
    parser.add_argument("--rates", type=int, nargs="+", default=RATES, help="those of the grid")
    parser.add_argument("--blocks", type=int, nargs="+", default=BLOCKS, help="those of the grid")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", choices=["compiled", "python"], help=argparse.SUPPRESS)
    for name, default in (("--busy", 0), ("--rate", RATE), ("--block", BLOCK)):
        parser.add_argument(name, type=int, default=default, help=argparse.SUPPRESS)
    options = parser.parse_args()
    played = (options.preset, options.seconds)
    if options.one:
        function = compiled if options.one == "compiled" else python_callback
        figures = function(*played, options.busy, options.rate, options.block)
        print(json.dumps(figures), flush=True)
        os._exit(0)
    if options.grid:
        table = {}
        for rate_hz in options.rates:
            for block in options.blocks:
                name = f"{rate_hz} Hz, {block} frames"
                print(f"{name} ...", file=sys.stderr)
                table[name] = measure_one(*played, rate_hz, block)
    else:
        table = measure(*played)
    if options.json:
        print(json.dumps(table))
        return
    columns = "callback us p50, p99, p99.9, max   gap us p50, p99.9, max"
    print(f"{'':32} {'blocks':>7} {'missed':>7} {'late':>5} {'latency ms':>10}   {columns}")
    for name, row in table.items():
        c, g = row["callback_us"], row["gap_us"]
        late, latency_ms = row.get("late", "-"), row.get("latency_ms")
        print(
            f"{name:32} {row['blocks']:7d} {row['missed']:7d} {late:>5} "
            f"{'-' if latency_ms is None else f'{latency_ms:.1f}':>10}   "
            f"{c['p50']:8.1f} {c['p99']:8.1f} {c['p99_9']:8.1f} {c['max']:8.1f}   "
            f"{g['p50']:8.0f} {g['p99_9']:8.0f} {g['max']:8.0f}"
        )


if __name__ == "__main__":
    main()
