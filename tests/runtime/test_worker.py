"""A node in a worker thread that is sometimes too slow: the sound is bridged, the delay stays."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest

from rtaudio.effects.base import Effect
from rtaudio.live.host import Host
from rtaudio.runtime.abi import Node, kernel, state_dtype
from rtaudio.runtime.system import now_ns
from rtaudio.runtime.words import address_of, f32_at, struct_at
from rtaudio.runtime.worker import worker_latency_samples, worker_node

RATE = 48000
SLOW = state_dtype()
slow_at = struct_at(SLOW)


@kernel(SLOW)
def slow(state, src, dst, frames):
    """Copy, after wasting params[0] microseconds; below 0, with an infinity."""
    s = slow_at(address_of(state))
    end = now_ns() + np.int64(1000.0 * f32_at(s.params)[0])
    while now_ns() < end:
        pass
    for channel in range(s.channels):
        for i in range(frames):
            dst[channel * s.stride + i] = src[channel * s.stride + i]
    if f32_at(s.params)[0] < 0.0:
        dst[0] = np.inf
    return 0


class Slow(Effect):
    """A wire in a worker; ``cost`` is the slot of its microseconds per chunk."""

    chunk: int = 256

    def build(self, builder, x, slots):
        self._cost = np.zeros(1, np.float32)
        node, worker = worker_node(
            Node(slow, params=self._cost),
            self.chunk,
            builder.block,
            builder.rate_hz,
            channels=(1, 1),
            offline=builder.offline,
        )
        builder.workers.append((builder.effect, worker))
        return builder.run_each([node], x)

    _cost: np.ndarray = None


def play(costs_us, seconds_each, tmp_path, block=64):
    """Play noise through the slow wire while its cost changes; returns input, output, stats."""
    effect = Slow(name="slow")
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, RATE * 10).astype(np.float32)
    path = tmp_path / "out.wav"
    with Host(effect, "clock", RATE, block, source=noise, record=path) as host:
        for cost in costs_us:
            effect._cost[0] = cost
            host.wait(seconds_each)
        stats = host.stats()
        assert host.running
    import soundfile

    return noise, soundfile.read(path, dtype="float32")[0], stats


def lag_of(x, y):
    """Return by how many samples y lags x, by the largest correlation."""
    size = 1 << 17
    spectrum = np.fft.rfft(y, size) * np.conj(np.fft.rfft(x[: len(y)], size))
    return int(np.argmax(np.fft.irfft(spectrum)))


def test_latency_formula():
    assert worker_latency_samples(64, 64) == 64
    assert worker_latency_samples(480, 64) == 480 - 32 + 512
    assert worker_latency_samples(4096, 64) == 4096 - 64 + 4096


def test_a_fast_worker_delays_by_exactly_what_it_reports(tmp_path):
    noise, out, stats = play([0.0], 1.0, tmp_path)
    late = stats.latency_samples
    assert late == worker_latency_samples(256, 64)
    steady = slice(9600, 38400)
    right = out[steady] == noise[9600 - late : 38400 - late]
    assert np.mean(right) > 0.9


def test_a_slow_worker_is_bridged_and_the_delay_never_grows(tmp_path):
    noise, out, stats = play([0.0, 20000.0, 0.0], 0.8, tmp_path)
    assert any(name.startswith("slow: late") for name in stats.faults)
    assert np.isfinite(out).all()
    assert np.max(np.abs(out)) <= 0.5
    late = stats.latency_samples
    last = out[-int(0.4 * RATE) : -2000]
    start = len(out) - int(0.4 * RATE)
    assert lag_of(noise[start - late : start - late + len(last)], last) == 0
    assert np.sum(out[9600:] == 0.0) > 9600


def test_one_hiccup_costs_one_hiccup(tmp_path):
    """After a long chunk the overdue ones are skipped, not computed in vain."""
    effect = Slow(name="slow", chunk=256)
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, RATE * 10).astype(np.float32)
    path = tmp_path / "out.wav"
    with Host(effect, "clock", RATE, 64, source=noise, record=path) as host:
        effect._cost[0] = 0.8e6 * 256 / RATE
        host.wait(0.5)
        effect._cost[0] = 27000.0
        host.wait(0.008)
        effect._cost[0] = 0.8e6 * 256 / RATE
        host.wait(0.5)
        late = host.stats().faults.get("slow: late", 0)
    assert 1 <= late < 60


def test_a_fault_in_the_worker_is_bridged_and_counted(tmp_path):
    effect = Slow(name="slow")
    tone = (0.5 * np.sin(2 * np.pi * 200 / RATE * np.arange(RATE))).astype(np.float32)
    path = tmp_path / "out.wav"
    with Host(effect, "clock", RATE, 64, source=tone, record=path) as host:
        host.wait(0.3)
        effect._cost[0] = -1.0
        host.wait(0.02)
        effect._cost[0] = 0.0
        host.wait(0.3)
        faults = host.stats().faults
    import soundfile

    out = soundfile.read(path, dtype="float32")[0]
    assert faults["slow"] >= 1
    assert np.isfinite(out).all()
    assert np.max(np.abs(np.diff(out))) < 0.05


def test_stopping_waits_for_the_worker_and_ends():
    effect = Slow(name="slow")
    host = Host(effect, "clock", RATE, 64).start()
    effect._cost[0] = 50000.0
    time.sleep(0.2)
    began = time.monotonic()
    host.stop()
    assert time.monotonic() - began < 3.0


def test_a_chunk_too_small_for_the_block_is_refused():
    with pytest.raises(ValueError, match="too small"):
        worker_node(Node(slow), 64, 4096, RATE, channels=(1, 1), offline=False)


FORGOTTEN = """
import gc
import numpy as np
import rtaudio as rt
from rtaudio.bench.callback import _time_blocks
from rtaudio.runtime.engine import Engine
from rtaudio.shipped import shipped_models

noise = np.random.default_rng(0).uniform(-0.3, 0.3, 64).astype(np.float32)
result = np.zeros(64, np.float32)
for _ in range(20):
    engine = Engine(48000, 64, 1, 1)
    engine.connect([0], 1, [0], 1)
    engine.publish(rt.Model(shipped_models()["denoise"], worker=True).compile(48000, 64))
    _time_blocks(engine.address, noise.ctypes.data, result.ctypes.data, 64, np.zeros(99, "i8"))
    del engine
    gc.collect()
print("alive")
"""


def test_a_worker_that_nobody_stops_never_outlives_its_memory():
    done = subprocess.run([sys.executable, "-c", FORGOTTEN], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "alive"), done.stderr
