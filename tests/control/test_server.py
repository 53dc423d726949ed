"""The server: its port, its token, its client, and the words when something is missing."""

from __future__ import annotations

import builtins
import json
import socket
import threading
import urllib.error
import urllib.request

import pytest

import rtaudio as rt
from rtaudio.control.client import Client
from rtaudio.control.desk import Desk
from rtaudio.control.server import Server
from rtaudio.control.session import Session
from rtaudio.errors import RtaudioError, UsageError

pytest.importorskip("fastapi", reason="the extra `web` is not installed")


@pytest.fixture(scope="module")
def desk():
    chain = rt.Chain([rt.Gain(name="input"), rt.Limiter()], name="two")
    with rt.Host(chain, "clock") as host:
        yield Desk(Session(host))


def test_a_port_that_is_taken_gives_way_to_the_next_free_one(desk):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with Server(desk, taken) as server:
            assert taken < server.port <= taken + 20
            assert urllib.request.urlopen(server.link).status == 200


@pytest.mark.parametrize("address", ["192.0.2.1", "no-such-host.invalid", "evil"])
def test_an_address_of_another_machine_is_refused(desk, address):
    with pytest.raises(UsageError, match=f"--listen {address}: .*give an address of this machine"):
        Server(desk, 0, address)


@pytest.mark.parametrize("missing", ["fastapi", "uvicorn", "websockets"])
def test_a_missing_extra_is_one_line_with_the_remedy(desk, monkeypatch, missing):
    whole = builtins.__import__

    def without(name, *rest, **options):
        if name == missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return whole(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=rf"needs {missing}.*pip install 'rtaudio\[web\]'"):
        Server(desk, 0)


def test_the_network_gets_in_by_the_link_only(desk):
    with Server(desk, 0, "0.0.0.0") as server:
        bare = f"http://127.0.0.1:{server.port}/"
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(bare)
        assert len(server.token) >= 32
        with Client(f"{bare}?token={server.token}") as client:
            assert client.get("input.gain_db") == 0.0
            assert next(client.listen())["type"] == "state"
        with Client(f"{bare}?token=wrong") as client:
            with pytest.raises(RtaudioError, match="open the link"):
                client.chain()
            with pytest.raises(RtaudioError, match="link is lost"):
                next(client.listen())


def test_a_client_does_what_the_page_does(desk):
    with Server(desk, 0) as server, Client(server.link) as client:
        assert [effect["name"] for effect in client.chain()] == ["input", "limiter"]
        assert client.set("input.gain_db", 2.0) == 2.0
        assert client.parameters()["input.gain_db"].unit == "dB"
        assert "gain" in client.undo()
        client.redo()
        assert client.reset("input.gain_db") == 0.0
        client.add("gain", 2)
        client.move(2, 0)
        client.remove(0)
        client.switch(muted=True)
        assert client.switches()["muted"]
        client.switch(muted=False)
        assert "crunch" in client.presets()
        assert client.statistics()["blocks"] > 0
        for refused in (lambda: client.set("input.gain_db", 999), lambda: client.open("nothing"),
                        lambda: client.get("nothing.here"), lambda: client.remove(9)):  # fmt: skip
            with pytest.raises(RtaudioError):
                refused()


def test_a_client_outlasts_a_connection_that_the_server_closed(desk):
    with Server(desk, 0) as first, Client(first.link) as client:
        assert client.chain()
        port = first.port
        first.stop()
        with Server(desk, port):
            assert client.chain()


def test_changes_of_one_client_reach_another(desk):
    with Server(desk, 0) as server, Client(server.link) as one, Client(server.link) as two:
        heard = two.listen()
        assert next(heard)["type"] == "state"
        threading.Timer(0.1, lambda: one.set("input.gain_db", -3.0)).start()
        change = next(message for message in heard if message["type"] == "parameter")
        assert (change["name"], change["value"]) == ("input.gain_db", -3.0)
        heard.close()


@pytest.mark.parametrize("link", ["", "8080", "https://x/", "ftp://127.0.0.1/", "http:///"])
def test_what_is_no_link_is_refused(link):
    with pytest.raises(UsageError, match="is no link"):
        Client(link)


def test_nobody_at_the_link_is_one_line():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(RtaudioError, match="does not answer"):
        Client(f"http://127.0.0.1:{port}/").chain()


def test_a_run_says_where_its_page_is(cli):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        answer = cli("run", "bypass", "--device", "clock", "--seconds", "0.2", "--json",
                     "--page", "--port", taken)  # fmt: skip
    assert answer.status == 0, answer.err
    assert json.loads(answer.out)["blocks"] > 0
    assert f"port {taken} is taken" in answer.err
    assert "page: http://127.0.0.1:" in answer.err
