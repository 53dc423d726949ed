"""The guard refuses what was not made for this server by its page; each test is an attack."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtaudio.control.guard import MAX_BODY_BYTES, Guard

fastapi = pytest.importorskip("fastapi", reason="the extra `web` is not installed")
testclient = pytest.importorskip("fastapi.testclient", reason="httpx is not installed")
Request, WebSocket = fastapi.Request, fastapi.WebSocket

HERE = "http://127.0.0.1:8080"
TOKEN = "a-token-of-the-test"


def application():
    app = fastapi.FastAPI()

    @app.post("/api/echo")
    async def echo(request: Request):
        return {"bytes": len(await request.body())}

    @app.get("/")
    def page():
        return "page"

    @app.websocket("/api/live")
    async def live(socket: WebSocket):
        await socket.accept()
        await socket.send_text("hello")
        await socket.close()

    return app


def client(address="127.0.0.1", token=None, base=HERE):
    return testclient.TestClient(
        Guard(application(), address, token, 8080), base, follow_redirects=False
    )


def socket_of(visitor, **options):
    base = str(visitor.base_url).replace("http", "ws").rstrip("/")
    return visitor.websocket_connect(f"{base}/api/live", **options)


def test_the_page_itself_is_served():
    answer = client().post("/api/echo", headers={"Origin": HERE, "Sec-Fetch-Site": "same-origin"})
    assert answer.json() == {"bytes": 0}
    with socket_of(client(), headers={"Origin": HERE}) as socket:
        assert socket.receive_text() == "hello"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost@evil.example", "",
     "192.168.1.5:8080", "127.0.0.1, evil.example", "[::1", "evil.example#127.0.0.1"],
)  # fmt: skip
def test_a_name_that_was_rebound_to_this_machine_is_refused(host):
    answer = client().get("/", headers={"Host": host})
    assert answer.status_code == 421
    with (
        pytest.raises(fastapi.WebSocketDisconnect),
        socket_of(client(), headers={"Host": host}),
    ):
        pass


@given(st.from_regex(r"[a-z0-9.-]{1,20}", fullmatch=True))
def test_no_other_name_is_this_machine(name):
    guard = Guard(application())
    assert guard._is_here(name) == (name in ("localhost", "127.0.0.1"))


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:9", "[::1]:8080", "LOCALHOST"])
def test_the_names_of_the_loopback_are_taken(host):
    assert client().get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": "http://127.0.0.1:9090"},
        {"Origin": "http://127.0.0.1:8080.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_page_from_elsewhere_is_refused(headers):
    assert client().post("/api/echo", headers=headers).status_code == 403
    with (
        pytest.raises(fastapi.WebSocketDisconnect),
        socket_of(client(), headers=headers),
    ):
        pass


def test_a_link_from_elsewhere_may_open_the_page_and_nothing_else():
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert client().get("/", headers=headers).status_code == 200
    assert client().get("/api/echo", headers=headers).status_code == 403
    assert client().post("/", headers=headers).status_code == 403


def test_no_other_page_may_frame_it_or_read_it():
    headers = client().get("/").headers
    assert headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in headers


def test_a_large_body_is_refused_whether_it_tells_its_length_or_not():
    def pieces():
        for _ in range(1000):
            yield b"x" * 1000

    whole = client().post("/api/echo", content=b"x" * MAX_BODY_BYTES)
    assert whole.json() == {"bytes": MAX_BODY_BYTES}
    assert client().post("/api/echo", content=b"x" * (MAX_BODY_BYTES + 1)).status_code == 413
    assert client().post("/api/echo", content=pieces()).status_code == 413
    huge = {"Content-Length": "9" * 30}
    assert client().post("/api/echo", content=b"x", headers=huge).status_code == 413


def test_the_network_needs_the_token():
    on_network = client("0.0.0.0", TOKEN, "http://192.168.1.5:8080")
    assert on_network.get("/").status_code == 401
    assert on_network.post("/api/echo").status_code == 401
    assert on_network.get("/?token=wrong").status_code == 401
    for wrong in ("", "Bearer", "Bearer wrong", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}"):
        headers = {"Authorization": wrong}
        assert on_network.post("/api/echo", headers=headers).status_code == 401, wrong
    with pytest.raises(fastapi.WebSocketDisconnect), socket_of(on_network):
        pass


def test_the_link_exchanges_its_token_for_a_cookie_and_hides_it():
    on_network = client("0.0.0.0", TOKEN, "http://192.168.1.5:8080")
    answer = on_network.get(f"/?token={TOKEN}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert on_network.post("/api/echo").status_code == 200  # the client keeps the cookie
    with socket_of(on_network) as socket:
        assert socket.receive_text() == "hello"


def test_a_program_shows_the_token_in_a_header():
    on_network = client("0.0.0.0", TOKEN, "http://192.168.1.5:8080")
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert on_network.post("/api/echo", headers=headers).status_code == 200


def test_the_network_is_no_way_around_the_names():
    on_network = client("0.0.0.0", TOKEN, "http://evil.example:8080")
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert on_network.get("/", headers=headers).status_code == 421


def test_a_flood_of_fields_is_no_token():
    on_network = client("0.0.0.0", TOKEN, "http://192.168.1.5:8080")
    assert on_network.get("/?" + "a=1&" * 30 + f"token={TOKEN}").status_code == 401


def test_a_damaged_cookie_is_no_token():
    on_network = client("0.0.0.0", TOKEN, "http://192.168.1.5:8080")
    for cookie in ("rtaudio-8080=", 'rtaudio-8080="', "=;=;;\x7f", "rtaudio-8080=\xff"):
        headers = {"Cookie": cookie.encode("latin-1")}
        assert on_network.get("/", headers=headers).status_code == 401
