"""Balanced batches: domains, bandwidth, loudness, phase; and they depend on their number alone."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from torch.utils.data import DataLoader  # noqa: E402

from training.config import ConfigError  # noqa: E402
from training.convolutional_codec import data as module  # noqa: E402
from training.convolutional_codec.config import CodecData  # noqa: E402
from training.convolutional_codec.data import BalancedBatches  # noqa: E402
from training.convolutional_codec.loudness import bandwidth_hz, loudness_lufs  # noqa: E402

RATE_HZ = 32000


@pytest.fixture
def batches(small_corpus, corpus_cache):
    def made(part="train", batch=6, seed=0, **changes):
        sizes = {"rate_hz": RATE_HZ, "excerpt_samples": 4096, **changes}
        config = CodecData(root=str(small_corpus), cache=str(corpus_cache), **sizes)
        return BalancedBatches(config, part, batch, seed=seed, length=10)

    return made


def test_a_batch_depends_on_seed_and_number_alone(batches):
    one, other = batches(), batches()
    assert one[3].shape == (6, 1, 4096)
    assert one[3].dtype == torch.float32
    other[0]
    assert torch.equal(one[3], other[3])
    assert not torch.equal(one[3], one[4])
    assert not torch.equal(one[3], batches(seed=1)[3])
    assert not torch.equal(one[3], batches("validation")[3])
    with pytest.raises(IndexError):
        one[-1]


def test_worker_processes_change_nothing(batches):
    data = batches(batch=3)
    loader = DataLoader(data, batch_size=None, sampler=range(2, 4), num_workers=1)
    for number, batch in zip((2, 3), loader, strict=True):
        assert torch.equal(batch, data[number])


def test_domains_are_equal_and_one_excerpt_is_of_full_band(batches, monkeypatch):
    """Counted where the recordings are read."""
    read, confirmed = Counter(), []
    around = BalancedBatches._around

    def counted(self, collection, generator):
        name = next(
            name
            for name, whole in self.domains.items()
            if whole.recordings is collection.recordings
        )
        read[name] += 1
        return around(self, collection, generator)

    def judged(sound, rate_hz):
        confirmed.append(bandwidth_hz(sound, rate_hz))
        read["tried"] += 1
        return confirmed[-1]

    monkeypatch.setattr(BalancedBatches, "_around", counted)
    monkeypatch.setattr(module, "bandwidth_hz", judged)
    data = batches(batch=9)
    found = Counter()
    for number in range(9):
        read.clear()
        confirmed.clear()
        data[number]
        tried = read.pop("tried")
        assert sum(read.values()) == 9 - 1 + tried
        assert min(read[name] for name in data.domains) >= 3 - 1
        assert confirmed[-1] >= 0.9 * RATE_HZ / 2
        assert all(each < 0.9 * RATE_HZ / 2 for each in confirmed[:-1])
        found.update(name for name in data.domains if read[name] == 3 - 1 + tried)
    # The songs, of one sine each, only claim to be of full band.
    assert found["speech"] >= 3
    assert found["noise"] >= 3


def test_full_band_comes_from_the_sources_that_claim_it(batches):
    data = batches()
    assert {source.name for source in data.full["speech"].sources} == {"anna"}
    assert {source.name for source in data.full["noise"].sources} == {"hiss"}


def test_without_full_band_it_is_refused(batches):
    with pytest.raises(ConfigError, match=r"has a bandwidth of 43200 Hz; lower data\.rate_hz"):
        batches(rate_hz=96000)


def test_sources_that_lie_are_refused(batches, monkeypatch):
    monkeypatch.setattr(module, "bandwidth_hz", lambda *_: 5000.0)
    with pytest.raises(ConfigError, match="but have no energy there; correct the bandwidths"):
        batches()[0]


def test_loudness_is_the_target_and_the_phase_leaves_it(batches):
    data = batches(excerpt_samples=2 * RATE_HZ, loudness_lufs=-30.0)
    for excerpt in data[0][:, 0].numpy():
        assert loudness_lufs(excerpt, RATE_HZ) == pytest.approx(-30, abs=0.1)


def test_excerpts_never_leave_full_scale(batches):
    assert batches(loudness_lufs=0.0)[0].abs().max() == pytest.approx(0.99)


def test_a_turned_phase_is_a_hilbert_transform():
    times = np.arange(4000) / 4000
    sound = np.sin(2 * np.pi * 40 * times) + 0.5 * np.cos(2 * np.pi * 300 * times)
    turned = module._turned(sound.astype(np.float32), math.pi / 2)
    wanted = np.cos(2 * np.pi * 40 * times) - 0.5 * np.sin(2 * np.pi * 300 * times)
    np.testing.assert_allclose(turned, wanted, atol=1e-4)
    back = module._turned(sound.astype(np.float32), math.pi)
    np.testing.assert_allclose(back, -sound, atol=1e-4)


def test_silence_stays_silence(batches):
    data = batches()
    silence = np.zeros(2 * RATE_HZ, np.float32)
    assert not data._excerpt(silence, np.random.default_rng(0)).any()
