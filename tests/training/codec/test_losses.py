"""Losses and figures of a codec against closed forms."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from rtaudio.analysis.mel_filters import mel_filters  # noqa: E402
from training.codec.losses import CodecLoss  # noqa: E402
from training.codec.mel import MelDistance  # noqa: E402


def noise(seed=0, samples=8192):
    return torch.randn(2, samples, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("rate_hz", [16000, 48000])
def test_equal_sounds_have_no_loss_and_others_do(rate_hz):
    loss = CodecLoss(rate_hz)
    for size in loss.sizes:
        same = loss(noise(), noise(), size)
        other = loss(noise(1), noise(), size)
        for name, term in same.items():
            # The root of the mean square error is kept from a slope without end at zero.
            assert float(term) == pytest.approx(0.01 if name in ("time", "bark") else 0, abs=7e-3)
            assert float(other[name]) > float(term) + 0.03


def test_each_term_has_a_finite_gradient_even_in_silence():
    loss = CodecLoss(16000)
    for target in (noise(), torch.zeros(2, 8192)):
        for name in loss(noise(), target, 512):
            output = torch.zeros(2, 8192, requires_grad=True)
            term = loss(output, target, 512)[name]
            (gradient,) = torch.autograd.grad(term, output)
            assert torch.isfinite(gradient).all()


def test_only_some_terms_hear_the_phase():
    loss, x = CodecLoss(16000), noise()
    terms = loss(-x, x, 512)
    assert float(terms["magnitude"]) == pytest.approx(0, abs=1e-6)
    assert float(terms["mel"]) == pytest.approx(0, abs=1e-6)
    assert float(terms["complex"]) > 1
    assert float(terms["time"]) == pytest.approx(2, abs=1e-2)


def test_a_gain_is_its_logarithm_in_mel():
    loss, x = CodecLoss(48000), noise()
    assert float(loss(10 * x, x, 1024)["mel"]) == pytest.approx(1, abs=0.01)
    assert float(MelDistance(16000)(10 * x, x)) == pytest.approx(7, abs=0.01)


def test_mel_filters_have_equal_area_and_follow_slaney():
    filters = mel_filters(16000, 1 << 14, 40)
    width_hz = 8000 / (1 << 13)
    assert filters.sum(axis=1) * width_hz == pytest.approx(1, abs=0.01)
    # Linear below 1 kHz, then evenly spaced in the logarithm.
    peaks_hz = filters.argmax(axis=1) * width_hz
    low, high = peaks_hz[peaks_hz < 900], peaks_hz[peaks_hz > 1100]
    assert abs(torch.tensor(low).diff().diff()).max() <= 2 * width_hz
    ratios = torch.tensor(high[1:] / high[:-1])
    assert float(ratios.std()) < 0.01
    assert math.log(float(ratios.mean())) > 0.05
