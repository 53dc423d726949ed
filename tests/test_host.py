"""The host on the virtual clock: start, set, swap, stop, source, record, statistics."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import soundfile

from rtaudio.chain import Chain
from rtaudio.devices.device import DeviceError
from rtaudio.effects.gain import Gain
from rtaudio.host import Host

RATE = 48000
TONE = (0.5 * np.sin(2 * np.pi * 375 / RATE * np.arange(RATE))).astype(np.float32)


def recorded(tmp_path, effect, work=None, **options):
    path = tmp_path / "take.wav"
    with Host(effect, "clock", source=TONE, record=path, **options) as host:
        if work is not None:
            work(host)
        host.wait()
        stats = host.stats()
    return soundfile.read(path, dtype="float32")[0], stats


def test_a_source_is_played_recorded_and_ends_by_itself(tmp_path):
    out, stats = recorded(tmp_path, Chain([Gain(gain_db=-6.0)]))
    fade = 960
    wanted = TONE * np.float32(10 ** (-6 / 20))
    np.testing.assert_allclose(out[fade : len(TONE)], wanted[fade:], atol=1e-6)
    assert np.max(np.abs(np.diff(out))) < 0.03
    assert stats.blocks >= RATE // 64
    assert stats.latency_samples == 0
    assert stats.in_peak[0] == pytest.approx(0.5, abs=0.01)
    assert stats.callback_us.p50 <= stats.callback_us.p99 <= stats.callback_us.p99_9
    assert stats.callback_us.p99_9 <= stats.callback_us.max
    assert 1200 < stats.gap_us.p50 < 1450


def test_swapping_and_setting_during_play_never_steps(tmp_path):
    def work(host):
        for k in range(12):
            host.set("chain.mix", 1.0)
            host.swap(Chain([Gain(gain_db=-float(k), name="g")]))
            host.set("g.gain_db", -20.0)
            time.sleep(0.03)

    out, _ = recorded(tmp_path, Chain([]), work)
    assert np.max(np.abs(np.diff(out))) < 0.5 * 2 * np.pi * 375 / RATE + 3 * 0.5 / (0.02 * RATE)


def test_swaps_from_several_threads_end_with_a_running_host():
    with Host(Chain([]), "clock") as host:
        threads = [
            threading.Thread(target=lambda: [host.swap(Chain([Gain()])) for _ in range(5)])
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert host.running
        blocks = host.stats().blocks
        host.wait(0.1)
        assert host.stats().blocks > blocks
        assert len(host._engine._programs) <= 4


def test_unknown_names_and_values_are_refused_in_one_line():
    host = Host(Chain([Gain(name="g")]), "clock")
    for target, value, text in (
        ("h.gain_db", 0.0, "no effect"),
        ("g.tone", 0.0, "no parameter"),
        ("g.gain_db", 99.0, "less than or equal to 40"),
        ("g", 0.0, "no effect"),
    ):
        with pytest.raises(ValueError, match=text) as caught:
            host.set(target, value)
        assert "\n" not in str(caught.value)


def test_stop_is_safe_before_start_and_twice(tmp_path):
    host = Host(Chain([]), "clock")
    host.stop()
    host.start()
    host.start()
    host.stop()
    host.stop()
    assert not host.running


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"rate": 100}, "rate"),
        ({"block": 0}, "block"),
        ({"block": 100000}, "block"),
        ({"source": np.zeros(0)}, "no audio"),
    ],
)
def test_settings_out_of_range_are_refused(options, text):
    with pytest.raises(ValueError, match=text):
        Host(Chain([]), "clock", **options)


def test_an_absent_device_is_one_line():
    with pytest.raises(DeviceError) as caught:
        Host(Chain([]), "no such device anywhere")
    assert "\n" not in str(caught.value)


def test_a_record_that_cannot_be_written_leaves_nothing(tmp_path):
    for bad in (tmp_path / "absent" / "x.wav", tmp_path / "x.mov", tmp_path):
        with pytest.raises((ValueError, OSError), match=str(bad)):
            Host(Chain([]), "clock", record=bad)
    assert list(tmp_path.iterdir()) == []


def test_statistics_before_any_block_are_zero():
    stats = Host(Chain([]), "clock").stats()
    assert stats.blocks == 0
    assert stats.callback_us.max == 0.0
