"""The store: first come, first served; and nothing is lost, whatever ends."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtaudio.errors import UsageError
from rtaudio.site.store import MOST_STARTS, Store, new_token


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "site.sqlite")
    yield store
    store.close()


def add(store, name="song", backend="net", audio_s=10.0):
    return store.add(new_token(), "me", name, backend, audio_s=audio_s)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(["add", "claim", "finish", "release", "remove", "restart"])))
def test_it_is_a_queue(tmp_path_factory, steps):
    """Against a list: who was released or interrupted is served again before all who came later."""
    path = tmp_path_factory.mktemp("store") / "site.sqlite"
    store, waiting, running = Store(path), [], []
    for step in steps:
        if step == "add":
            waiting.append(add(store).token)
        elif step == "claim":
            job = store.claim()
            assert (job and job.token) == (waiting[0] if waiting else None)
            running += waiting[:1]
            waiting = waiting[1:]
        elif step == "finish" and running:
            store.finish(running.pop(), {})
        elif step == "release" and running:
            store.release(running[-1])
            waiting = sorted([*waiting, running.pop()], key=lambda t: store.get(t).number)
        elif step == "remove" and waiting:
            store.remove(waiting.pop())
        elif step == "restart":
            store.close()
            store = Store(path)
            for token in running:
                for _ in range(store.get(token).starts - 1):  # else some are given up
                    store.release(token)
                    store.claim()
            store.recover()
            waiting = sorted(
                [*waiting, *(t for t in running if store.get(t).state == "queued")],
                key=lambda t: store.get(t).number,
            )
            running = []
        assert [job.token for job in store.unfinished() if job.state == "queued"] == waiting
    store.close()


def test_a_job_that_takes_the_site_down_is_given_up(store):
    token = add(store).token
    for start in range(1, MOST_STARTS + 1):
        assert store.claim().starts == start
        store.recover()
    assert store.claim() is None
    assert (store.get(token).state, "interrupted" in store.get(token).note) == ("failed", True)


def test_a_start_that_the_owner_ended_does_not_count(store):
    token = add(store).token
    for _ in range(2 * MOST_STARTS):
        assert store.claim().starts == 1
        store.release(token)
        store.recover()


def test_the_speed_is_that_of_the_last_jobs(store):
    assert store.seconds_per_second("net") is None
    for _ in range(3):
        token = add(store, audio_s=10.0).token
        store.claim()
        store._write("UPDATE jobs SET started_s = 100.0")
        store.finish(token, {})
        store._write("UPDATE jobs SET ended_s = 120.0")
    assert store.seconds_per_second("net") == pytest.approx(2.0)
    assert store.seconds_per_second("other") is None


def test_only_one_site_has_a_folder(store, tmp_path):
    with pytest.raises(UsageError, match="used by another site"):
        Store(tmp_path / "site.sqlite")


def test_another_file_is_no_database(tmp_path):
    (tmp_path / "site.sqlite").write_text("a diary, not to be overwritten " * 100)
    with pytest.raises(UsageError, match="no database of a site"):
        Store(tmp_path / "site.sqlite")


def test_the_secret_stays(tmp_path):
    secrets = set()
    for _ in range(2):
        store = Store(tmp_path / "site.sqlite")
        secrets.add(store.secret())
        store.close()
    (secret,) = secrets
    assert len(secret) >= 32
