"""Synthetic noises: typing is short, a siren is narrow and moves, and none is silent."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from training.denoise import synthetic
from training.denoise.synthetic import synthetic_noise

RATE, SAMPLES = 48000, 96000


def spectrogram(sound):
    """Return the power of every bin and frame of 43 ms."""
    return signal.spectrogram(sound, RATE, nperseg=2048, noverlap=1024)[2]


@pytest.mark.parametrize("rate_hz", [8000, 48000])
@pytest.mark.parametrize("wide", [False, True])
def test_every_noise_is_finite_and_audible_and_comes_back_with_its_seed(rate_hz, wide):
    for seed in range(40):
        first, second = (
            synthetic_noise(np.random.default_rng(seed), SAMPLES, rate_hz, wide=wide)
            for _ in range(2)
        )
        np.testing.assert_array_equal(first, second)
        assert first.shape == (SAMPLES // 2 + 1,)
        sound = np.fft.irfft(first, SAMPLES)
        assert np.isfinite(sound).all()
        assert np.sqrt(np.mean(sound**2)) > 1e-6


def test_typing_is_mostly_silence_and_covers_many_frequencies():
    for seed in range(20):
        sound = synthetic._typing(np.random.default_rng(seed), SAMPLES, RATE)
        pieces = np.sort((sound.reshape(-1, 480) ** 2).sum(1))[::-1]
        assert pieces[: pieces.size // 4].sum() > 0.8 * pieces.sum()
        mean = spectrogram(sound).mean(1)
        edges = np.searchsorted(np.cumsum(mean) / mean.sum(), [0.02, 0.98]) * RATE / 2048
        assert edges[1] - edges[0] > 1000


def test_a_siren_is_a_few_lines_in_every_frame_and_most_of_them_move():
    moved = 0
    for seed in range(20):
        sound = synthetic._siren(np.random.default_rng(seed), 2 * SAMPLES, RATE)
        power = spectrogram(sound)
        loud = power.sum(0) > 1e-3 * power.sum(0).max()
        lines = -np.sort(-power[:, loud], axis=0)
        # At most 24 tones of some bins each, of 1,025 bins; while it jumps or yelps it is wider.
        assert np.median(lines[:120].sum(0) / lines.sum(0)) > 0.8
        moved += np.ptp(power.argmax(0)) > 4
    assert moved >= 10


def test_a_tail_keeps_the_direct_sound_at_its_place():
    impulse = np.zeros(SAMPLES, np.float32)
    impulse[100] = 1.0
    for seed in range(20):
        tail = synthetic._tail(np.random.default_rng(seed), SAMPLES, RATE)
        sound = np.fft.irfft(np.fft.rfft(impulse) * tail, SAMPLES)
        assert sound[:100] == pytest.approx(0.0, abs=1e-3)
        assert np.abs(sound).argmax() - 100 < 0.05 * RATE
        assert (sound[101:] ** 2).sum() < 10**0.4


def test_what_is_struck_is_mostly_silence_between_loud_starts():
    shares = []
    for seed in range(20):
        sound = synthetic._struck(np.random.default_rng(seed), SAMPLES, RATE)
        pieces = np.sort((sound.reshape(-1, 480) ** 2).sum(1))[::-1]
        shares.append(pieces[: pieces.size // 4].sum() / pieces.sum())
    assert np.median(shares) > 0.8


def test_crumpling_covers_many_frequencies_with_short_bursts():
    crests = []
    for seed in range(20):
        sound = synthetic._crumpling(np.random.default_rng(seed), SAMPLES, RATE)
        mean = spectrogram(sound).mean(1)
        edges = np.searchsorted(np.cumsum(mean) / mean.sum(), [0.02, 0.98]) * RATE / 2048
        assert edges[1] - edges[0] > 1000
        crests.append(np.abs(sound).max() / np.sqrt(np.mean(sound**2)))
    # Of white noise it is 4.5.
    assert np.median(crests) > 10


def test_bubbles_ring_at_the_frequencies_of_their_radii_and_rise():
    rose = 0
    for seed in range(20):
        sound = synthetic._drops(np.random.default_rng(seed), SAMPLES, RATE)
        power = spectrogram(sound)
        centre_hz = (power.mean(1) * np.arange(1025)).sum() / power.mean(1).sum() * RATE / 2048
        # Radii of 0.4 to 15 mm.
        assert 3 / 0.015 < centre_hz < 1.5 * 3 / 0.0004
        loudest = np.abs(sound[: SAMPLES - 960]).argmax()
        early, late = (
            np.count_nonzero(np.diff(np.sign(sound[loudest + at : loudest + at + 480])))
            for at in (0, 480)
        )
        rose += late >= early
    assert rose >= 10


def test_a_creak_is_periodic_in_time_and_comes_and_goes():
    periodic = 0
    for seed in range(20):
        sound = synthetic._creaks(np.random.default_rng(seed), SAMPLES, RATE)
        loud = np.abs(sound).argmax()
        piece = sound[max(0, loud - 4800) : loud + 4800]
        both = signal.correlate(piece, piece, method="fft")[len(piece) - 1 :]
        periodic += both[32:3200].max() > 0.3 * both[0]
    assert periodic >= 10
