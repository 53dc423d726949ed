"""The simulated network does what it says: statistics over many datagrams, and the same again."""

from __future__ import annotations

import numpy as np
import pytest

from rtaudio.codec.network import OVERHEAD_BYTES, Conditions, Network
from rtaudio.errors import ParameterError

COUNT = 40_000


def sent(conditions, seed=1, size=40, count=COUNT):
    network = Network(conditions, seed)
    return [network.send(place.to_bytes(size, "big"), 0.02 * place) for place in range(count)]


def bursts_of(lost):
    edges = np.flatnonzero(np.diff(np.concatenate([[0], lost, [0]])))
    return edges[1::2] - edges[::2]


@pytest.mark.parametrize(("loss", "burst"), [(0.05, 1.3), (0.1, 1.5), (0.2, 3.0), (0.5, 10.0)])
def test_losses_have_the_share_and_the_bursts_that_are_asked_for(loss, burst):
    lost = np.array([not deliveries for deliveries in sent(Conditions(loss=loss, burst=burst))])
    assert lost.mean() == pytest.approx(loss, rel=0.15)
    assert bursts_of(lost).mean() == pytest.approx(burst, rel=0.1)


def test_jitter_delays_duplicates_and_reorders():
    told = Conditions(delay_ms=50, jitter_ms=30, duplicate=0.1)
    deliveries = sent(told)
    extra = np.array([d.arrival_s - 0.02 * i - 0.05 for i, ds in enumerate(deliveries) for d in ds])
    assert extra.min() >= -1e-9
    assert extra.mean() == pytest.approx(0.03, rel=0.05)
    assert extra.std() == pytest.approx(0.03, rel=0.05)  # exponential
    assert np.mean([len(ds) == 2 for ds in deliveries]) == pytest.approx(0.1, rel=0.1)
    first = [ds[0].arrival_s for ds in deliveries]
    assert np.any(np.diff(first) < 0)


def test_the_same_seed_does_the_same():
    told = Conditions(loss=0.2, burst=2, jitter_ms=20, duplicate=0.1)
    assert sent(told, count=500) == sent(told, count=500)
    assert sent(told, count=500) != sent(told, seed=2, count=500)


def test_a_narrow_link_cuts_datagrams_to_its_rate():
    told = Conditions(delay_ms=0, rate_kbps=20, queue_ms=60, keep_bytes=15)
    deliveries = sent(told, size=100, count=2000)
    arrived = [d for ds in deliveries for d in ds]
    total = 8 * sum(len(d.datagram) + OVERHEAD_BYTES for d in arrived)
    assert total / arrived[-1].arrival_s <= 20_000 * 1.001
    assert total / arrived[-1].arrival_s > 19_000
    for place, ds in enumerate(deliveries):
        for d in ds:
            assert d.arrival_s - 0.02 * place <= 0.0601
            assert 15 <= len(d.datagram) <= 100
            assert place.to_bytes(100, "big").startswith(d.datagram)
    assert min(len(d.datagram) for d in arrived) < 100


def test_a_wide_link_does_nothing():
    told = Conditions(delay_ms=20, rate_kbps=64)
    assert all(len(ds[0].datagram) == 40 for ds in sent(told, count=500))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"loss": 1.0}, "network.loss = 1.0 is out of range 0 .. 0.9"),
        ({"burst": 0.5}, "network.burst = 0.5 is out of range: 1 or more"),
        ({"jitter_ms": float("nan")}, "network.jitter_ms = nan"),
    ],
)
def test_impossible_networks_are_refused(settings, words):
    with pytest.raises(ParameterError, match=words):
        Conditions(**settings)
