"""The mel distance: against the definition written out, against torch, and its properties."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rtaudio.analysis.mel_distance import mel_distance
from rtaudio.errors import MetricsError

NOISE = np.random.default_rng(0).standard_normal((2, 3000)) * 0.1


def hz_of(mel):
    """Slaney's scale: linear to 1 kHz at mel 15, then 27 mels for a factor of 6.4."""
    return mel * 200 / 3 if mel < 15 else 1000 * math.exp((mel - 15) * math.log(6.4) / 27)


def mel_of(hz):
    return hz * 3 / 200 if hz < 1000 else 15 + 27 * math.log(hz / 1000) / math.log(6.4)


def spectrogram(x, rate_hz, window, bands):
    """The definition sample by sample, with a discrete Fourier transform as a matrix."""
    padded = [*x[window // 2 : 0 : -1], *x, *x[-2 : -window // 2 - 2 : -1]]
    n = np.arange(window)
    bins = np.arange(window // 2 + 1)
    fourier = np.exp(-2j * np.pi * np.outer(bins, n) / window) * np.sin(np.pi * n / window) ** 2
    edges = [hz_of(mel_of(rate_hz / 2) * k / (bands + 1)) for k in range(bands + 2)]
    weights = np.zeros((bands, bins.size))
    for band in range(bands):
        low, middle, high = edges[band : band + 3]
        for k in bins:
            f = k * rate_hz / window
            if low < f <= middle:
                weights[band, k] = (f - low) / (middle - low)
            elif middle < f < high:
                weights[band, k] = (high - f) / (high - middle)
        weights[band] *= 2 / (high - low)
    starts = range(0, len(padded) - window + 1, window // 4)
    return np.array([weights @ np.abs(fourier @ padded[s : s + window]) for s in starts])


@pytest.mark.parametrize("rate_hz", [16000, 44100])
def test_it_is_the_sum_over_seven_windows_of_the_definition(rate_hz):
    total = 0.0
    for power in range(7):
        window, bands = 32 * 2**power, 5 * 2**power
        a, b = (np.log10(np.maximum(spectrogram(x, rate_hz, window, bands), 1e-5)) for x in NOISE)
        total += np.abs(a - b).mean()
    assert mel_distance(*NOISE, rate_hz) == pytest.approx(total, rel=1e-9)


def test_the_definition_as_written_here_is_that_of_torch():
    torch = pytest.importorskip("torch")
    for power in range(7):
        window, bands = 32 * 2**power, 5 * 2**power
        hann = torch.hann_window(window, dtype=torch.float64)
        ours = spectrogram(NOISE[0], 44100, window, bands)
        edges = np.array([hz_of(mel_of(22050) * k / (bands + 1)) for k in range(bands + 2)])
        found = torch.stft(
            torch.tensor(NOISE[0]), window, window // 4, window=hann, return_complex=True
        ).abs()
        assert found.shape[1] == len(ours)
        f = np.fft.rfftfreq(window, 1 / 44100)
        weights = np.stack([
            np.interp(f, edges[k : k + 3], [0, 2 / (edges[k + 2] - edges[k]), 0])
            for k in range(bands)
        ])  # fmt: skip
        np.testing.assert_allclose(ours, (weights @ found.numpy()).T, atol=1e-9)


def test_a_level_counts_and_phase_does_not():
    x = NOISE[0]
    assert mel_distance(x, x, 44100) == 0.0
    assert mel_distance(x, -x, 44100) == 0.0
    # the narrowest bands lie between two bins and are empty, so a little less than all of it
    assert 0.97 < mel_distance(x, x / 2, 44100) / (7 * math.log10(2)) < 1.0
    assert mel_distance(x, x + 0.01 * NOISE[1], 44100) < mel_distance(x, x + NOISE[1], 44100)


def test_it_refuses_what_cannot_be_compared():
    with pytest.raises(MetricsError, match="one length"):
        mel_distance(NOISE[0], NOISE[1][:-1], 44100)
    with pytest.raises(MetricsError, match="silent"):
        mel_distance(np.zeros(3000), NOISE[1], 44100)
