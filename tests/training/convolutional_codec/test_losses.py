"""Losses and metrics of the codec against brute force and closed formulas."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from rtaudio.analysis.mel_filters import mel_filters  # noqa: E402
from training.convolutional_codec.losses import (  # noqa: E402
    adversarial_loss,
    discriminator_loss,
    feature_loss,
)
from training.convolutional_codec.mel import MelDistance  # noqa: E402
from training.convolutional_codec.metrics import (  # noqa: E402
    bitrate_efficiency,
    si_sdr_db,
    stft_distance,
)
from training.convolutional_codec.spectra import magnitudes  # noqa: E402


def maps(*values):
    """Discriminators with one feature map and one score each."""
    return [[torch.tensor(feature), torch.tensor(score)] for feature, score in values]


def test_least_squares():
    fake = maps(([1.0, 2.0], [0.5, -0.5]), ([0.0], [2.0]))
    real = maps(([3.0, 2.0], [1.0, 0.0]), ([1.0], [1.0]))
    # (0.25 + 0.25) / 2 + (0 + 1) / 2, and 4 + 0
    assert discriminator_loss(fake, real).item() == pytest.approx(0.25 + 0.5 + 4.0)
    # (0.25 + 2.25) / 2, and 1
    assert adversarial_loss(fake).item() == pytest.approx(1.25 + 1.0)
    # Scores do not count: (2 + 0) / 2, and 1
    assert feature_loss(fake, real).item() == pytest.approx(2.0)


def test_nothing_is_left_to_learn_where_it_should_be():
    perfect = maps(([1.0], [1.0]))
    rejected = maps(([1.0], [0.0]))
    assert discriminator_loss(rejected, perfect).item() == 0
    assert adversarial_loss(perfect).item() == 0
    assert feature_loss(rejected, perfect).item() == 0


def test_features_of_recordings_get_no_gradient():
    fake, real = (torch.ones(3, requires_grad=True) for _ in range(2))
    feature_loss([[2 * fake, fake]], [[real, real]]).backward()
    assert real.grad is None
    assert fake.grad.abs().sum() > 0


# Slaney's scale: 200/3 Hz a mel below 1 kHz, a factor of 6.4 in 27 mels above.
@pytest.mark.parametrize(("mel", "hz"), [(3, 200.0), (15, 1000.0), (42, 6400.0), (69, 40960.0)])
def test_the_scale(mel, hz):
    """With as many bands as mels, filter n has its peak at n + 1 mels."""
    filters = mel_filters(2 * int(hz), 1 << 15, mel - 1)
    peaks = filters.argmax(1) * 2 * hz / (1 << 15)
    wanted = [200 / 3 * n if n <= 15 else 1000 * 6.4 ** ((n - 15) / 27) for n in range(1, mel)]
    np.testing.assert_allclose(peaks, wanted, atol=2 * hz / (1 << 15))


@given(bands=st.integers(2, 60))
def test_filters_have_equal_areas(bands):
    rate_hz, window = 44100, 1 << 14
    areas = mel_filters(rate_hz, window, bands).sum(1) * rate_hz / window
    np.testing.assert_allclose(areas, 1, rtol=0.02)


def test_the_distance_is_brute_force():
    rate_hz, window, bands = 44100, 256, 40
    a, b = torch.randn(2, 2, 1, 1500)
    a[0] = 0  # silence is compared with the floor
    found = MelDistance(rate_hz, [window], [bands])(a, b)
    filters = mel_filters(rate_hz, window, bands).astype(np.float64)
    hop = window // 4
    side = (window - hop) // 2
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    logs = []
    for sounds in (a, b):
        padded = np.pad(
            sounds[:, 0].double().numpy(), ((0, 0), (side, side + -1500 % hop)), "reflect"
        )
        frames = np.lib.stride_tricks.sliding_window_view(padded, window, 1)[:, ::hop]
        levels = np.abs(np.fft.rfft(frames * taper)) @ filters.T
        logs.append(np.log10(np.maximum(levels, 1e-5)))
    assert float(found) == pytest.approx(np.abs(logs[0] - logs[1]).mean(), rel=1e-4)


def test_seven_windows():
    distance = MelDistance(44100)
    assert distance.windows == (32, 64, 128, 256, 512, 1024, 2048)
    shapes = [tuple(distance.get_buffer(f"filters_{w}").shape) for w in distance.windows]
    assert shapes == [(5 << n, (16 << n) + 1) for n in range(7)]
    noise = torch.randn(2, 1, 8192)
    assert float(distance(noise, noise)) == 0
    # 20 dB in each of seven windows
    assert float(distance(10 * noise, noise)) == pytest.approx(7, abs=0.02)


def test_the_distance_of_spectra():
    noise = torch.randn(2, 1, 8192)
    assert float(stft_distance(noise, noise)) == 0
    twice = float(stft_distance(2 * noise, noise))
    magnitude = sum(float(magnitudes(noise, window).mean()) for window in (2048, 512))
    assert twice == pytest.approx(2 * 2 * np.log10(2) + magnitude, rel=1e-3)


def test_si_sdr():
    generator = torch.Generator().manual_seed(0)
    target, noise = torch.randn(2, 1, 1, 44100, generator=generator)
    assert float(si_sdr_db(0.1 * target, target)) > 80
    assert float(si_sdr_db(0.1 * target + 5, target)) > 60  # a constant does not count
    noise = noise - noise.mean()
    centred = target - target.mean()
    noise = noise - (noise * centred).sum() / centred.square().sum() * centred
    for ratio_db in (0.0, 10.0, -7.0):
        gain = (centred.square().sum() / noise.square().sum()).sqrt() * 10 ** (-ratio_db / 20)
        assert float(si_sdr_db(target + gain * noise, target)) == pytest.approx(ratio_db, abs=0.1)


def test_bitrate_efficiency():
    even = torch.arange(1024).repeat(3).reshape(1, 1, -1).expand(2, 9, -1)
    assert bitrate_efficiency(even, 1024) == pytest.approx(1)
    assert bitrate_efficiency(torch.full((2, 9, 100), 7), 1024) == 0
    # One book of ten bits, the other eight of none.
    mixed = torch.cat([even[:, :1], torch.zeros(2, 8, 3072, dtype=torch.int64)], dim=1)
    assert bitrate_efficiency(mixed, 1024) == pytest.approx(1 / 9)
    # Half of the frames 0, a quarter 1, an eighth each 2 and 3: 1.75 of 2 bits.
    skew = torch.tensor([0, 0, 0, 0, 1, 1, 2, 3])[None, None]
    assert bitrate_efficiency(skew, 4) == pytest.approx(1.75 / 2)
