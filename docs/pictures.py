"""Make the pictures of the pages: ``python -m docs.pictures [SEPARATOR]``.

It plays the guitar riff of the demo through a preset on the virtual clock, and looks at the page
with Chromium: dark, light, and as wide as a phone. With the file of a separator it makes the
picture of the site in their place, which takes the riff apart with it.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image

from rtaudio.audio.riff import riff
from rtaudio.control.desk import Desk
from rtaudio.control.server import Server
from rtaudio.control.session import Session
from rtaudio.live.host import Host
from rtaudio.preset.load import load_preset
from rtaudio.site.backends import usable_backends
from rtaudio.site.limits import Limits
from rtaudio.site.server import SiteServer
from rtaudio.site.site import Site

ASSETS = Path(__file__).parent / "assets"
PRESET = "crunch"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SIZES = {"dark": (1280, 800), "light": (1280, 800), "phone": (390, 844)}
BLOCK = 512
"""Long enough for a machine that draws at the same time."""
FILLED_MS = 12_000
"""Time in which the spectrogram fills its window."""
SITE_SIZE = (1100, 800)
SITE_MS = 600_000
"""Patience with the separator."""
SHOWN_SHARE, PLAYED_MS = 0.3, 8000


def main() -> None:
    """Look at the page in each size, or at the site, and keep the pictures."""
    if len(sys.argv) > 1:
        show_site(Path(sys.argv[1]))
    else:
        show_page()


def _browser() -> str | None:
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def show_site(model: Path) -> None:
    """Look at the site: stems that play, a song that is separated, and one that waits.

    Parameters
    ----------
    model
        A separator.
    """
    from playwright.sync_api import sync_playwright

    with (
        tempfile.TemporaryDirectory() as folder,
        Site(Path(folder), usable_backends([model]), Limits()) as site,
        SiteServer(site, 0) as server,
        sync_playwright() as driver,
    ):
        browser = driver.chromium.launch(executable_path=_browser(), args=["--no-sandbox"])
        width, height = SITE_SIZE
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme="dark")
        page.set_default_timeout(SITE_MS)
        page.goto(server.link)
        page.wait_for_selector("body.ready")
        for name, times in (
            ("riff.wav", 3),
            ("riff, over and over.wav", 10),
            ("riff again.wav", 1),
        ):
            page.locator("#files").set_input_files(
                [{"name": name, "mimeType": "audio/wav", "buffer": _riff(times)}]
            )
            page.get_by_role("article", name=name, exact=True).wait_for()
        song = page.get_by_role("article", name="riff.wav", exact=True)
        song.get_by_role("button", name="Stems of").click()
        song.get_by_role("button", name="solo other").click()
        bar = page.get_by_role("article", name="riff, over and over.wav").get_by_role("progressbar")
        while float(bar.get_attribute("value") or 0.0) < SHOWN_SHARE:
            page.wait_for_timeout(100)
        song.get_by_role("button", name="Play").click()
        page.wait_for_timeout(PLAYED_MS)
        keep(page.screenshot(full_page=True), ASSETS / "site.png")
        browser.close()


def _riff(times: int) -> bytes:
    """Return the riff of the demo, some times, as a WAV file."""
    file = io.BytesIO()
    soundfile.write(file, np.tile(riff(44100), times), 44100, format="WAV")
    return file.getvalue()


def show_page() -> None:
    """Look at the page of a host in each size."""
    from playwright.sync_api import sync_playwright

    path = _browser()
    with (
        Host(load_preset(PRESET), "clock", block=BLOCK) as host,
        Server(Desk(Session(host)), 0) as server,
        sync_playwright() as driver,
    ):
        host.play(riff(host.rate_hz))
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for name, (width, height) in SIZES.items():
            colours = "light" if name == "light" else "dark"
            page = browser.new_page(
                viewport={"width": width, "height": height}, color_scheme=colours
            )
            page.goto(server.link)
            page.wait_for_selector("body.ready")
            page.wait_for_timeout(FILLED_MS)
            keep(page.screenshot(), ASSETS / f"page-{name}.png")
            page.close()
        browser.close()


def keep(data: bytes, target: Path) -> None:
    """Write a picture in 128 colours.

    Parameters
    ----------
    data
        A PNG file.
    target
        The file.
    """
    picture: Any = Image.open(io.BytesIO(data)).convert("RGB").quantize(128)
    picture.save(target, format="png", optimize=True)


if __name__ == "__main__":
    main()
