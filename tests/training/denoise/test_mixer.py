"""Mixtures are what they say: level, bandwidth, alignment, and the same every time."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from training.denoise.corpus import active_rms  # noqa: E402
from training.denoise.mixer import MixtureConfig, Mixtures  # noqa: E402

RATE = 48000
PLAIN = {"no_speech": 0, "no_noise": 0, "clipping": 0, "offset": 0, "room": 0}


@pytest.fixture
def mixtures(small_corpus, corpus_cache):
    def make(part="train", seed=0, **changes):
        config = MixtureConfig(
            root=str(small_corpus), cache=str(corpus_cache),
            **{"excerpt_samples": RATE, "rooms": 4, **changes},
        )
        return Mixtures(config, part, seed=seed, length=100)

    return make


def parts(mixture):
    return mixture.noisy.numpy()[0], mixture.clean.numpy()[0]


def test_depends_on_seed_and_index_alone(mixtures):
    first, again, other = mixtures(), mixtures(), mixtures(seed=1)
    for index in (7, 3, 12):
        one, two = first[index], again[index]
        assert torch.equal(one.noisy, two.noisy)
        assert torch.equal(one.clean, two.clean)
        assert (one.bandwidth_hz, one.snr_db) == (two.bandwidth_hz, two.snr_db)
        assert not torch.equal(one.noisy, other[index].noisy)
    assert not torch.equal(first[3].noisy, first[4].noisy)


def test_snr_is_the_stated_one(mixtures):
    made = mixtures(**PLAIN)
    stated = []
    for index in range(40):
        mixture = made[index]
        noisy, clean = parts(mixture)
        if math.isinf(mixture.snr_db):
            assert not clean.any()
            continue
        noise = noisy - clean
        measured = 20 * math.log10(active_rms(clean, RATE) / np.sqrt(np.mean(noise**2)))
        assert measured == pytest.approx(mixture.snr_db, abs=0.1)
        stated.append(mixture.snr_db)
    assert len(stated) > 30
    assert min(stated) >= -5
    assert max(stated) <= 40
    assert np.ptp(stated) > 25


def test_target_is_silent_above_its_bandwidth(mixtures):
    made = mixtures(no_speech=0)
    frequencies = np.fft.rfftfreq(RATE, 1 / RATE)
    seen = set()
    for index in range(40):
        mixture = made[index]
        power = np.abs(np.fft.rfft(parts(mixture)[1] * np.hanning(RATE))) ** 2
        above = power[frequencies > mixture.bandwidth_hz].sum()
        assert above <= 1e-7 * power.sum()
        seen.add(round(mixture.bandwidth_hz / 4000))
    assert len(seen) >= 4


def test_the_expander_quietens_room_tone_and_leaves_speech():
    from training.denoise.mixer import _expander

    generator = np.random.default_rng(0)
    signal = 0.01 * generator.standard_normal(3 * RATE).astype(np.float32)
    signal[RATE : 2 * RATE] *= 50
    gains = 20 * np.log10(_expander(signal, RATE))
    speech = slice(RATE - RATE // 50, 2 * RATE + RATE // 50)
    assert np.abs(gains[speech]).max() < 0.01
    # 34 dB under the speech: 8 dB too low, so 16 dB down; noise of 10 ms is not steady.
    pause = gains[: RATE // 2]
    assert -18 < pause.mean() < -13
