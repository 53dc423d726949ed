"""ViSQOL as this project calls it: its ceilings, noise below them, and how it is missed."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from scipy import signal

from rtaudio.analysis import visqol as module
from rtaudio.analysis.visqol import visqol
from rtaudio.errors import MetricsError

RATE_HZ = 48000


@pytest.fixture(scope="module")
def sound():
    """Two seconds of coloured noise in syllables."""
    time = np.arange(2 * RATE_HZ) / RATE_HZ
    noise = np.random.default_rng(0).standard_normal(time.size)
    low = signal.sosfilt(signal.butter(2, 1500.0, fs=RATE_HZ, output="sos"), noise)
    return 0.2 * low * np.clip(np.sin(2 * np.pi * 2 * time), 0.02, None)


@pytest.mark.parametrize(("music", "ceiling"), [(False, 5.0), (True, 4.7321)])
def test_a_copy_is_rated_best_and_noise_is_rated_down(sound, music, ceiling):
    pytest.importorskip("visqol")
    noise = np.random.default_rng(1).standard_normal(sound.size)
    found = [
        visqol(sound, sound + level * noise, RATE_HZ, music=music) for level in (0.0, 0.003, 0.1)
    ]
    assert found[0] == pytest.approx(ceiling, abs=0.01)
    assert found[1] < found[0] - 0.1
    assert found[2] < found[0] - 1.0


def test_a_missing_package_is_named(sound, monkeypatch):
    monkeypatch.setitem(sys.modules, "visqol", None)
    module._measure.cache_clear()
    with pytest.raises(MetricsError, match=r"visqol-python is missing: pip install 'rtaudio"):
        visqol(sound, sound, RATE_HZ)
