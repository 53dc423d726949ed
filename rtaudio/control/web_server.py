"""Web server: an application behind its guard, in a thread of its own."""

from __future__ import annotations

import errno
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, cast

from rtaudio.control.guard import MAX_BODY_BYTES, UPLOADS, Guard
from rtaudio.errors import RtaudioError, UsageError, dotted, explain, fault_text

LOOPBACK = "127.0.0.1"
_TRIES = 20
_TAKEN = (errno.EADDRINUSE, errno.EACCES)


class WebServer:
    """Serves an application until it is stopped.

    Parameters
    ----------
    make
        Makes the application when the server starts.
    port
        The wanted port; if it is taken, the next free one; 0: any.
    address
        The address to listen on. Any but the loopback demands a token.
    token
        The token; None: a new one, if there must be one.
    uploads
        Start of the routes that take larger bodies, and count them.

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

    def __init__(
        self,
        make: Callable[[], Any],
        port: int = 8080,
        address: str = LOOPBACK,
        token: str | None = None,
        uploads: str = UPLOADS,
    ) -> None:
        self._make, self._uploads = make, uploads
        self._uvicorn = web_extra()
        self._socket = _bound(address, port)
        self.address, self.port = address, int(self._socket.getsockname()[1])
        self.token = None if address == LOOPBACK else token or secrets.token_urlsafe(24)
        self._thread: threading.Thread | None = None

    @property
    def link(self) -> str:
        """The link to the page; with the token, if there is one."""
        host = _reachable(self.address)
        host = f"[{host}]" if ":" in host else host
        query = f"?token={self.token}" if self.token else ""
        return f"http://{host}:{self.port}/{query}"

    def start(self) -> Self:
        """Begin to serve, and return when requests are answered."""
        guarded = Guard(self._make(), self.address, self.token, self.port, self._uploads)
        config = self._uvicorn.Config(
            guarded,
            log_level="critical",
            access_log=False,
            server_header=False,
            ws="websockets-sansio",
            ws_max_size=MAX_BODY_BYTES,
            timeout_graceful_shutdown=1,
        )
        self._server = self._uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="server", daemon=True
        )
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.005)
        return self

    def stop(self) -> None:
        """Close every connection, and return when the thread has ended."""
        if self._thread is not None:
            self._server.should_exit = True
            self._thread.join()
        self._socket.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def new_app(title: str, description: str, lifespan: Any = None) -> Any:
    """Return an application without routes, which answers faults as ``{"detail": line}``.

    Parameters
    ----------
    title, description
        For its description at ``/api/openapi.json``.
    lifespan
        What runs around it, as FastAPI takes it.

    Returns
    -------
    fastapi.FastAPI
        The application.
    """
    from fastapi import FastAPI, Request
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import JSONResponse

    import rtaudio

    def refused(request: Request, error: Exception) -> JSONResponse:
        missing = isinstance(error, FileNotFoundError)
        return JSONResponse({"detail": explain(error)[0]}, 404 if missing else 422)

    def misunderstood(request: Request, error: Exception) -> JSONResponse:
        fault = cast(RequestValidationError, error).errors()[0]
        key = dotted("", fault["loc"]).removeprefix("body.")
        return JSONResponse({"detail": fault_text(fault, key)}, 422)

    app = FastAPI(
        title=title,
        description=description,
        version=rtaudio.__version__,
        openapi_url="/api/openapi.json",
        docs_url=None,  # they load scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    app.add_exception_handler(RequestValidationError, misunderstood)
    app.add_exception_handler(RtaudioError, refused)
    app.add_exception_handler(OSError, refused)
    return app


def web_extra() -> Any:
    """Return the module ``uvicorn``, after a look whether all that serves pages is installed.

    Raises
    ------
    UsageError
        The extra is not installed.
    """
    try:
        import fastapi  # noqa: F401
        import uvicorn
        import websockets  # noqa: F401
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the page needs {error.name}, which is not installed; pip install 'rtaudio[web]'"
        ) from None
    return uvicorn


def _bound(address: str, port: int) -> socket.socket:
    """Return a socket that is bound to a port, or to the next one that is free."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    last = min(65535, port + _TRIES) if port else 0
    for candidate in range(port, last + 1):
        found = socket.socket(family, socket.SOCK_STREAM)
        if sys.platform != "win32":  # where it would share the port of another program
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((address, candidate))
            found.listen()
        except OSError as error:
            found.close()
            if error.errno not in _TAKEN:
                reason = str(error.strerror or error).lower()
                raise UsageError(f"--listen {address}: {reason}; give an address of this machine, "
                                 "or 0.0.0.0 for all") from None  # fmt: skip
        else:
            return found
    raise UsageError(f"--port {port}: it and the next {_TRIES} are taken; give another one")


def _reachable(address: str) -> str:
    """Return the address under which others reach this machine, for a link."""
    if address not in ("0.0.0.0", "::"):
        return address
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:  # sends nothing: it asks for the route
        try:
            probe.connect(("2001:db8::1" if ":" in address else "192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()
