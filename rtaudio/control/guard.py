"""The guard of the page: who may speak to a running host, and with how many bytes.

A web page from anywhere can make the reader's browser send requests to this machine. So each
request must name this machine in ``Host`` (a name that was rebound to it by a foreign DNS server is
refused), and one that a browser sends must come from this page (``Origin``, ``Sec-Fetch-Site``). A
server that listens to the network also wants its token.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BODY_BYTES = 1 << 16
"""Most bytes of a request that uploads nothing."""
UPLOADS = "/api/files"
"""The routes of the page below it take larger bodies, and count them."""
COOKIE_S = 30 * 24 * 3600

_HERE = frozenset({"localhost", "127.0.0.1", "::1"})
_HEADERS = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-cache",
}


class Guard:
    """Middleware that refuses what does not come from this page, before the application sees it.

    Parameters
    ----------
    app
        The application.
    address
        The address that the server listens on.
    token
        What a visitor must show, once in the link and then as a cookie, or in the header
        ``Authorization: Bearer``; None: nothing, which is for the loopback only.
    port
        The port, for the name of the cookie.
    uploads
        Start of the routes that take larger bodies, and count them.
    """

    def __init__(
        self,
        app: App,
        address: str = "127.0.0.1",
        token: str | None = None,
        port: int = 0,
        uploads: str = UPLOADS,
    ) -> None:
        self._app, self._token, self._uploads = app, token, uploads
        self._names, self._any_address = _names_of(address)
        self._cookie = f"rtaudio-{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {
            key.decode("latin-1").lower(): value.decode("latin-1")
            for key, value in scope["headers"]
        }
        fault = self._fault(scope, headers)
        if fault is not None:
            await _refuse(scope, send, *fault)
            return
        if self._token is not None and not self._known(headers):
            await self._ask(scope, send, self._token)
            return
        if scope["type"] == "http" and not scope["path"].startswith(self._uploads):
            body = await _read(receive, headers)
            if body is None:
                await _refuse(scope, send, 413, f"a request has {MAX_BODY_BYTES} bytes at most")
                return
            receive = _once(body, receive)
        await self._app(scope, receive, _with_headers(send))

    def _fault(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
        """Return status and reason if the request was not made for this server by its page."""
        host = headers.get("host", "")
        if not self._is_here(host):
            return 421, f"this is not {host or 'a server without a name'}"
        origin = headers.get("origin")
        if origin is not None and origin.lower().partition("://")[2] != host.lower():
            return 403, "another page must not control this one"
        site = headers.get("sec-fetch-site", "none")
        opened = scope["type"] == "http" and scope["method"] == "GET" and scope["path"] == "/"
        if site not in ("same-origin", "none") and not opened:
            return 403, "another page must not control this one"
        return None

    def _is_here(self, host: str) -> bool:
        """Say whether a ``Host`` header names this machine."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
            if f"//{host}" != f"//{urlsplit(f'//{host}').netloc}":
                return False
        except ValueError:
            return False
        if name in self._names:
            return True
        # A DNS server can rebind a name, but not a number.
        return self._any_address and _is_address(name)

    def _known(self, headers: dict[str, str]) -> bool:
        """Say whether a request shows the token."""
        shown = [headers.get("authorization", "").removeprefix("Bearer ")]
        try:
            cookies = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            cookies = SimpleCookie()
        if self._cookie in cookies:
            shown.append(cookies[self._cookie].value)
        return any(_same(text, self._token or "") for text in shown)

    async def _ask(self, scope: Scope, send: Send, token: str) -> None:
        """Exchange the token of the link for a cookie, or refuse."""
        try:
            query = parse_qs(scope.get("query_string", b"").decode("latin-1"), max_num_fields=20)
        except ValueError:  # too many of them
            query = {}
        given = query.get("token", [""])[0]
        if scope["type"] == "http" and scope["path"] == "/" and _same(given, token):
            cookie = f"{self._cookie}={token}; HttpOnly; SameSite=Lax; Path=/; Max-Age={COOKIE_S}"
            headers = [(b"location", b"/"), (b"set-cookie", cookie.encode("latin-1"))]
            await _with_headers(send)(
                {"type": "http.response.start", "status": 303, "headers": headers}
            )
            await send({"type": "http.response.body", "body": b""})
            return
        await _refuse(scope, send, 401, "open the link that rtaudio printed; it has the token")


def _names_of(address: str) -> tuple[frozenset[str], bool]:
    """Return the names of a server by the address it listens on, and whether any number is one."""
    if address in _HERE:
        return _HERE, False
    own = socket.gethostname().lower()
    names = _HERE | {address.lower(), own, f"{own}.local"}
    return names, _is_address(address) and ipaddress.ip_address(address).is_unspecified


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode())


async def _read(receive: Receive, headers: dict[str, str]) -> bytes | None:
    """Return the body of a request; None if it is too long."""
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or len(length) > 9:
        return None
    if int(length) > MAX_BODY_BYTES:
        return None
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if len(body) > MAX_BODY_BYTES:
            return None
        if message["type"] != "http.request" or not message.get("more_body"):
            return body


def _once(body: bytes, receive: Receive) -> Receive:
    """Return a source of messages that begins with a body that has been read."""
    pending = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> MutableMapping[str, Any]:
        return pending.pop() if pending else await receive()

    return next_message


def _with_headers(send: Send) -> Send:
    """Return a sender that adds the headers of every answer."""

    async def add(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            given = {key.lower() for key, _ in message.get("headers", [])}
            own = [(k.encode(), v.encode()) for k, v in _HEADERS.items() if k.encode() not in given]
            message = {**message, "headers": [*message.get("headers", []), *own]}
        await send(message)

    return add


async def _refuse(scope: Scope, send: Send, status: int, reason: str) -> None:
    """Answer with a fault, a person in plain words; a WebSocket is closed before it opens."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": reason[:100]})
        return
    person = scope["path"] == "/"
    body = reason.encode() if person else json.dumps({"detail": reason}).encode()
    kind = b"text/plain; charset=utf-8" if person else b"application/json"
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
    await _with_headers(send)({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
