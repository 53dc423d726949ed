"""The signal-to-noise ratio without a reference is near that with one."""

from __future__ import annotations

import numpy as np
import pytest

from rtaudio.analysis.log_spectral_distance import log_spectral_distance_db
from rtaudio.analysis.signal_to_noise import blind_snr_db
from rtaudio.analysis.speech import snr_db

RATE = 44100


def sine_and_noise(wanted_db, seconds=30):
    generator = np.random.default_rng(0)
    sine = np.sin(2 * np.pi * 997 / RATE * np.arange(seconds * RATE))
    noise = generator.standard_normal(len(sine))
    noise *= np.sqrt(np.mean(sine**2) / np.mean(noise**2)) * 10 ** (-wanted_db / 20)
    return sine, noise


@pytest.mark.parametrize("wanted_db", [10.0, 43.0, 76.0])
def test_a_sine_in_noise(wanted_db):
    sine, noise = sine_and_noise(wanted_db)
    assert snr_db(sine, sine + noise) == pytest.approx(wanted_db, abs=1e-6)
    assert blind_snr_db(sine + noise, RATE) == pytest.approx(wanted_db, abs=0.1)


def test_the_ends_of_the_scale():
    assert blind_snr_db(np.zeros(RATE), RATE) == 120.0
    noise = np.random.default_rng(0).standard_normal(20 * RATE)
    assert blind_snr_db(noise, RATE) < 0.0
    assert np.isfinite(blind_snr_db(np.ones(10), RATE))


def test_the_distance_of_spectra_is_that_of_their_levels():
    noise = np.random.default_rng(1).standard_normal((2, 30_000))
    assert log_spectral_distance_db(noise, noise) == 0.0
    assert log_spectral_distance_db(10 * noise, noise) == pytest.approx(20.0)
    assert np.isfinite(log_spectral_distance_db(np.zeros(100), np.ones(100)))
