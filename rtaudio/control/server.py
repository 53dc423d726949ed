"""Server: the page and the programming interface of a running host, in a thread of its own."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

from rtaudio.control.desk import Desk
from rtaudio.control.web_server import LOOPBACK, WebServer, new_app

_PAGE = Path(__file__).parent / "page"


class Server(WebServer):
    """Serves a desk until it is stopped.

    Parameters
    ----------
    desk
        What to serve.
    port
        The wanted port; if it is taken, the next free one; 0: any.
    address
        The address to listen on. Any but the loopback demands a token, which is made here.

    Attributes
    ----------
    port
        The port in use.
    token
        The token; None on the loopback.

    Raises
    ------
    UsageError
        The extra is not installed, or the address is none of this machine.
    """

    def __init__(self, desk: Desk, port: int = 8080, address: str = LOOPBACK) -> None:
        super().__init__(partial(make_app, desk), port, address)


def make_app(desk: Desk) -> Any:
    """Return the application that serves a desk, without its guard.

    Parameters
    ----------
    desk
        What to serve.

    Returns
    -------
    fastapi.FastAPI
        The application; its description is at ``/api/openapi.json``.
    """
    from fastapi.staticfiles import StaticFiles

    from rtaudio.control.api import api

    @contextlib.asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        async with desk.feed.running():
            yield

    app = new_app(
        "rtaudio",
        "Control of a running host: chain, parameters, presets, switches, meters.",
        lifespan,
    )
    app.state.desk = desk
    app.include_router(api)
    app.mount("/", StaticFiles(directory=_PAGE, html=True))
    return app
