"""Make the pictures of the page: ``python -m docs.pictures``.

It plays the guitar riff of the demo through a preset on the virtual clock, and looks at the page
with Chromium: dark, light, and as wide as a phone.
"""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

from PIL import Image

from rtaudio.audio.riff import riff
from rtaudio.control.desk import Desk
from rtaudio.control.server import Server
from rtaudio.control.session import Session
from rtaudio.live.host import Host
from rtaudio.preset.load import load_preset

ASSETS = Path(__file__).parent / "assets"
PRESET = "crunch"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SIZES = {"dark": (1280, 800), "light": (1280, 800), "phone": (390, 844)}
BLOCK = 512
"""Long enough for a machine that draws at the same time."""
FILLED_MS = 12_000
"""Time in which the spectrogram fills its window."""


def main() -> None:
    """Look at the page in each size, and keep the pictures."""
    from playwright.sync_api import sync_playwright

    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
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
