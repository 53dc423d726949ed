"""The programming interface, on a host that plays on the virtual clock."""

from __future__ import annotations

import asyncio
import io
import json
import pickle
import time
from urllib.parse import quote

import numpy as np
import pytest
import soundfile

import rtaudio as rt
from rtaudio.control import inbox
from rtaudio.control.desk import Desk
from rtaudio.control.guard import Guard
from rtaudio.control.server import make_app
from rtaudio.control.session import Session
from rtaudio.control.spectrum import BANDS

pytest.importorskip("fastapi", reason="the extra `web` is not installed")
testclient = pytest.importorskip("fastapi.testclient", reason="httpx is not installed")

HERE = "http://127.0.0.1:8080"


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    monkeypatch.setenv("APPDATA", str(tmp_path / "settings"))
    chain = rt.Chain([rt.Gain(name="input"), rt.Limiter()], name="two")
    with rt.Host(chain, "clock") as host:
        desk = Desk(Session(host))
        yield desk
        desk.rig.end_record()
        desk.session.host.stop()


@pytest.fixture
def visitor(desk):
    with testclient.TestClient(Guard(make_app(desk)), HERE) as visitor:
        yield visitor


def names(visitor):
    return [effect["name"] for effect in visitor.get("/api/chain").json()]


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(0.01)
    return found


def wav(frames=4800, rate_hz=48000, scale=0.5):
    file = io.BytesIO()
    sound = scale * np.exp(-np.arange(frames) / 300) * np.cos(np.arange(frames))
    soundfile.write(file, sound, rate_hz, format="WAV")
    return file.getvalue()


def test_a_parameter_is_read_set_refused_reset_and_undone(visitor, desk):
    found = visitor.get("/api/parameters").json()["input.gain_db"]
    assert (found["value"], found["unit"], found["scale"]) == (0.0, "dB", "db")
    assert visitor.put("/api/parameters/input.gain_db", json={"value": 6}).json() == {"value": 6.0}
    assert desk.session.host.get("input.gain_db") == 6.0
    for wrong in (999, "loud", None, [1]):
        answer = visitor.put("/api/parameters/input.gain_db", json={"value": wrong})
        assert answer.status_code == 422, wrong
    assert visitor.put("/api/parameters/input.loud", json={"value": 1}).status_code == 422
    assert desk.session.host.get("input.gain_db") == 6.0
    assert "gain" in visitor.post("/api/undo").json()["undone"]
    assert desk.session.host.get("input.gain_db") == 0.0
    visitor.post("/api/redo")
    assert visitor.delete("/api/parameters/input.gain_db").json() == {"value": 0.0}


@pytest.mark.parametrize("body", ["NaN", '{"value": NaN}', '{"value": 1e999}', "[" * 30_000, "{"])
def test_what_is_no_json_number_is_refused(visitor, body):
    headers = {"Content-Type": "application/json"}
    answer = visitor.put("/api/parameters/input.gain_db", content=body, headers=headers)
    assert answer.status_code in (400, 422)
    assert visitor.get("/api/parameters").json()["input.gain_db"]["value"] == 0.0


def test_the_chain_is_changed(visitor):
    assert names(visitor) == ["input", "limiter"]
    assert visitor.post("/api/chain", json={"word": "delay", "place": 1}).status_code == 201
    assert names(visitor) == ["input", "delay", "limiter"]
    visitor.post("/api/chain/1/move", json={"to": 0})
    assert names(visitor) == ["delay", "input", "limiter"]
    visitor.delete("/api/chain/0")
    assert names(visitor) == ["input", "limiter"]
    assert visitor.delete("/api/chain/7").status_code == 422
    assert visitor.post("/api/undo").json()["undone"]
    assert names(visitor) == ["delay", "input", "limiter"]


def test_what_is_offered_can_be_added(visitor):
    offered = {entry["word"]: entry for entry in visitor.get("/api/effects").json()}
    assert all(entry["title"] and entry["description"] for entry in offered.values())
    for word in ("tilt", "bass-4x10"):
        assert word in offered
        assert visitor.post("/api/chain", json={"word": word, "place": 0}).status_code == 201
    assert [effect["kind"] for effect in visitor.get("/api/chain").json()][:2] == [
        "cabinet",
        "tilt",
    ]


@pytest.mark.parametrize("word", ["/etc/passwd", "../../x.onnx", "presets/models/crunch.onnx", "x"])
def test_a_file_of_this_machine_is_no_effect(visitor, word):
    assert visitor.post("/api/chain", json={"word": word, "place": 0}).status_code == 404


@pytest.mark.parametrize("name", ["/etc/passwd", "../crunch", "presets/crunch.yaml", "%2e%2e%2fx"])
def test_a_file_of_this_machine_is_no_preset(visitor, name):
    answer = visitor.post(f"/api/presets/{quote(name, safe='')}/open")
    assert answer.status_code in (404, 405)
    assert names(visitor) == ["input", "limiter"]


def test_a_preset_is_saved_found_renamed_and_opened(visitor, desk, tmp_path):
    visitor.put("/api/parameters/input.gain_db", json={"value": 3})
    assert visitor.post("/api/presets", json={"name": "mine"}).json() == {"name": "mine"}
    assert visitor.post("/api/presets/mine/rename", json={"name": "ours"}).status_code == 200
    found = {preset["name"]: preset["own"] for preset in visitor.get("/api/presets").json()}
    assert found["ours"]
    assert not found["crunch"]
    visitor.put("/api/parameters/input.gain_db", json={"value": -9})
    assert visitor.post("/api/presets/ours/open").status_code == 200
    assert desk.session.host.get("input.gain_db") == 3.0


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "a/b", "a\\b", "..", ".", "\0", "x" * 199])
def test_a_preset_is_written_into_its_folder_only(visitor, tmp_path, name):
    before = set(tmp_path.rglob("*.yaml"))
    answer = visitor.post("/api/presets", json={"name": name})
    new = set(tmp_path.rglob("*.yaml")) - before
    folder = tmp_path / "settings" / "rtaudio" / "presets"
    assert {path.parent for path in new} <= {folder}
    assert answer.status_code == (200 if new else 422)


def test_the_target_of_a_master_is_chosen_by_its_name(visitor, desk):
    state = visitor.get("/api/state").json()
    assert (state["masters"], state["assists"], state["fair"]) == (False, False, False)
    desk.session.open("master")
    state = visitor.get("/api/state").json()
    assert (state["masters"], state["assists"], state["fair"]) == (True, True, True)
    assert state["style"] == "balanced"
    assert visitor.put("/api/style", json={"name": "speech"}).json() == {"style": "speech"}
    assert visitor.get("/api/state").json()["style"] == "speech"
    assert visitor.put("/api/style", json={"name": "../mine.yaml"}).status_code == 404


def test_switches(visitor, desk):
    assert visitor.patch("/api/switches", json={"muted": True}).json()["muted"]
    assert desk.session.host.muted
    visitor.patch("/api/switches", json={"muted": False, "comparing": True})
    assert visitor.get("/api/switches").json() == {
        "muted": False, "talking": False, "tuning": False, "comparing": True,
        "assisting": False, "side": "A",
    }  # fmt: skip
    assert visitor.patch("/api/switches", json={"side": "C"}).status_code == 422
    assert visitor.patch("/api/switches", json={"_lock": True}).status_code == 422
    assert visitor.get("/api/tuner").json() == {"tuning": None}


def test_a_control_is_learnt_if_there_is_a_controller(visitor, desk):
    answer = visitor.post("/api/learn", json={"name": "input.gain_db"})
    assert answer.status_code == 422
    assert "--midi" in answer.json()["detail"]
    assert visitor.get("/api/state").json()["learning"] is None
    asked = []
    desk.session.learner = asked.append
    visitor.post("/api/learn", json={"name": "input.gain_db"})
    assert visitor.get("/api/state").json()["learning"] == "input.gain_db"
    visitor.post("/api/learn", json={"name": None})
    assert asked == ["input.gain_db", None]
    assert visitor.post("/api/learn", json={"name": "nothing.here"}).status_code == 422


def test_an_impulse_response_plays(visitor, desk):
    answer = visitor.post("/api/files/open?name=my cab.wav", content=wav())
    assert answer.status_code == 201, answer.text
    assert [one.kind for one in desk.session.chain()] == ["gain", "limiter", "cabinet"]
    visitor.post("/api/files/open?name=other.wav", content=wav(scale=0.4))
    assert [one.kind for one in desk.session.chain()].count("cabinet") == 1
    desk.session.undo()  # one step: the former one plays again, alone
    assert [one.kind for one in desk.session.chain()] == ["gain", "limiter", "cabinet"]
    assert sorted(file.name for file in desk.inbox.folder.iterdir()) == ["my cab.wav", "other.wav"]


class Bomb:
    def __reduce__(self):
        return exec, ("raise SystemExit('a file from outside was executed')",)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.nam", b"{}"),
        ("x.nam", pickle.dumps(Bomb())),
        ("x.onnx", pickle.dumps(Bomb())),
        ("x.onnx", b"\x08\x07" + bytes(1000)),
        ("x.json", b"[" * 100_000),
        ("x.json", json.dumps({"model": 10**400}).encode()),
        ("x.aidax", b"\xff\xfe\x00"),
        ("x.wav", b"RIFF\xff\xff\xff\xffWAVEfmt "),
        ("x.wav", b"not a sound"),
        ("x.pkl", pickle.dumps(Bomb())),
        ("x.yaml", b"!!python/object/apply:os.system ['true']"),
        ("../../x", b"x"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_played_is_refused_in_words_and_not_kept(visitor, desk, name, data):
    answer = visitor.post("/api/files/open", params={"name": name}, content=data)
    assert answer.status_code == 422, answer.text
    assert len(answer.json()["detail"]) > 10
    assert not desk.inbox.folder.exists() or list(desk.inbox.folder.iterdir()) == []
    assert names(visitor) == ["input", "limiter"]


def test_a_model_that_names_other_files_is_refused(visitor, desk, tmp_path):
    import onnx
    from onnx import TensorProto, helper

    (tmp_path / "secret").write_bytes(bytes(64))
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[16])
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value=str(tmp_path / "secret"))
    graph = helper.make_graph([], "g", [], [], [weight])
    data = helper.make_model(graph).SerializeToString()
    assert onnx.load_from_string(data).graph.initializer
    answer = visitor.post("/api/files/open?name=x.onnx", content=data)
    assert answer.status_code == 422, answer.text


def test_an_upload_is_cut_off_at_its_limit(visitor, desk, monkeypatch):
    monkeypatch.setitem(inbox.LIMITS_MIB, "model", 1)
    answer = visitor.post("/api/files/open?name=x.nam", content=bytes((1 << 20) + 1))
    assert answer.status_code == 422
    assert "1 MiB" in answer.json()["detail"]
    assert list(desk.inbox.folder.iterdir()) == []


def test_a_file_plays_into_the_chain_until_it_is_ended(visitor, desk):
    host = desk.session.host
    sound = wav(frames=48000)
    assert visitor.post("/api/files/source?name=riff.wav", content=sound).status_code == 201
    assert visitor.get("/api/state").json()["rig"]["playing"] == "riff.wav"
    assert until(lambda: max(host.read().levels.out_peak_db) > -20)
    visitor.delete("/api/source")
    assert until(lambda: max(host.read().levels.out_peak_db) < -100)
    assert visitor.get("/api/state").json()["rig"]["playing"] == ""


def test_the_output_is_recorded_and_downloaded(visitor, desk):
    visitor.post("/api/files/source?name=riff.wav", content=wav(frames=4800))
    visitor.post("/api/records")
    assert visitor.post("/api/records").status_code == 422
    start = desk.session.read().seconds
    assert until(lambda: desk.session.read().seconds > start + 0.3)
    name = visitor.post("/api/records/end").json()["name"]
    assert visitor.get("/api/records").json() == [name]
    sound, rate_hz = soundfile.read(io.BytesIO(visitor.get(f"/api/records/{name}").content))
    assert rate_hz == 48000
    assert len(sound) > 0.2 * rate_hz
    assert np.abs(sound).max() > 0.1
    assert visitor.get("/api/records/..%2F..%2Fsettings.yaml").status_code == 404


def test_another_block_size_is_a_restart_that_keeps_the_settings(visitor, desk):
    visitor.put("/api/parameters/input.gain_db", json={"value": 5})
    former = desk.session.host
    answer = visitor.post("/api/device", json={"block": 128})
    assert answer.json()["block"] == 128
    host = desk.session.host
    assert host is not former
    assert host.running
    assert not former.running
    assert host.get("input.gain_db") == 5.0
    until(lambda: desk.session.read().blocks)
    assert visitor.post("/api/device", json={"device": "no such card"}).status_code == 422
    assert desk.session.host.running
    assert desk.session.host.block == 128


def test_a_preset_that_is_opened_during_a_restart_plays_on_the_new_host(visitor, desk):
    session, load = desk.session, desk.session._load

    def meanwhile(path):
        chain = load(path)
        prepare = session.host.prepare

        def prepared(effect):
            program = prepare(effect)
            desk.rig.restart(block=256)
            return program

        session.host.prepare = prepared
        return chain

    session._load = meanwhile
    session.open("bypass")
    assert (session.name, session.host.block) == ("bypass", 256)
    before = session.read().blocks
    assert until(lambda: session.read().blocks > before + 10)


def test_a_restart_keeps_the_source_and_ends_no_record(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    tone = np.full(20 * 48000, 0.5, np.float32)
    with rt.Host(rt.Chain(), "clock", source=tone) as host:
        desk = Desk(Session(host), "other", source=tone, in_channels=[1])
        desk.rig.restart("clock", 128)
        with desk.session.host as moved:
            assert until(lambda: max(desk.session.read().levels.in_peak_db) > -7.0)
            assert moved.block == 128
    with rt.Host(rt.Chain(), "clock", record=tmp_path / "o.wav") as host:
        desk = Desk(Session(host))
        with pytest.raises(rt.RtaudioError, match="--record"):
            desk.rig.restart(block=128)
        assert host.running


def test_a_state_that_cannot_be_read_ends_the_link(visitor, desk, monkeypatch):
    link = "ws://127.0.0.1:8080/api/live"
    with visitor.websocket_connect(link) as socket:
        messages(socket, "state")

        def fails():
            raise rt.RtaudioError("this host has been stopped")

        monkeypatch.setattr(desk, "state_message", fails)
        desk.feed.renew()
        messages(socket, "state")  # the one that it waited for already
        desk.feed.renew()
        while (message := socket.receive())["type"] != "websocket.close":
            pass
        assert message["code"] == 1011


def messages(socket, kind, count=200):
    for _ in range(count):
        message = socket.receive()
        if message.get("text") and (found := json.loads(message["text"]))["type"] == kind:
            return found
    raise AssertionError(f"no {kind} in {count} messages")


def test_two_listeners_see_each_others_changes(visitor, desk):
    link = "ws://127.0.0.1:8080/api/live"
    with visitor.websocket_connect(link) as one, visitor.websocket_connect(link) as two:
        assert messages(one, "state")["chain"][0]["name"] == "input"
        messages(two, "state")
        one.send_json({"set": "input.gain_db", "value": 4, "source": "one"})
        change = messages(two, "parameter")
        assert (change["name"], change["value"], change["source"]) == ("input.gain_db", 4.0, "one")
        desk.session.muted = True
        assert messages(one, "switch")["name"] == "muted"
        visitor.post("/api/chain", json={"word": "delay", "place": 0})
        assert messages(two, "state")["chain"][0]["name"] == "delay"
        reading = messages(one, "reading")
        assert len(reading["levels"]["in_peak_db"]) == 1
        assert reading["blocks"] > 0


def test_spectra_come_to_those_who_want_them(visitor):
    link = "ws://127.0.0.1:8080/api/live"
    with visitor.websocket_connect(f"{link}?spectrum=true") as socket:
        sizes = [len(m["bytes"]) for m in (socket.receive() for _ in range(40)) if m.get("bytes")]
        assert sizes
        assert set(sizes) == {2 * BANDS}


@pytest.mark.parametrize(
    "text",
    ["", "x", "[]", '{"set": 1}', '{"set": "input.gain_db", "value": "x"}', "[" * 50_000,
     '{"set": "input.gain_db", "value": 1e999}', '{"set": "nothing.here", "value": 1}',
     '{"eval": "1"}'],
)  # fmt: skip
def test_a_damaged_message_is_answered_in_words(visitor, text):
    with visitor.websocket_connect("ws://127.0.0.1:8080/api/live") as socket:
        messages(socket, "state")
        socket.send_text(text)
        assert messages(socket, "refused")["text"]
        socket.send_json({"set": "input.gain_db", "value": 1})
        assert messages(socket, "parameter")["value"] == 1.0


def test_push_to_talk_ends_with_its_link(visitor, desk):
    desk.session.muted = True
    with visitor.websocket_connect("ws://127.0.0.1:8080/api/live") as socket:
        socket.send_json({"talking": True})
        assert until(lambda: not desk.session.host.muted)
    assert until(lambda: desk.session.host.muted)


def test_push_to_talk_ends_with_a_link_that_ends_amid_the_order(visitor, desk, monkeypatch):
    desk.session.muted = True

    async def slow(function, *values, **options):
        function(*values, **options)
        await asyncio.sleep(60.0)

    monkeypatch.setattr("rtaudio.control.api.asyncio.to_thread", slow)
    with visitor.websocket_connect("ws://127.0.0.1:8080/api/live") as socket:
        socket.send_json({"talking": True})
        assert until(lambda: not desk.session.host.muted)
    assert until(lambda: desk.session.host.muted)


def test_the_interface_is_described_and_loads_nothing_from_elsewhere(visitor):
    described = visitor.get("/api/openapi.json").json()
    assert "/api/parameters/{name}" in described["paths"]
    assert visitor.get("/docs").status_code == 404
    page = visitor.get("/")
    assert page.headers["content-type"].startswith("text/html")
    for name in ("index.html", "page.css", "main.js"):
        text = visitor.get(f"/{name}").text
        assert "http://" not in text.replace("http://www.w3.org", "")
        assert "https://" not in text


@pytest.mark.parametrize("path", ["/../server.py", "/%2e%2e/server.py", "/..%2f..%2fsettings.py"])
def test_the_page_serves_its_own_files_only(visitor, path):
    answer = visitor.get(path)
    assert answer.status_code == 404
