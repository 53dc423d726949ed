"""What a run offers to others: the page and the programming interface, and Open Sound Control."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rtaudio.view import terminal

if TYPE_CHECKING:
    from rtaudio.control.session import Session
    from rtaudio.control.web_server import WebServer


@contextmanager
def show_page(
    session: Session,
    port: int,
    listen: str | None,
    device: str | int | None,
    out_device: str | int | None,
    **options: Any,
) -> Iterator[None]:
    """Serve the page of a session while the block runs, and say where it is.

    Parameters
    ----------
    session
        The session.
    port
        The wanted port.
    listen
        The address to listen on; None: the loopback.
    device, out_device, **options
        What the host was made with.

    Raises
    ------
    UsageError
        The extra is not installed, or the address is none of this machine.
    """
    from rtaudio.control.desk import Desk
    from rtaudio.control.server import Server
    from rtaudio.control.web_server import LOOPBACK

    desk = Desk(session, "default" if device is None else device, out_device, **options)
    with Server(desk, port, listen or LOOPBACK) as server:
        say_where(server, port, "page")
        try:
            yield
        finally:
            desk.rig.end_record()


def say_where(server: WebServer, port: int, name: str) -> None:
    """Say where a server is, and open it in a browser if there is a screen.

    Parameters
    ----------
    server
        The server.
    port
        The port that was wanted.
    name
        What it serves.
    """
    if server.port != port:
        terminal.remark(f"port {port} is taken: the {name} is on {server.port}")
    terminal.remark(f"{name}: {server.link}")
    if server.token is not None:
        _print_code(server.link)
    elif _has_screen():
        import webbrowser

        webbrowser.open(server.link)


@contextmanager
def obey_osc(session: Session, port: int) -> Iterator[None]:
    """Obey Open Sound Control while the block runs.

    Parameters
    ----------
    session
        The session.
    port
        UDP port on the loopback.
    """
    import logging

    from rtaudio.control.osc import Osc

    logging.getLogger().addHandler(logging.NullHandler())  # python-osc reports damage to the root
    with Osc(session, port) as osc:
        terminal.remark(f"OSC: udp://{osc.address}:{osc.port}")
        yield
        if osc.refused:
            terminal.remark(f"OSC: {osc.refused} messages were not understood")


def _print_code(link: str) -> None:
    """Print a link as a QR code, for the camera of a phone."""
    import segno

    if sys.stderr.isatty():
        segno.make(link, error="l").terminal(out=sys.stderr, compact=True)


def _has_screen() -> bool:
    """Say whether a browser can open a window; a text browser must not take the terminal."""
    if not sys.stderr.isatty():
        return False
    return sys.platform != "linux" or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
