"""A host before `start` and after `stop`: one line, no hang and no stale value."""

from __future__ import annotations

import threading

import pytest

import rtaudio as rt


def test_get_returns_what_was_set():
    with rt.Host(rt.Gain(-3), device="clock") as host:
        assert host.get("gain.gain_db") == -3
        host.set("gain.gain_db", -6)
        assert host.get("gain.gain_db") == -6
        assert host.get("gain.bypass") == 0
        with pytest.raises(rt.ParameterError, match="no effect is named 'amp'; there are: gain"):
            host.get("amp.gain_db")
        with pytest.raises(rt.ParameterError, match="gain has no parameter 'gian_db'"):
            host.get("gain.gian_db")


def test_every_use_after_stop_says_so():
    with rt.Host(rt.Gain(), device="clock") as host:
        host.wait(0.05)
    for use in (
        lambda: host.get("gain.gain_db"),
        lambda: host.set("gain.gain_db", 1),
        lambda: setattr(host, "muted", True),
        host.parameters,
        host.tuning,
        host.output,
        host.wait,
        lambda: host.wait(5),
        lambda: host.swap(rt.Gain()),
        host.start,
    ):
        with pytest.raises(rt.RtaudioError, match=r"^this host has been stopped; make a new one$"):
            use()
    assert host.stats().blocks > 0
    assert not host.running


def test_waiting_for_a_host_that_was_never_started_is_refused():
    host = rt.Host(rt.Gain(), device="clock")
    with pytest.raises(rt.RtaudioError, match="has not been started"):
        host.wait()


def test_who_waits_is_woken_by_stop():
    host = rt.Host(rt.Gain(), device="clock").start()
    waiter = threading.Thread(target=host.wait)
    waiter.start()
    host.stop()
    waiter.join(5)
    assert not waiter.is_alive()
