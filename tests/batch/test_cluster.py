"""Folders on a Ray cluster: once and whole, whatever dies. All tests share one local cluster."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from functools import partial

import numpy as np
import pytest
import soundfile

pytest.importorskip("ray", reason="Ray is not installed: pip install 'rtaudio[ray]'")

from rtaudio.batch import cluster_folder
from rtaudio.batch.cluster import Cluster
from rtaudio.batch.cluster_folder import work_through_cluster
from rtaudio.batch.folder import list_pairs
from rtaudio.errors import ClusterError

FILES = 5


@pytest.fixture(scope="module")
def cluster():
    with Cluster("local", 2) as cluster:
        yield cluster


@pytest.fixture
def folders(tmp_path):
    noise = np.random.default_rng(0)
    (tmp_path / "in" / "sub").mkdir(parents=True)
    for number in range(FILES):
        place = tmp_path / "in" / ("sub" if number % 2 else "") / f"{number}.wav"
        soundfile.write(place, noise.uniform(-0.1, 0.1, 4800).astype(np.float32), 48000)
    return tmp_path / "in", tmp_path / "out"


def copier(notes):
    """Return a work that copies, and notes each attempt; it fails where ``notes`` says so.

    A file ``NUMBER.fault`` there kills the process of a file the first time, ``amid`` its writing
    or ``after`` it, or ``always``, or lets the disk be ``full``.
    """

    def work(force, source, target, progress):
        import errno
        import os
        import signal
        from pathlib import Path

        from rtaudio.atomic import may_write, replacing

        may_write(target, force)
        attempts = Path(notes) / source.stem
        with attempts.open("a") as file:
            file.write("x")
        told = Path(notes) / f"{source.stem}.fault"
        fault = told.read_text() if told.exists() else ""
        if fault != "always" and attempts.read_text() != "x":
            fault = ""
        progress(0.5)
        with replacing(target) as temporary:
            temporary.write_bytes(source.read_bytes()[:100])
            if fault in ("always", "amid"):
                os.kill(os.getpid(), signal.SIGKILL)
            if fault == "full":
                raise OSError(errno.ENOSPC, "No space left on device")
            temporary.write_bytes(source.read_bytes())
        if fault == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return source.name

    return work


def go(cluster, folders, work, force=False, needs=()):
    pairs = list_pairs(*folders)[0]
    shares = []
    outcomes = list(
        work_through_cluster(work, pairs, cluster, force=force, needs=needs, progress=shares.append)
    )
    assert all(0.0 <= share <= 1.0 for share in shares)
    assert shares == sorted(shares)
    return sorted(outcomes, key=lambda outcome: outcome.source)


def contents(folder):
    """Return the visible files, after making sure that no half-written one is left."""
    assert not list(folder.rglob("*.part*"))
    return {
        file.relative_to(folder): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and ".rtaudio" not in file.parts
    }


@pytest.fixture
def notes(tmp_path):
    (tmp_path / "notes").mkdir()
    return tmp_path / "notes"


def test_killed_workers_lose_nothing_and_double_nothing(cluster, folders, notes, monkeypatch):
    monkeypatch.setitem(Cluster.run.__kwdefaults__, "retries", 1)  # in place of 3, for the time
    for name, fault in {"1": "amid", "2": "always", "3": "after"}.items():
        (notes / f"{name}.fault").write_text(fault)
    outcomes = go(cluster, folders, copier(notes))
    faults = [outcome for outcome in outcomes if outcome.error]
    assert [outcome.source.name for outcome in faults] == ["2.wav"]
    assert "killed each time" in faults[0].error
    attempts = {name: len((notes / name).read_text()) for name in "01234"}
    assert attempts == {"0": 1, "1": 2, "2": 2, "3": 2, "4": 1}
    (notes / "2.fault").unlink()
    mended = go(cluster, folders, copier(notes))
    assert [outcome.done for outcome in mended] == [None, "2.wav", None, None, None]
    assert not any(outcome.error for outcome in mended)
    assert contents(folders[1]) == contents(folders[0])


def test_a_full_disk_stops_the_rest_and_the_next_run_goes_on(cluster, folders, notes, monkeypatch):
    monkeypatch.setattr(cluster, "_most", 1)
    (notes / "2.fault").write_text("full")
    outcomes = go(cluster, folders, copier(notes))
    errors = [outcome.error for outcome in outcomes if outcome.error]
    assert len(errors) == 2
    assert any("no space is left there" in error for error in errors)
    assert any("3 files not begun" in error for error in errors)
    done = contents(folders[1])
    assert 0 < len(done) < FILES
    outcomes = go(cluster, folders, copier(notes))
    assert [outcome.error for outcome in outcomes] == [""] * FILES
    assert sum(outcome.done is None for outcome in outcomes) == len(done)
    assert contents(folders[1]) == contents(folders[0])


def test_what_the_user_has_is_not_replaced(cluster, folders, notes):
    source, target = folders
    target.mkdir()
    (target / "0.wav").write_bytes(b"mine")
    outcomes = go(cluster, folders, copier(notes))
    assert [outcome.source.name for outcome in outcomes if outcome.error] == ["0.wav"]
    assert (target / "0.wav").read_bytes() == b"mine"
    go(cluster, folders, copier(notes), force=True)
    assert contents(target) == contents(source)


def test_stopped_work_tidies_up(cluster, folders):
    started = folders[0].parent / "started"
    started.mkdir()

    def work(force, source, target, progress):
        import time

        from rtaudio.atomic import replacing

        with replacing(target) as temporary:
            temporary.write_bytes(b"half")
            (started / source.stem).touch()
            while source.stem != "0":
                time.sleep(0.01)
            temporary.write_bytes(b"whole")
        return source.name

    running = work_through_cluster(
        work, list_pairs(*folders)[0], cluster, force=False, needs=(), progress=lambda share: None
    )
    assert next(running).done == "0.wav"
    running.close()
    assert contents(folders[1]) == {folders[1].joinpath("0.wav").relative_to(folders[1]): b"whole"}


def test_a_head_that_has_died_ends_the_work_in_one_line(cluster, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = "{}:{}".format(*server.getsockname())
    monkeypatch.setattr("ray.runtime_context.RuntimeContext.gcs_address", address)
    monkeypatch.setattr("rtaudio.batch.cluster._HEAD_S", 1.0)
    monkeypatch.setattr(cluster, "_own", True)
    with pytest.raises(ClusterError, match="head of the cluster has died"):
        list(cluster.run(time.sleep, [(60,)]))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"version": "9.9"}, "has rtaudio 9.9"),
        ({"digests": [""]}, "does not have"),
        ({"digests": ["0"]}, "has another"),
        ({"source": 0}, "does not see"),
        ({"sees_target": False}, "does not see"),
        (ModuleNotFoundError("No module named 'rtaudio'"), "cannot run rtaudio"),
    ],
)
def test_a_machine_that_could_not_do_it_is_named_before_it_begins(
    cluster, folders, notes, monkeypatch, change, line
):
    model = folders[0].parent / "model.onnx"
    model.write_bytes(b"model")
    ask = cluster.ask

    def asked(question, *arguments):
        answers = ask(question, *arguments)
        other = change if isinstance(change, Exception) else next(iter(answers.values()))
        return answers | {"10.0.0.7": other if other is change else other._replace(**change)}

    monkeypatch.setattr(cluster, "ask", asked)
    with pytest.raises(ClusterError, match=line) as refusal:
        go(cluster, folders, copier(notes), needs=[model])
    assert str(refusal.value).startswith("machine 10.0.0.7: ")
    assert "\n" not in str(refusal.value)
    assert contents(folders[1]) == {}
    assert os.listdir(notes) == []


def test_the_verb_makes_what_jobs_make(cluster, folders, cli):
    source, target = folders
    beside = target.with_name("beside")
    assert cli("render", "bypass", source, beside, "--jobs", 1).status == 0
    first = cli("render", "bypass", source, target, "--ray")
    assert first.status == 0, first
    assert contents(target) == contents(beside)
    soundfile.write(source / "0.wav", np.zeros(4800, np.float32), 48000)
    again = cli("render", "bypass", source, target, "--ray")
    assert again.status == 2
    assert again.out.strip().endswith(f"0 files, 0.00 s; {FILES - 1} files done before")
    assert "0.wav: exists" in again.err


def test_no_cluster_is_one_line(folders, refused, monkeypatch):
    words = ["render", "bypass", *folders, "--ray"]
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    assert "no cluster answers there" in refused(*words, "127.0.0.1:1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].sendall(b"SSH-2.0-server\r\n")).start()
        address = "{}:{}".format(*server.getsockname())
        assert "is no Ray cluster" in refused(*words, address)
    assert "is for folders" in refused("render", "bypass", folders[0] / "0.wav", "x.wav", "--ray")
    monkeypatch.setitem(sys.modules, "ray", None)
    assert "pip install 'rtaudio[ray]'" in refused(*words)


def test_signals_stay_with_the_caller(cluster):
    handler = signal.getsignal(signal.SIGTERM)
    assert not str(getattr(handler, "__module__", "")).startswith("ray")


def test_the_board_adds_up():
    board = cluster_folder._Board([100, 300])
    board.tell(1, 0.5)
    assert board.share() == pytest.approx(150 / 400)
    assert partial(cluster_folder._Board, [])().share() == 0.0
