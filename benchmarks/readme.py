"""The figures of the README: ``python -m benchmarks.readme`` measures and writes them.

They stand between ``<!-- figures -->`` and ``<!-- /figures -->``. What needs JACK is left out where
there is no jackd. ``--data FOLDER`` measures the denoisers alone, between ``<!-- denoise -->`` and
``<!-- /denoise -->``.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import live
from rtaudio.atomic import replacing
from rtaudio.bench.machine import machine_line
from rtaudio.cli.bench_denoise import denoise_tables

README = Path(__file__).parent.parent / "README.md"
PERCENTILES = ("p50", "p99", "p99_9", "max")


def rtaudio(*words: str) -> Any:
    """Run a verb in a process of its own and return its JSON object."""
    done = subprocess.run(
        [sys.executable, "-m", "rtaudio", *words, "--json"],
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a Markdown table; numbers are aligned to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    lines += [[f"{c:.1f}" if isinstance(c, float) else str(c) for c in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def percentiles(times: dict[str, float]) -> list[float]:
    """Return the four figures of a duration."""
    return [float(times[name]) for name in PERCENTILES]


def start_and_memory() -> tuple[float, float]:
    """Return how long the shortest live run takes in seconds, and its resident memory in MB."""
    words = ["run", "crunch", "--device", "clock", "--seconds", "0", "--json"]
    begin = time.perf_counter()
    child = subprocess.Popen([sys.executable, "-m", "rtaudio", *words], stdout=subprocess.DEVNULL)
    _, _, usage = os.wait4(child.pid, 0)
    return time.perf_counter() - begin, usage.ru_maxrss / 1024


def guitar_figures() -> list[str]:
    """Measure the amps, and return the paragraphs of their section."""
    measured = rtaudio("bench", "guitar")
    parts = [
        "**Amps and pedals** (`rtaudio bench guitar`). Error-to-signal ratio over whole takes held "
        "out from training, against the teacher that each was trained on; cost in microseconds "
        "per block of 64:"
    ]
    head = ["", "net", "weights", "ESR mean", "worst take", "native p50", "p99", "ONNX p50", "p99"]
    rows = [
        (
            *(row[key] for key in ("name", "net", "weights")),
            *(f"{row[key]:.4f}" for key in ("esr_mean", "esr_max")),
            *(row[engine][part] for engine in ("native", "onnx") for part in ("p50", "p99")),
        )
        for row in measured["amps"]
    ]
    parts.append(table(head, rows))
    parts.append(
        "What others have published of their captures of real gear, which is harder to copy than "
        "a captured one:"
    )
    parts.append(table(["", "ESR", ""], measured["published"]))
    peers = measured["peers"]
    parts.append(
        f"**Kernels beside other players**, microseconds per block of 64, by turns in one process "
        f"({peers['date']}, {peers['machine']}; {'; '.join(peers['peers'].values())}); the errors "
        "are the largest differences to the exact function:"
    )
    players = ("ours", "namcore", "neuralaudio")
    head = ["net", "rtaudio", "NAM Core", "NeuralAudio", "error", "NAM Core", "NeuralAudio"]
    rows = [
        (
            row["name"],
            *(f"{row[f'{player}_us']:.2f}" for player in players),
            *(f"{row[f'{player}_error']:.0e}" for player in players),
        )
        for row in peers["rows"]
    ]
    parts.append(table(head, rows))
    parts.append("Nets by size in both engines, microseconds per block of 64:")
    engines = ("native", "onnx")
    parts.append(
        table(
            ["", "weights", *(f"{engine} {part}" for engine in engines for part in ("p50", "p99"))],
            [
                (row["name"], row["weights"],
                 *(row[engine][part] for engine in engines for part in ("p50", "p99")))
                for row in measured["nets"]
            ],
        )
    )  # fmt: skip
    parts.append("**Whole chains**, median load of one core at 48 kHz:")
    blocks = sorted({row["block"] for row in measured["chains"]})
    shares: dict[str, list[str]] = {}
    for row in measured["chains"]:
        shares.setdefault(row["name"], []).append(f"{100 * row['share']:.2f} %")
    head = ["", *(f"{block} frames" for block in blocks)]
    parts.append(table(head, [(name, *values) for name, values in shares.items()]))
    return parts


def figures(seconds: float) -> str:
    """Measure everything and return the text of the block."""
    parts = [machine_line() + ". 48 kHz, blocks of 64 frames (1,333 µs)."]
    if shutil.which("jackd"):
        rows = [
            (name, row["blocks"], row["missed"], *percentiles(row["callback_us"]))
            for name, row in live.measure("crunch", seconds).items()
        ]
        parts.append(
            f"**Live beside a busy interpreter.** The preset `crunch` for {seconds:.0f} s on "
            "JACK's dummy driver, without and with two busy Python threads in the same process; "
            "below, the same compiled chain called from a callback written in Python "
            "(`python -m benchmarks.live`):"
        )
        head = ["", "blocks", "missed", "callback µs p50", "p99", "p99.9", "max"]
        parts.append(table(head, rows))
    engine = rtaudio("bench", "engine")["engine"]
    parts.append("**The whole callback** (`rtaudio bench engine`), microseconds per block:")
    head = ["", "p50", "p99", "p99.9", "max"]
    parts.append(table(head, [(name, *percentiles(times)) for name, times in engine.items()]))
    measured = rtaudio("bench", "models")
    parts.append("**Models alone** (`rtaudio bench models`), microseconds per block:")
    rows = [(name, *percentiles(times)) for name, times in measured["models"].items()]
    parts.append(table(head, rows))
    parts += guitar_figures()
    seconds, megabytes = start_and_memory()
    parts.append(
        "**Start.** `rtaudio run crunch --seconds 0` starts, plays its first block and ends within "
        f"{seconds:.1f} s, in {megabytes:.0f} MB of memory."
    )
    return "\n\n".join(parts) + "\n"


def denoise_figures(data: Path) -> str:
    """Measure the denoisers on the recordings of a folder, and return the text of their block."""
    jobs = str(os.cpu_count() or 1)
    measured = rtaudio("bench", "denoise", "--data", str(data), "--jobs", jobs)
    parts = [
        machine_line() + ". `rtaudio bench denoise`: all systems in one run, played by this engine "
        "and shifted back by the latency they report. The other denoisers are the published files "
        "of their authors. PESQ is wide band; SI-SDR is taken at the rate of the recordings, and "
        "for those of 48 kHz at 16 kHz, too, since DTLN, GTCRN and UL-UNAS make nothing above "
        "8 kHz. SIG, BAK and OVRL are DNSMOS P.835."
    ]
    for title, head, rows in denoise_tables(measured["denoise"]):
        parts += [f"**{title}.**", table(head, rows)]
    return "\n\n".join(parts) + "\n"


def write(block: str, text: str) -> None:
    """Put a text between the marks of a block of the README."""
    marks = re.compile(rf"(<!-- {block} -->\n).*(<!-- /{block} -->)", re.DOTALL)
    page = README.read_text("utf-8")
    with replacing(README) as temporary:
        temporary.write_text(marks.sub(lambda m: m[1] + text + m[2], page), "utf-8")


def main() -> None:
    """Measure, and write a block of the README."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each live run")
    parser.add_argument("--data", type=Path, help="measure the denoisers on this folder instead")
    given = parser.parse_args()
    if given.data:
        write("denoise", denoise_figures(given.data))
    else:
        write("figures", figures(given.seconds))


if __name__ == "__main__":
    main()
