"""What a page costs: this one, and the same meters and knobs made with NiceGUI.

Run ``python -m benchmarks.page [--seconds 20]``; it needs Chromium, playwright and nicegui. Both
serve a chain of five effects, each in a process of its own, to one browser: meters 20 times a
second, and every knob. This page has spectrum and spectrogram, too. Times are of the processor, so
that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import Any

STACKS = {
    "none": "none",
    "plain": "this page, with spectra at 20 Hz",
    "small": "this page, spectra out of sight",
    "nicegui": "NiceGUI, without spectra",
}
SMALL = {"width": 390, "height": 500}
"""A window that shows no spectra, so that the page asks for none."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def serve(stack: str, port: int) -> None:
    """Play and serve until the process is killed."""
    import rtaudio as rt
    from rtaudio.audio.riff import riff
    from rtaudio.control.session import Session
    from rtaudio.control.shelf import presets_to_open

    presets_to_open()  # what any page would show
    chain = rt.Chain(rt.NoiseGate(), rt.Gain(), rt.ToneStack(), rt.DcBlock(), rt.Limiter())
    with rt.Host(chain, "clock", block=512) as host:
        host.play(riff(host.rate_hz))
        session = Session(host)
        print("playing", flush=True)
        if stack == "nicegui":
            _with_nicegui(session, port)
            return
        with ExitStack() as servers:
            if stack != "none":
                from rtaudio.control.desk import Desk
                from rtaudio.control.server import Server

                servers.enter_context(Server(Desk(session), port))
            while True:
                time.sleep(1.0)


def _with_nicegui(session: Any, port: int) -> None:
    from nicegui import ui

    @ui.page("/")
    def page() -> None:
        levels = session.read().levels
        bars = [
            (side, ui.linear_progress(0.0, show_value=False))
            for side in ("in_peak_db", "in_rms_db", "out_peak_db", "out_rms_db")
            for _ in getattr(levels, side)
        ]
        for one in session.parameters().values():
            ui.knob(
                one.value, min=one.low, max=one.high, show_value=True,
                on_change=lambda event, name=one.name: session.set(name, event.value),
            )  # fmt: skip

        def read() -> None:
            now = session.read().levels
            for side, bar in bars:
                bar.value = max(0.0, 1.0 + getattr(now, side)[0] / 60.0)

        ui.timer(0.05, read)

    ui.run(host="127.0.0.1", port=port, show=False, reload=False)


def cpu_s(process: int) -> float:
    """Return the processor time of a process so far."""
    with open(f"/proc/{process}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(stack: str, seconds: float, browser: Any) -> dict[str, float]:
    """Return processor time per second, and what the browser loads."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks.page", "--serve", stack, "--port", str(port)]
    child = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    loaded: list[int] = []
    try:
        assert child.stdout is not None
        child.stdout.readline()  # kernels have been compiled
        if stack != "none":
            page = browser.new_page(viewport=SMALL if stack == "small" else None)
            page.on("response", lambda answer: loaded.append(len(answer.body())))
            _open(page, f"http://127.0.0.1:{port}/")
            page.wait_for_timeout(5000)
        before = cpu_s(child.pid)
        start = time.monotonic()
        if stack == "none":
            time.sleep(seconds)
        else:
            page.wait_for_timeout(1000 * seconds)
        used = (cpu_s(child.pid) - before) / (time.monotonic() - start)
        return {
            "cpu": used,
            "files": len(loaded),
            "loaded_kb": sum(loaded) / 1000,
        }
    finally:
        child.kill()
        child.wait()


def _open(page: Any, link: str) -> None:
    """Open a page as soon as its server answers."""
    end = time.monotonic() + 1200.0
    while True:
        try:
            page.goto(link, wait_until="load")
        except Exception:
            if time.monotonic() > end:
                raise
            time.sleep(0.5)
        else:
            return


def main() -> None:
    """Parse the command line, measure, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--serve", choices=STACKS, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.port)
        return
    from playwright.sync_api import sync_playwright

    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        found = {stack: measure(stack, options.seconds, browser) for stack in STACKS}
        browser.close()
    print("| page | processor | files | bytes loaded |")
    print("| --- | ---: | ---: | ---: |")
    idle = found.pop("none")
    for stack, row in found.items():
        used = 100 * (row["cpu"] - idle["cpu"])
        print(
            f"| {STACKS[stack]} | {used:.1f} % of a core | {row['files']} | "
            f"{row['loaded_kb']:.0f} kB |"
        )


if __name__ == "__main__":
    main()
