"""The disturbance of a sound: what it forgives, what it counts, and that it follows PESQ."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from training.denoise.disturbance import _over_time, disturbance  # noqa: E402
from training.denoise.keep import Keep  # noqa: E402

RATE_HZ = 48000


def voice(seconds=2.0, rate_hz=RATE_HZ, seed=0):
    """Harmonics whose pitch and level move, with pauses."""
    t = np.arange(int(seconds * rate_hz)) / rate_hz
    pitch = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.9 * t)) / rate_hz
    tone = sum(np.sin(n * pitch) / n for n in range(1, 30))
    return 0.05 * tone * (np.sin(2 * np.pi * 1.7 * t) > -0.5)


def noise(rate_hz=RATE_HZ, seed=1, seconds=2.0):
    return np.random.default_rng(seed).standard_normal(int(seconds * rate_hz))


def distance(output, target, rate_hz=RATE_HZ, bandwidth_hz=24000.0):
    batch = [torch.tensor(x, dtype=torch.float32)[None, None] for x in (output, target)]
    return float(disturbance(*batch, batch[1], Keep(torch.tensor([bandwidth_hz]), rate_hz)))


def test_a_copy_is_perfect_and_noise_disturbs_the_more_the_louder_it_is():
    clean = voice()
    found = [distance(clean + level * noise(), clean) for level in (0, 1e-4, 1e-3, 1e-2, 1e-1)]
    assert found[0] < 0.01
    assert all(np.diff(found) > 0)


@pytest.mark.parametrize("gain", [0.1, 3.0])
def test_the_level_of_both_does_not_matter(gain):
    clean, noisy = voice(), voice() + 0.01 * noise()
    assert distance(gain * noisy, gain * clean) == pytest.approx(distance(noisy, clean), rel=0.02)


@pytest.mark.parametrize("rate_hz", [16000, 44100])
def test_the_rate_does_not_matter(rate_hz):
    """Noise of the same density below 8 kHz."""
    level = 0.01 * (rate_hz / 48000) ** 0.5
    found = distance(
        voice(rate_hz=rate_hz) + level * noise(rate_hz), voice(rate_hz=rate_hz), rate_hz
    )
    assert found == pytest.approx(distance(voice() + 0.01 * noise(), voice()), rel=0.15)


def test_the_worst_moments_count_most():
    """By brute force, after P.862: order 6 within 20 half overlapping frames, order 2 over them."""
    frames = np.random.default_rng(3).exponential(1.0, (2, 95)) ** 3
    wanted = [
        np.mean(
            [np.mean(row[at : at + 20] ** 6) ** (1 / 6 * 2) for at in range(0, 95 - 19, 10)]
        ) ** 0.5
        for row in frames
    ]  # fmt: skip
    found = _over_time(torch.tensor(frames))
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    assert (found.numpy() > 2 * frames.mean(axis=1)).all()


def test_what_is_added_disturbs_more_than_what_is_missing():
    t = np.arange(2 * RATE_HZ) / RATE_HZ
    clean = voice()
    tone = 0.02 * np.sin(2 * np.pi * 1500 * t)
    assert distance(clean + tone, clean) > 1.3 * distance(clean, clean + tone)


def test_what_lies_above_the_bandwidth_of_the_target_is_not_compared():
    t = np.arange(2 * RATE_HZ) / RATE_HZ
    clean, hiss = voice(), 0.02 * np.sin(2 * np.pi * 6000 * t)
    assert distance(clean + hiss, clean) > 0.05
    assert distance(clean + hiss, clean, bandwidth_hz=4000.0) < 0.01


def test_excerpts_without_speech_do_not_count():
    silence = np.zeros(RATE_HZ)
    assert distance(0.1 * noise(seconds=1.0), silence) == 0.0


def test_its_gradient_leads_to_the_target():
    clean = torch.tensor(voice(1.0), dtype=torch.float32)[None, None]
    output = (clean + 0.02 * torch.tensor(noise(seconds=1.0), dtype=torch.float32)).requires_grad_()
    keep = Keep(torch.tensor([24000.0]), RATE_HZ)
    disturbance(output, clean, clean, keep).backward()
    assert torch.isfinite(output.grad).all()
    toward = (output.grad * (output.detach() - clean)).sum()
    assert toward > 0


def test_it_follows_pesq():
    pesq = pytest.importorskip("pesq", reason="pesq is not installed (extra: metrics)")
    clean = voice(3.0, 16000)
    rng = np.random.default_rng(3)
    sounds = [clean + level * rng.standard_normal(clean.size) for level in (1e-4, 1e-3, 5e-3, 2e-2)]
    sounds += [np.clip(clean, -limit, limit) for limit in (0.1, 0.05, 0.02)]
    rated = [pesq.pesq(16000, clean, sound, "wb") for sound in sounds]
    found = [distance(sound, clean, 16000, 8000.0) for sound in sounds]
    order = np.corrcoef(np.argsort(np.argsort(rated)), np.argsort(np.argsort(found)))[0, 1]
    assert order < -0.85
