"""The server of a site: its page and its programming interface, by the server of the page."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from rtaudio.control.web_server import LOOPBACK, WebServer, new_app
from rtaudio.site.site import Site

_PAGE = Path(__file__).parent / "page"
_LOOK = Path(__file__).parents[1] / "control" / "page"
"""Style, icons and elements, which are those of the page of a host."""

UPLOADS = "/api/jobs"
"""The route that takes songs, and counts their bytes; those below it take no body."""


class SiteServer(WebServer):
    """Serves a site until it is stopped.

    Parameters
    ----------
    site
        The site, which is open.
    port
        The wanted port; if it is taken, the next free one; 0: any.
    address
        The address to listen on. Any but the loopback demands the token of the site, which stays
        the same from start to start, so that links stay.

    Raises
    ------
    UsageError
        The extra is not installed, or the address is none of this machine.
    """

    def __init__(self, site: Site, port: int = 8080, address: str = LOOPBACK) -> None:
        super().__init__(partial(make_app, site), port, address, site.store.secret(), UPLOADS)


def make_app(site: Site) -> Any:
    """Return the application that serves a site, without its guard.

    Parameters
    ----------
    site
        What to serve.

    Returns
    -------
    fastapi.FastAPI
        The application; its description is at ``/api/openapi.json``.
    """
    from fastapi import Request
    from fastapi.responses import JSONResponse
    from fastapi.staticfiles import StaticFiles

    from rtaudio.site.api import api

    def troubled(request: Request, error: Exception) -> JSONResponse:
        """Say nothing of the paths in the error, which are nobody's business but the owner's."""
        if isinstance(error, FileNotFoundError):
            return JSONResponse({"detail": "it has been removed"}, 404)
        return JSONResponse({"detail": "the site cannot use its disk; try again later"}, 503)

    app = new_app("rtaudio site", "Songs into stems: upload, queue, progress, download.")
    app.add_exception_handler(OSError, troubled)
    app.state.site = site
    app.include_router(api)
    app.mount("/look", StaticFiles(directory=_LOOK))
    app.mount("/", StaticFiles(directory=_PAGE, html=True))
    return app
