"""``rtaudio site`` as a user starts it: kill -9 in the middle of a job, and what is refused."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest
import yaml


@pytest.fixture
def launch(tmp_path, program, until):
    """Return ``launch() -> (process, link)``; the folder and the programs are always the same."""
    entries = tmp_path / "mine.yaml"
    entry = program("wait", tmp_path / "gate")
    entries.write_text(yaml.safe_dump({"mine": entry.model_dump(mode="json", exclude={"model"})}))
    started = []

    def launch():
        words = ["site", str(tmp_path / "site"), "--backends", str(entries), "--port", "18080"]
        log = tmp_path / f"log-{len(started)}"
        with log.open("w") as file:
            code = "from rtaudio.cli import main; main()"
            process = subprocess.Popen([sys.executable, "-c", code, *words], stderr=file)
        started.append(process)
        found = until(
            lambda: process.poll() is not None or re.search(r"^site: (\S+)$", log.read_text(), re.M)
        )
        assert process.poll() is None, log.read_text()
        return process, found[1]

    yield launch
    for process in started:
        process.kill()
        process.wait()


def test_the_queue_survives_a_kill_in_a_job(launch, connect, song, tmp_path, until, alive):
    process, link = launch()
    visitor = connect(link)
    first, second = (visitor.bring(song, backend="mine").json()["token"] for _ in range(2))
    pid = tmp_path / "gate.pid"
    until(pid.exists)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    until(lambda: not alive(int(pid.read_text())))  # no program outlives its site
    folder = tmp_path / "site"
    for orphan in (folder / "jobs" / "orphan", folder / "arriving" / "half"):
        orphan.mkdir()
        (orphan / "song.wav").write_bytes(b"half")
    (tmp_path / "gate").touch()
    process, link = launch()
    again = connect(link)
    again.cookies.update(visitor.cookies)
    for token in (first, second):
        assert again.ended(token)["state"] == "ready"
        assert again.get(f"/api/jobs/{token}/zip").status_code == 200
    assert [job["token"] for job in again.get("/api/jobs").json()] == [second, first]
    assert {path.name for path in (folder / "jobs").iterdir()} == {first, second}
    assert list((folder / "arriving").iterdir()) == []
    process.terminate()
    assert process.wait() == 0


def test_bad_words_are_one_line(refused, tmp_path):
    assert "absent.onnx" in refused("site", tmp_path / "new", "--model", "absent.onnx")
    assert "absent.yaml" in refused("site", tmp_path / "new", "--backends", "absent.yaml")
    assert not (tmp_path / "new").exists()
