"""Dropouts beside busy Python threads: the compiled callback, and a plain Python one.

Run ``python -m benchmarks.live [--preset crunch] [--seconds 60] [--json]``. It starts a private
JACK server with the dummy driver (48 kHz, 64 frames, real-time priority if permitted), and plays
the same preset three times: alone, beside two busy pure-Python threads in the same process, and
beside the same threads from an ordinary sounddevice callback written in Python, which runs the
same compiled chain.
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


def burn() -> None:
    """Keep the interpreter lock as busy as pure Python code can."""
    while True:
        sum(range(1000))


def compiled(preset: str, seconds: float, busy: int) -> dict[str, Any]:
    """Play through the engine; run in a process of its own."""
    import rtaudio as rt

    host = rt.Host(rt.load_preset(preset), "system", RATE, BLOCK, source=_noise(seconds + 2))
    with host:
        for _ in range(busy):
            threading.Thread(target=burn, daemon=True).start()
        host.wait(seconds)
        stats = host.stats()
    return {
        "blocks": stats.blocks,
        "missed": stats.missed,
        "callback_us": vars(stats.callback_us),
        "gap_us": vars(stats.gap_us),
    }


def python_callback(preset: str, seconds: float, busy: int) -> dict[str, Any]:
    """Play the same compiled chain from a Python callback; run in a process of its own."""
    import sounddevice

    import rtaudio as rt
    from rtaudio.measure.percentiles import Percentiles
    from rtaudio.render import run

    program = rt.load_preset(preset).compile(RATE, BLOCK, out_channels=2)
    noise = _noise(seconds + 2)
    run(program, noise[:, :BLOCK])
    durations: list[float] = []
    entries: list[float] = []
    flagged = [0]

    def callback(indata: Any, outdata: Any, frames: int, when: Any, status: Any) -> None:
        entry = time.perf_counter()
        at = len(entries) * BLOCK % (noise.shape[1] - BLOCK)
        outdata[:] = run(program, noise[:, at : at + frames]).T
        flagged[0] += bool(status)
        entries.append(entry)
        durations.append(time.perf_counter() - entry)

    with sounddevice.Stream(
        device="system", samplerate=RATE, blocksize=BLOCK, channels=(1, 2), dtype="float32",
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


def _noise(seconds: float) -> np.ndarray:
    random = np.random.default_rng(0)
    return random.uniform(-0.3, 0.3, (1, round(seconds * RATE))).astype(np.float32)


class Jack:
    """A private jackd with the dummy driver."""

    def __init__(self) -> None:
        if shutil.which("jackd") is None:
            raise SystemExit("jackd is not installed; apt install jackd2")
        self.name = "rtaudio-bench"
        try:
            former = os.sched_getscheduler(0)
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
            os.sched_setscheduler(0, former, os.sched_param(0))
            realtime = ["-R", "-P70"]
        except PermissionError:
            realtime = ["--no-realtime"]
        driver = ["-d", "dummy", "-r", str(RATE), "-p", str(BLOCK)]
        self.process = subprocess.Popen(
            ["jackd", "-n", self.name, *realtime, *driver],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(2)

    def measure(self, what: str, preset: str, seconds: float, busy: int) -> dict[str, Any]:
        """Run one measurement in a fresh process and return its figures."""
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.live", "--one", what, "--preset", preset,
             "--seconds", str(seconds), "--busy", str(busy)],
            env=os.environ | {"JACK_DEFAULT_SERVER": self.name},
            capture_output=True,
            text=True,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"{what}: {done.stderr.strip().splitlines()[-1]}")
        return dict(json.loads(done.stdout.splitlines()[-1]))


def measure(preset: str, seconds: float) -> dict[str, dict[str, Any]]:
    """Measure all three; returns their figures by name."""
    jack = Jack()
    try:
        return {
            "compiled, idle": jack.measure("compiled", preset, seconds, 0),
            "compiled, 2 busy threads": jack.measure("compiled", preset, seconds, 2),
            "Python callback, idle": jack.measure("python", preset, seconds, 0),
            "Python callback, 2 busy threads": jack.measure("python", preset, seconds, 2),
        }
    finally:
        jack.process.terminate()
        jack.process.wait()


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="crunch")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", choices=["compiled", "python"], help=argparse.SUPPRESS)
    parser.add_argument("--busy", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        function = compiled if options.one == "compiled" else python_callback
        print(json.dumps(function(options.preset, options.seconds, options.busy)), flush=True)
        os._exit(0)
    table = measure(options.preset, options.seconds)
    if options.json:
        print(json.dumps(table))
        return
    columns = "callback us p50, p99, p99.9, max   gap us p50, p99.9, max"
    print(f"{'':32} {'blocks':>7} {'missed':>7}   {columns}")
    for name, row in table.items():
        c, g = row["callback_us"], row["gap_us"]
        print(
            f"{name:32} {row['blocks']:7d} {row['missed']:7d}   "
            f"{c['p50']:8.1f} {c['p99']:8.1f} {c['p99_9']:8.1f} {c['max']:8.1f}   "
            f"{g['p50']:8.0f} {g['p99_9']:8.0f} {g['max']:8.0f}"
        )


if __name__ == "__main__":
    main()
