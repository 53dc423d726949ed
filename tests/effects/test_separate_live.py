"""The separator while it plays: in its worker, beside a busy interpreter, as late as it says."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import soundfile

import rtaudio as rt

RATE = 44100
NOISE = np.random.default_rng(5).uniform(-0.3, 0.3, (2, 4 * RATE)).astype(np.float32)


@pytest.mark.parametrize("block", [64, 256, 1024])
def test_in_its_worker_the_delay_is_constant(separator, tmp_path, block):
    effect = rt.Separate(separator, worker=True, name="song", drums_solo=True)
    path = tmp_path / "heard.wav"
    done = threading.Event()

    def burn():
        while not done.is_set():
            sum(range(1000))

    busy = threading.Thread(target=burn)
    busy.start()
    try:
        with rt.Host(effect, "clock", RATE, block, source=NOISE, record=path) as host:
            host.wait(1.5)
            late = host.stats().latency_samples
    finally:
        done.set()
        busy.join()
    heard = soundfile.read(path, dtype="float32")[0].T[:, RATE // 2 :]
    start = RATE // 2 - late
    wanted = 0.3 * NOISE[:, start : start + heard.shape[1]]
    assert np.mean(np.abs(heard - wanted) < 1e-5) > 0.8
