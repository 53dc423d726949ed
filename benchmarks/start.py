"""How long the command line takes to answer: ``python -m benchmarks.start``.

Each command runs a few times; the fastest is reported, as other programs can only slow it down.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from rtaudio.view.terminal import print_table

RUNS = 5
COMMANDS = (
    ["--version"],
    ["--help"],
    ["run", "--help"],
    ["devices"],
    ["run", "crunch", "--device", "clock", "--seconds", "0"],
    ["run", "denoise", "--device", "clock", "--seconds", "0"],
)


def seconds_to_end(words: list[str]) -> float:
    """Return the time from the command to its end."""
    begin = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "rtaudio", *words],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    return time.perf_counter() - begin


def seconds_to_first_word(words: list[str]) -> float:
    """Return the time until a command writes its first byte on a terminal."""
    import pty

    own, theirs = pty.openpty()
    begin = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-m", "rtaudio", *words], stdout=theirs, stderr=theirs, close_fds=True
    )
    os.close(theirs)
    os.read(own, 1)
    seconds = time.perf_counter() - begin
    child.kill()
    child.wait()
    os.close(own)
    return seconds


def main() -> None:
    """Print the table."""
    rows = []
    for words in COMMANDS:
        seconds_to_end(words)  # fills the caches
        end = min(seconds_to_end(words) for _ in range(RUNS))
        first = min(seconds_to_first_word(words) for _ in range(RUNS))
        rows.append((" ".join(words), f"{first:.2f} s", f"{end:.2f} s"))
    print_table("start of rtaudio", ["command", "first word", "end"], rows)


if __name__ == "__main__":
    main()
