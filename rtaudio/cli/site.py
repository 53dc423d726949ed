"""``rtaudio site``: a page in the browser that takes songs apart, with a queue."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from rtaudio.errors import UsageError
from rtaudio.view import terminal


def site(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Where songs and stems are kept (default: in the user's cache)."),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="A separator: a model file, or a shipped one. May be given several times."
        ),
    ] = None,
    backends: Annotated[
        Path | None,
        typer.Option(
            metavar="YAML", help="Programs to separate with, beside Demucs and Open-Unmix."
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of the site; the next free one if taken.")
    ] = 8080,
    listen: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Show the site to the network, too, by a link with a token: 0.0.0.0 or an address "
            "of this machine.",
        ),
    ] = None,
    keep: Annotated[
        float,
        typer.Option(
            metavar="HOURS", min=0.01, max=8760, help="Hours until songs and stems are removed."
        ),
    ] = 24.0,
    jobs: Annotated[int, typer.Option(min=1, max=256, help="Songs separated at a time.")] = 1,
    largest: Annotated[
        int, typer.Option(metavar="MIB", min=1, max=1 << 20, help="Largest upload.")
    ] = 512,
    longest: Annotated[
        float, typer.Option(metavar="MINUTES", min=0.01, max=600, help="Longest song.")
    ] = 20.0,
    rate: Annotated[
        int,
        typer.Option(
            metavar="UPLOADS", min=1, max=1 << 20, help="Most uploads an hour of one address."
        ),
    ] = 100,
    disk: Annotated[
        float, typer.Option(metavar="GIB", min=0.01, max=1 << 20, help="Most that all files take.")
    ] = 20.0,
) -> None:
    """Take songs apart in the browser: drop them, wait in the queue, listen, download the stems.

    Each visitor sees only the songs they brought; a link shows a song to others until it is
    removed. The queue survives a restart. Besides nets of ours, programs with a command line
    separate: Demucs and Open-Unmix if they are installed, and those of --backends.
    """
    if sys.platform == "win32":
        raise UsageError("the site needs Linux or macOS: it limits what an upload may cost")
    terminal.say_loading("the site")
    from rtaudio.cli.run import ended_by_signals
    from rtaudio.cli.serving import say_where
    from rtaudio.control.web_server import LOOPBACK, web_extra
    from rtaudio.shipped import shipped_separators
    from rtaudio.site.backends import usable_backends

    web_extra()
    from rtaudio.site.limits import Limits
    from rtaudio.site.server import SiteServer
    from rtaudio.site.site import Site

    shipped = shipped_separators()
    models = [shipped.get(name) or Path(name) for name in model or ()]
    offered = usable_backends(models, backends)
    limits = Limits(largest, longest, rate, disk, keep)
    with (
        Site(folder or _usual_folder(), offered, limits, jobs, terminal.remark) as opened,
        SiteServer(opened, port, listen or LOOPBACK) as server,
    ):
        terminal.remark("separates with: " + ", ".join(b.title for b in offered.values()))
        say_where(server, port, "site")
        try:
            with ended_by_signals():
                threading.Event().wait()
        except KeyboardInterrupt:
            left = len(opened.store.unfinished())
            terminal.remark(
                "stopped" + (f"; {left} in the queue go on at the next start" if left else "")
            )


def _usual_folder() -> Path:
    from rtaudio.runtime.folders import user_cache

    cache = user_cache()
    if cache is None:
        raise UsageError("this user has no home directory; name a folder: rtaudio site FOLDER")
    return cache / "rtaudio" / "site"
