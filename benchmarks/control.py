"""The sound beside everything that controls it: lost blocks, memory, with and without.

Run ``python -m benchmarks.control [--minutes 10] [--browsers 3] [--json]``. It starts a private
JACK server with the dummy driver (48 kHz, 64 frames, real-time priority if permitted), and plays a
preset in turns, half of them alone. In the others browsers show its page with meters and
spectrogram at 20 Hz, a preset is opened every 5 s, a knob is turned 50 times a second, and 10,000
MIDI messages a second arrive. Then it opens 1,000 presets, closes and opens 100 links, and compares
the memory.

Browsers need Chromium and playwright, MIDI needs python-rtmidi. What is missing is left out, and
the table says so.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.live import BLOCK, RATE, Jack
from benchmarks.midi import MAPPING
from rtaudio.audio.riff import riff

PRESETS = ("crunch", "edge", "clean", "overdrive")
OPEN_S, TURN_HZ = 5.0, 50.0
TURNS = 5
"""Turns alone, and as many with everything."""
SWAPS, LINKS = 1000, 100
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def play() -> None:
    """Play, print the link to the page, and obey the lines of stdin; in a process of its own."""
    import rtaudio as rt
    from rtaudio.control import Desk, Server, Session

    with ExitStack() as stack:
        host = stack.enter_context(rt.Host(rt.load_preset(PRESETS[0]), "system", RATE, BLOCK))
        host.play(riff(RATE))
        session = Session(host)
        link = stack.enter_context(Server(Desk(session), 0)).link
        flood = stack.enter_context(_flooded(session))
        print(json.dumps({"link": link, "midi": flood is not None}), flush=True)
        for line in sys.stdin:
            word, seconds = line.split()
            before = host.read()
            if word == "busy":
                with _handled(link):
                    sent = flood(float(seconds)) if flood else host.wait(float(seconds))
            else:
                sent = host.wait(float(seconds))
            after = host.read()
            turn = {
                "blocks": after.blocks - before.blocks,
                "missed": after.missed - before.missed,
                "midi": sent or 0,
            }
            print(json.dumps(turn), flush=True)


@contextmanager
def _flooded(session: Any) -> Iterator[Callable[[float], int] | None]:
    """Connect a MIDI controller while the block runs; yields what makes it send for a time."""
    try:
        import rtmidi  # noqa: F401

        from rtaudio.control.midi.midi_control import MidiControl
    except ModuleNotFoundError:
        yield None
        return
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "benchmarks.midi", "--send"]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as sender:
        assert sender.stdin is not None
        assert sender.stdout is not None
        commands, told = sender.stdin, sender.stdout
        told.readline()

        def flood(seconds: float) -> int:
            commands.write(f"flood {seconds}\n")
            commands.flush()
            return int(json.loads(told.readline()))

        with MidiControl(session, ["flood"], lambda line: None):
            yield flood
        commands.close()


@contextmanager
def _handled(link: str) -> Iterator[None]:
    """Open presets and turn a knob, as another program would, while the block runs."""
    from rtaudio.control import Client

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
    from rtaudio.control import Client, Desk, Server, Session

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
def pages(link: str, count: int) -> Iterator[Callable[[bool], int]]:
    """Start browsers for the block; yields what shows the page in all of them, or none."""
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        path = None
    if path is None:
        yield lambda shown: 0
        return
    with sync_playwright() as driver:
        browsers = [
            driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
            for _ in range(count)
        ]
        opened = [browser.new_page() for browser in browsers]

        def show(shown: bool) -> int:
            for page in opened:
                page.goto(link if shown else "about:blank", timeout=600_000)
                if shown:
                    page.wait_for_selector("body.ready", timeout=600_000)
            return len(opened)

        yield show
        for browser in browsers:
            browser.close()


def measure(seconds: float, count: int) -> dict[str, Any]:
    """Return the turns alone and with everything, summed up, and the memory.

    Parameters
    ----------
    seconds
        Duration of all turns together.
    count
        Number of browsers.
    """
    jack = Jack(name="rtaudio-control")
    turns: dict[str, list[dict[str, int]]] = {"quiet": [], "busy": []}
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "rtaudio" / "midi"
        folder.mkdir(parents=True)
        (folder / "flood.yaml").write_text(MAPPING)
        environment = os.environ | {"JACK_DEFAULT_SERVER": jack.name, "XDG_CONFIG_HOME": home}
        try:
            child = _started("play", environment)
            assert child.stdin is not None
            assert child.stdout is not None
            told = json.loads(child.stdout.readline())
            with pages(told["link"], count) as show:
                for word in ("quiet", "busy") * TURNS:
                    there = show(word == "busy")
                    child.stdin.write(f"{word} {seconds / TURNS / 2}\n")
                    child.stdin.flush()
                    turns[word].append(json.loads(child.stdout.readline()))
            child.communicate()
        finally:
            jack.stop()
        memory = json.loads(_started("remember", environment).communicate()[0])
    sums = {
        word: {key: sum(turn[key] for turn in found) for key in found[0]}
        for word, found in turns.items()
    }
    return {"browsers": there, "turns": turns, "memory": memory, **sums}


def _started(what: str, environment: dict[str, str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.control", "--one", what]
    pipe = subprocess.PIPE
    return subprocess.Popen(  # python-rtmidi writes a line for each message that finds no room
        command, env=environment, text=True, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL
    )


def main() -> None:
    """Parse the command line, measure, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--browsers", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", choices=["play", "remember"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one == "play":
        play()
        return
    if options.one == "remember":
        print(json.dumps(remember()), flush=True)
        os._exit(0)
    found = measure(60.0 * options.minutes, options.browsers)
    if options.json:
        print(json.dumps(found))
        return
    quiet, busy, memory = found["quiet"], found["busy"], found["memory"]
    print("| 64 frames at 48 kHz | blocks | missed |")
    print("| --- | ---: | ---: |")
    print(f"| alone | {quiet['blocks']:,} | {quiet['missed']:,} |")
    print(
        f"| {found['browsers']} browsers, presets, a knob, {busy['midi']:,} MIDI messages | "
        f"{busy['blocks']:,} | {busy['missed']:,} |"
    )
    print(
        f"\nmemory: {memory['before_mb']:.0f} MB at the beginning, {memory['swapped_mb']:.0f} MB "
        f"after {SWAPS:,} presets, {memory['linked_mb']:.0f} MB after {LINKS} links"
    )


if __name__ == "__main__":
    main()
