"""The sound beside everything that controls it: lost blocks, memory, with and without.

Run ``python -m benchmarks.control [--minutes 10] [--browsers 3] [--json]``. It starts a private
JACK server with the dummy driver (48 kHz, 64 frames, real-time priority if permitted), and plays
one preset twice for as long: alone; and while browsers show its page with meters and spectrogram at
20 Hz, a preset is opened every 5 s, and a knob is turned 50 times a second. Then it opens 1,000
presets, closes and opens 100 links, and compares the memory.

Browsers need Chromium and playwright. If one is missing they are left out, and the table says so.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from benchmarks.live import BLOCK, RATE, Jack
from rtaudio.audio.riff import riff

PRESETS = ("crunch", "edge", "clean", "overdrive")
OPEN_S, TURN_HZ = 5.0, 50.0
SWAPS, LINKS = 1000, 100
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def play(seconds: float, loaded: bool) -> dict[str, Any]:
    """Play, and print the link to the page first; run in a process of its own."""
    import rtaudio as rt
    from rtaudio.control.desk import Desk
    from rtaudio.control.server import Server
    from rtaudio.control.session import Session

    with ExitStack() as stack:
        host = stack.enter_context(
            rt.Host(rt.load_preset(PRESETS[0]), "system", RATE, BLOCK, in_channels=[1])
        )
        host.play(riff(RATE))
        session = Session(host)
        link = ""
        if loaded:
            link = stack.enter_context(Server(Desk(session), 0)).link
        print(link, flush=True)
        if loaded:
            sys.stdin.readline()  # the browsers are there
            stack.enter_context(_handled(link))
        before = host.stats()
        host.wait(seconds)
        stats = host.stats()
        return {
            "blocks": stats.blocks - before.blocks,
            "missed": stats.missed - before.missed,
            "load": stats.load,
            "callback_us": vars(stats.callback_us),
            "gap_us": vars(stats.gap_us),
            "faults": sum(stats.faults.values()),
        }


@contextmanager
def _handled(link: str) -> Iterator[None]:
    """Open presets and turn a knob, as another program would, while the block runs."""
    from rtaudio.control.client import Client

    ended = threading.Event()

    def open_presets() -> None:
        with Client(link) as client:
            number = 0
            while not ended.wait(OPEN_S):
                number += 1
                client.open(PRESETS[number % len(PRESETS)])

    def turn() -> None:
        with Client(link) as client:
            step = 0
            while not ended.wait(1.0 / TURN_HZ):
                step += 1
                with suppress(ValueError):  # a preset without this knob may play
                    client.set("input.gain_db", abs(step % 40 - 20) / 5)

    threads = [threading.Thread(target=work, daemon=True) for work in (open_presets, turn)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def remember() -> dict[str, float]:
    """Return the memory in MB before and after swaps and links; run in a process of its own."""
    import rtaudio as rt
    from rtaudio.control.client import Client
    from rtaudio.control.desk import Desk
    from rtaudio.control.server import Server
    from rtaudio.control.session import Session

    with (
        rt.Host(rt.load_preset(PRESETS[0]), "clock", RATE, BLOCK) as host,
        Server(Desk(Session(host)), 0) as server,
        Client(server.link) as client,
    ):

        def swap(count: int) -> None:
            for number in range(count):
                client.open(PRESETS[number % len(PRESETS)])

        def link(count: int) -> None:
            for _ in range(count):
                with Client(server.link) as other:
                    listening = other.listen()
                    for message in listening:
                        if message["type"] == "reading":
                            break
                    listening.close()

        swap(SWAPS // 10)
        link(LINKS // 10)
        before = _resident_mb()
        swap(SWAPS)
        swapped = _resident_mb()
        link(LINKS)
        return {"before_mb": before, "swapped_mb": swapped, "linked_mb": _resident_mb()}


def _resident_mb() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextmanager
def browsers(link: str, count: int) -> Iterator[int]:
    """Show the page in browsers while the block runs; yields how many there are."""
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        path = None
    if path is None or count == 0:
        yield 0
        return
    with sync_playwright() as driver:
        found = [
            driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
            for _ in range(count)
        ]
        for browser in found:
            page = browser.new_page()
            page.goto(link)
            page.wait_for_selector("body.ready", timeout=120_000)
        yield count
        for browser in found:
            browser.close()


def measure(seconds: float, count: int) -> dict[str, Any]:
    """Measure alone, with everything, and the memory; returns the figures by name."""
    jack = Jack(name="rtaudio-control")
    environment = os.environ | {"JACK_DEFAULT_SERVER": jack.name}
    try:
        alone = _figures(_started("alone", seconds, environment))
        child = _started("loaded", seconds, environment)
        assert child.stdin is not None
        assert child.stdout is not None
        link = child.stdout.readline().strip()
        with browsers(link, count) as there:
            child.stdin.write("\n")
            child.stdin.flush()
            loaded = _figures(child)
    finally:
        jack.stop()
    memory = _figures(_started("memory", seconds, environment))
    return {"browsers": there, "alone": alone, "with everything": loaded, "memory": memory}


def _started(what: str, seconds: float, environment: dict[str, str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.control", "--one", what, "--seconds", str(seconds)]
    return subprocess.Popen(
        command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def _figures(child: subprocess.Popen[str]) -> dict[str, Any]:
    out, _ = child.communicate()
    if child.returncode:
        raise SystemExit("the measurement failed")
    return dict(json.loads(out.splitlines()[-1]))


def main() -> None:
    """Parse the command line, measure, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--browsers", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", choices=["alone", "loaded", "memory"], help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        found = remember() if options.one == "memory" else play(
            options.seconds, options.one == "loaded"
        )  # fmt: skip
        print(json.dumps(found), flush=True)
        os._exit(0)
    found = measure(60.0 * options.minutes, options.browsers)
    if options.json:
        print(json.dumps(found))
        return
    print(f"| {options.minutes:g} minutes, 64 frames, 48 kHz | blocks | missed | load | p50 us |"
          " p99 us | p99.9 us | max us |")  # fmt: skip
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in ("alone", "with everything"):
        row, took = found[name], found[name]["callback_us"]
        title = name if name == "alone" else f"{found['browsers']} browsers, presets, knob"
        print(
            f"| {title} | {row['blocks']} | {row['missed']} | {100 * row['load']:.1f} % | "
            f"{took['p50']:.0f} | {took['p99']:.0f} | {took['p99_9']:.0f} | {took['max']:.0f} |"
        )
    memory = found["memory"]
    print(
        f"\nmemory: {memory['before_mb']:.0f} MB at the beginning, {memory['swapped_mb']:.0f} MB "
        f"after {SWAPS} presets, {memory['linked_mb']:.0f} MB after {LINKS} links"
    )


if __name__ == "__main__":
    main()
