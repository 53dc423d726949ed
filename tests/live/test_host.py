"""The host on the virtual clock: start, set, swap, stop, source, record, statistics."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import soundfile

from rtaudio.analysis.programme_loudness import programme_loudness
from rtaudio.effects.base import Effect
from rtaudio.effects.chain import Chain
from rtaudio.effects.gain import Gain
from rtaudio.effects.limiter import Limiter
from rtaudio.errors import DeviceError
from rtaudio.live.host import Host
from rtaudio.runtime.decibels import from_db
from rtaudio.runtime.kernels.gain import level_node
from rtaudio.runtime.worker import worker_node

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
        ("g.gain_db", 99.0, r"g\.gain_db = 99 is out of range -80 \.\. 40 dB"),
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
        ({"rate_hz": 100}, "rate"),
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
    for bad in (tmp_path / "absent" / "x.wav", tmp_path / "x.txt", tmp_path):
        with pytest.raises((ValueError, OSError), match=str(bad)):
            Host(Chain([]), "clock", record=bad)
    assert list(tmp_path.iterdir()) == []


def test_a_host_that_never_starts_leaves_no_file(tmp_path):
    Host(Chain([]), "clock", record=tmp_path / "take.wav")
    assert list(tmp_path.iterdir()) == []


def test_statistics_before_any_block_are_zero():
    stats = Host(Chain([]), "clock").stats()
    assert stats.blocks == 0
    assert stats.callback_us.max == 0.0


def workers():
    return [thread for thread in threading.enumerate() if thread.name.startswith("worker")]


class Worked(Effect):
    """A wire in a worker thread."""

    def build(self, builder, x, slots):
        inner = level_node(0.0, 0.0, None, builder.rate_hz)
        node, worker = worker_node(
            inner, 128, builder.block, builder.rate_hz, channels=(1, 1), offline=builder.offline
        )
        builder.workers.append((builder.effect, worker))
        return builder.run_each([node], x)


def test_workers_of_swapped_programs_end():
    with Host(Worked(), "clock") as host:
        for _ in range(20):
            host.swap(Worked())
        time.sleep(0.1)
        host.stats()
        assert len(workers()) == 1
    assert workers() == []


def test_workers_end_when_a_swap_is_cut_short_by_a_stop():
    host = Host(Worked(), "clock").start()

    def swap():
        for _ in range(5):
            with contextlib.suppress(ValueError):
                host.swap(Worked())

    swapper = threading.Thread(target=swap)
    swapper.start()
    time.sleep(0.02)
    host.stop()
    swapper.join()
    assert workers() == []


def test_a_host_plays_once():
    host = Host(Chain([]), "clock").start()
    host.stop()
    for again in (host.start, lambda: host.swap(Chain([]))):
        with pytest.raises(ValueError, match="make a new one"):
            again()


def test_a_start_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    host = Host(Worked(), "clock", record=tmp_path / "take.wav")
    real = host._device.start

    def start_then_fail(engine):
        real(engine)
        raise DeviceError("out of luck")

    monkeypatch.setattr(host._device, "start", start_then_fail)
    with pytest.raises(DeviceError, match="out of luck"):
        host.start()
    assert not host._device.active
    assert workers() == []
    assert list(tmp_path.iterdir()) == []


def test_a_stop_that_is_interrupted_still_stops(tmp_path, monkeypatch):
    host = Host(Worked(), "clock", record=tmp_path / "take.wav").start()

    def interrupted(timeout_s):
        raise KeyboardInterrupt

    monkeypatch.setattr(host._engine, "fade_out", interrupted)
    with pytest.raises(KeyboardInterrupt):
        host.stop()
    assert not host._device.active
    assert workers() == []
    assert [path.name for path in tmp_path.iterdir()] == ["take.wav"]


def test_a_record_that_fails_is_one_line_and_no_file(tmp_path, monkeypatch):
    host = Host(Chain([]), "clock", record=tmp_path / "take.wav").start()

    class Full:
        def write(self, frames):
            raise soundfile.LibsndfileError(2)

    monkeypatch.setattr(host._recorder, "_file", Full())
    time.sleep(0.2)
    with pytest.raises(OSError, match=r"take\.wav: the record could not be written"):
        host.stop()
    assert list(tmp_path.iterdir()) == []


def test_the_process_ends_well_with_a_host_that_was_never_stopped():
    code = (
        "import rtaudio as rt, time\n"
        "host = rt.Host(rt.load_preset('crunch'), 'clock').start()\n"
        "host.swap(rt.load_preset('clean'))\n"
        "time.sleep(0.2)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("effect", [Limiter(lookahead_ms=20.0), Worked()])
def test_fading_to_a_chain_with_latency_never_steps(tmp_path, effect):
    def work(host):
        time.sleep(0.2)
        host.swap(effect)

    out, _ = recorded(tmp_path, Chain([]), work)
    slope = 0.5 * 2 * np.pi * 375 / RATE
    assert np.max(np.abs(np.diff(out))) < slope + 3 * 0.5 / (0.02 * RATE)


def test_muting_is_a_ramp_to_nothing_and_back(tmp_path):
    def work(host):
        host.wait(0.2)
        host.muted = True
        assert host.muted
        host.wait(0.3)
        host.muted = False

    out, _ = recorded(tmp_path, Chain([]), work)
    assert np.max(np.abs(np.diff(out))) < 0.03
    silent = np.flatnonzero(out[4800:-4800] == 0.0)
    assert 0.1 * RATE < silent.size < 0.5 * RATE
    back = out[RATE - 4800 : RATE - 1000]
    np.testing.assert_array_equal(back, TONE[RATE - 4800 : RATE - 1000])


def test_what_begins_muted_lets_nothing_out(tmp_path):
    host = Host(Chain([]), "clock", source=TONE[:9600], record=tmp_path / "take.wav")
    host.muted = True
    with host:
        host.wait()
    out, _ = soundfile.read(tmp_path / "take.wav")
    assert out.size >= 9600
    assert not out.any()


def test_input_at_full_scale_is_counted(tmp_path):
    loud = np.stack([0.5 * TONE, np.clip(4.0 * TONE, -1.0, 32767 / 32768)])
    with Host(Chain([]), "clock", source=loud) as host:
        host.wait()
        stats = host.stats()
    assert stats.clipped == (0, int(np.sum(np.abs(loud[1]) >= 0.9999)))


def test_what_can_be_changed_is_listed_with_its_range():
    chain = Chain([Gain(name="input"), Limiter(ceiling_db=-2.0)], name="all")
    with Host(chain, "clock") as host:
        host.set("input.gain_db", 3.0)
        parameters = host.parameters()
        assert host.chain_name == "all"
    assert parameters["input.gain_db"] == (3.0, -80.0, 40.0, "dB", 0.0)
    assert list(parameters) == ["input.gain_db", "limiter.ceiling_db", "limiter.release_ms"]
    assert parameters["limiter.ceiling_db"].value == -2.0


def test_the_clock_has_no_other_output():
    with pytest.raises(ValueError, match="clock plays on no other device"):
        Host(Chain([]), "clock", out_device="speakers")


def test_the_loudness_of_the_output_is_metered():
    with Host(Gain(gain_db=-6.0), "clock", source=np.tile(TONE, 4), out_channels=[1, 2]) as host:
        host.wait()
        before = host.stats().loudness
        host.reset_loudness()
        host.wait(0.3)
        after = host.stats().loudness
    assert before.integrated_lufs == pytest.approx(programme(np.tile(TONE, 4)), abs=0.1)
    assert before.true_peak_dbtp == pytest.approx(20 * np.log10(0.25), abs=0.1)
    assert before.correlation == pytest.approx(1.0)
    assert after.integrated_lufs == -np.inf


def programme(x):
    return programme_loudness(np.stack([x, x]) * from_db(-6.0), RATE).integrated_lufs
