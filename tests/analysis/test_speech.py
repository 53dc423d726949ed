"""The measures of speech: closed forms, published values, and properties of all measures."""

from __future__ import annotations

import csv
import itertools
import math
from importlib.util import find_spec

import numpy as np
import pytest
import soundfile
from scipy import signal

from rtaudio.analysis.speech import (
    at_rate,
    level_change_db,
    pesq_wb,
    score,
    si_sdr_db,
    snr_db,
    stoi,
)
from rtaudio.errors import MetricsError

RATE_HZ = 16000

needs_pesq = pytest.mark.skipif(
    find_spec("pesq") is None, reason="pesq is not installed: pip install 'rtaudio[metrics]'"
)


@pytest.fixture(scope="module")
def voice():
    """Three seconds of pulses through formants, in syllables, which the measures take as speech."""
    time = np.arange(3 * RATE_HZ) / RATE_HZ
    phase = np.cumsum(120.0 + 20.0 * np.sin(2 * np.pi * 0.7 * time)) / RATE_HZ
    sound = np.diff(np.floor(phase), prepend=0.0)
    for formant_hz in (600.0, 1400.0, 2600.0, 3700.0):
        sound = sound + signal.lfilter(*signal.iirpeak(formant_hz, 8.0, RATE_HZ), sound)
    sound *= np.clip(np.sin(2 * np.pi * 2.5 * time), 0.0, None)
    return 0.3 * sound / np.abs(sound).max()


def noise_for(clean, seed=0):
    """Noise with the power of ``clean``, and orthogonal to it."""
    noise = np.random.default_rng(seed).standard_normal(clean.size)
    noise -= clean * np.dot(noise, clean) / np.dot(clean, clean)
    return noise * np.sqrt(np.sum(clean**2) / np.sum(noise**2))


# -- SI-SDR and SNR: closed forms ------------------------------------------------------------------


@pytest.mark.parametrize("level_db", [-7.5, 0.0, 12.0, 60.0])
def test_si_sdr_is_the_level_of_what_is_orthogonal(voice, level_db):
    noisy = voice + 10 ** (-level_db / 20) * noise_for(voice)
    assert si_sdr_db(voice, noisy) == pytest.approx(level_db, abs=1e-9)
    assert si_sdr_db(voice, -0.01 * noisy) == pytest.approx(level_db, abs=1e-9)
    assert snr_db(voice, noisy) == pytest.approx(level_db, abs=1e-9)


def test_a_wrong_level_is_noise_for_snr_alone(voice):
    assert snr_db(voice, 0.9 * voice) == pytest.approx(20.0)
    assert si_sdr_db(voice, 0.9 * voice) > 250


@pytest.mark.parametrize("level_db", [-40.0, -4.0, 0.0, 6.0])
def test_the_level_of_the_speech_is_told_whatever_the_noise(voice, level_db):
    noisy = voice + 0.5 * noise_for(voice)
    assert level_change_db(voice, 10 ** (level_db / 20) * noisy) == pytest.approx(level_db)
    assert level_change_db(voice, -voice) == -math.inf


def test_the_ends_of_the_scale(voice):
    assert si_sdr_db(voice, voice) == math.inf
    assert si_sdr_db([1.0, 0.0], [0.0, 1.0]) == -math.inf
    assert snr_db(voice, voice) == math.inf


@needs_pesq
def test_one_sample_of_delay_costs(voice):
    """For white noise every delay is as bad as another recording: the measures fit no delay."""
    clean = np.random.default_rng(1).standard_normal(20000)
    assert si_sdr_db(clean, np.roll(clean, 1)) < -30
    assert score(voice, voice, np.roll(voice, 5), RATE_HZ)["si_sdr_db"] < 20


@needs_pesq
def test_doing_nothing_gains_nothing(voice):
    noisy = voice + 0.3 * noise_for(voice)
    found = score(noisy, voice, noisy, RATE_HZ)
    assert found["si_sdr_gain_db"] == 0.0
    assert found["snr_gain_db"] == 0.0


@needs_pesq
def test_gains_are_what_was_removed(voice):
    rest = noise_for(voice)
    found = score(voice + 0.1 * rest, voice, voice + 0.01 * rest, RATE_HZ)
    assert found["si_sdr_gain_db"] == pytest.approx(20.0, abs=1e-9)
    assert found["snr_gain_db"] == pytest.approx(20.0, abs=1e-9)
    assert found["si_sdr_db"] == pytest.approx(40.0, abs=1e-9)


# -- PESQ and STOI ---------------------------------------------------------------------------------


@needs_pesq
def test_clean_is_best(voice):
    assert stoi(voice, voice, RATE_HZ) == pytest.approx(1.0, abs=1e-9)
    # P.862.2 maps the raw score 4.5 of two equal signals to this
    best = 0.999 + 4.0 / (1.0 + math.exp(-1.3669 * 4.5 + 3.8224))
    assert pesq_wb(voice, voice, RATE_HZ) == pytest.approx(best, abs=1e-4)


@needs_pesq
def test_more_noise_is_worse_by_every_measure(voice):
    rest = noise_for(voice)
    found = [
        score(voice, voice, voice + 10 ** (-level_db / 20) * rest, RATE_HZ)
        for level_db in (0.0, 10.0, 20.0, 30.0)
    ]
    for measure in ("pesq", "stoi", "si_sdr_db"):
        values = [each[measure] for each in found]
        assert all(low < high for low, high in itertools.pairwise(values)), measure


@needs_pesq
def test_the_measures_below_8_khz_do_not_depend_on_the_rate(voice):
    noisy = voice + 0.2 * noise_for(voice)
    raised = [at_rate(each, RATE_HZ, 48000) for each in (voice, noisy)]
    # noise above 8 kHz must not matter
    hiss = at_rate(noise_for(voice), RATE_HZ, 48000) * np.cos(np.pi * np.arange(raised[0].size))
    here = score(noisy, voice, noisy, RATE_HZ)
    there = score(raised[1], raised[0], raised[1] + 0.5 * hiss, 48000)
    assert there["pesq"] == pytest.approx(here["pesq"], abs=0.02)
    assert there["stoi"] == pytest.approx(here["stoi"], abs=0.001)
    assert there["si_sdr_16k_db"] == pytest.approx(here["si_sdr_db"], abs=0.2)
    assert there["si_sdr_db"] < here["si_sdr_db"] - 3


@needs_pesq
@pytest.mark.data
def test_the_published_recordings_have_their_published_scores(data_folder):
    """PESQ and SI-SDR of noisy speech, as published with the recordings."""
    folder = data_folder / "denoise_eval"
    with open(folder / "reference_scores.csv", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["pesq_wb"]]
    assert len(rows) == 29
    for row in rows[::3]:
        pair = (folder / row["set"] / kind / f"{row['clip']}.flac" for kind in ("clean", "noisy"))
        (clean, rate_hz), (noisy, _) = map(soundfile.read, pair)
        assert pesq_wb(clean, noisy, rate_hz) == pytest.approx(float(row["pesq_wb"]), abs=0.01)
        assert si_sdr_db(clean, noisy) == pytest.approx(float(row["si_sdr_db"]), abs=0.006)


# -- resampling ------------------------------------------------------------------------------------


@pytest.mark.parametrize("rates_hz", [(48000, 16000), (16000, 48000), (44100, 16000)])
def test_resampling_keeps_the_band_and_the_time(rates_hz):
    from_hz, to_hz = rates_hz
    for hertz in (50.0, 1000.0, 7500.0):
        x = np.sin(2 * np.pi * hertz * np.arange(from_hz) / from_hz)
        y = at_rate(x, from_hz, to_hz)
        assert y.size == to_hz
        exact = np.sin(2 * np.pi * hertz * np.arange(to_hz) / to_hz)
        middle = slice(to_hz // 10, -to_hz // 10)
        np.testing.assert_allclose(y[middle], exact[middle], atol=2e-4)


def test_resampling_lets_no_alias_through():
    x = np.sin(2 * np.pi * 8100.0 * np.arange(48000) / 48000)
    assert np.abs(at_rate(x, 48000, 16000)[1000:-1000]).max() < 3e-5


# -- refused signals -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clean", "x", "words"),
    [
        (np.ones(10), np.ones(9), "one length"),
        (np.ones((2, 10)), np.ones((2, 10)), "mono"),
        (np.zeros(10), np.ones(10), "silent"),
        (np.ones(10), np.full(10, np.nan), "NaN"),
        (np.zeros(0), np.zeros(0), "silent"),
    ],
)
def test_signals_that_cannot_be_compared_are_refused(clean, x, words):
    for measure in (si_sdr_db, snr_db, lambda *p: stoi(*p, 16000), lambda *p: pesq_wb(*p, 16000)):
        with pytest.raises(MetricsError, match=words):
            measure(clean, x)
