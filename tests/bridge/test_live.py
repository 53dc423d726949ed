"""Plugins live: constantly late, bridged if they are slow, bypassed if they hang or crash."""

from __future__ import annotations

import time

import numpy as np
import pytest
import soundfile

import rtaudio as rt

RATE = 48000


def until(what, seconds=20.0):
    """Wait for a condition; the machine may be slow."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return found


@pytest.fixture
def impatient(monkeypatch):
    """What takes 0.7 s hangs."""
    monkeypatch.setattr("rtaudio.bridge.watch.HANG_S", 0.7)
    monkeypatch.setattr("rtaudio.bridge.isolated.HANG_S", 0.7)


def tone():
    return (0.3 * np.sin(2 * np.pi * 220.0 / RATE * np.arange(RATE))).astype(np.float32)


@pytest.mark.steady
@pytest.mark.parametrize("isolate", [False, True])
def test_live_is_offline_later(tiny, tmp_path, isolate):
    amp = rt.Plugin(tiny, {"gain_db": -6.0}, isolate=isolate, chunk=1024)
    board = rt.Board([rt.Gain(0), amp, rt.Pedal("Invert", chunk=1024)])
    x = tone()
    with rt.Host(board, "clock", RATE, 64, source=x, record=tmp_path / "out.wav") as host:
        host.wait(0.8)
        stats = host.stats()
    out = soundfile.read(tmp_path / "out.wav", dtype="float32")[0]
    late = stats.latency_samples
    assert late == 1024 - 64 + 1024
    expected = board(x, RATE)
    steady = slice(9600, 28800)
    right = np.abs(out[steady] - expected[9600 - late : 28800 - late]) < 1e-6
    assert np.mean(right) > 0.9


def test_a_parameter_is_turned_while_it_plays(tiny):
    x = np.full(RATE * 20, 0.1, np.float32)
    with rt.Host(rt.Plugin(tiny, name="amp"), "clock", RATE, 256, source=x) as host:
        host.set("amp.gain_db", 12.0)
        tap = host.tap()
        loud = 0.1 * 10 ** (12 / 20)
        until(lambda: np.any(np.abs(tap.read() - loud) < 1e-3))
        assert host.get("amp.gain_db") == 12.0


@pytest.mark.parametrize(("trouble", "word"), [(1.0, "hangs"), (2.0, "crashed")])
def test_in_a_process_of_its_own_it_hangs_or_crashes_alone(tiny, trouble, word, impatient):
    x = np.full(RATE * 30, 0.25, np.float32)
    with rt.Host(rt.Plugin(tiny, isolate=True), "clock", RATE, 256, source=x) as host:
        host.set("tiny.trouble", trouble)
        until(lambda: host.stats().faults.get(f"tiny: {word}"))
        tap = host.tap()  # the dry signal, from now on
        until(lambda: np.any(np.abs(tap.read() - 0.25) < 1e-6))
        assert host.running


def test_in_this_process_a_hanging_plugin_is_bypassed_until_it_plays_again(tiny, impatient):
    x = np.full(RATE * 60, 0.25, np.float32)
    with rt.Host(rt.Plugin(tiny, {"invert": True}), "clock", RATE, 256, source=x) as host:
        tap = host.tap()
        until(lambda: np.any(np.abs(tap.read() + 0.25) < 1e-6))
        host.set("tiny.trouble", 1.0)
        until(lambda: host.stats().faults.get("tiny: hangs"))
        until(lambda: np.any(np.abs(tap.read() - 0.25) < 1e-6))
        host.set("tiny.trouble", 0.0)
        until(lambda: not host.stats().faults.get("tiny: hangs"))
        until(lambda: np.any(np.abs(tap.read() + 0.25) < 1e-6))
        assert host.get("tiny.bypass") == 0.0


def test_what_is_no_number_is_a_fault_and_never_heard(tiny):
    x = np.full(RATE * 30, 0.25, np.float32)
    with rt.Host(rt.Plugin(tiny), "clock", RATE, 256, source=x) as host:
        tap = host.tap()
        host.set("tiny.trouble", 3.0)
        until(lambda: host.stats().faults.get("tiny"))
        assert np.isfinite(tap.read()).all()


def test_a_plugin_that_crashes_while_it_loads_or_renders_is_told(tiny):
    effect = rt.Plugin(tiny, isolate=True)
    effect.parameters = {"trouble": 2.0}
    with pytest.raises(rt.PluginError, match=r"^tiny: crashed \(SIGSEGV\); remove it$"):
        effect(tone(), RATE)


def test_in_another_thread_a_plugin_gets_a_process_of_its_own(tiny):
    from concurrent.futures import ThreadPoolExecutor

    x = tone()[None]
    with ThreadPoolExecutor(1) as pool:
        wet = pool.submit(lambda: rt.Plugin(tiny, {"gain_db": 6.0})(x, RATE)).result()
    np.testing.assert_allclose(wet, 10 ** (6 / 20) * x, rtol=1e-5, atol=1e-6)
