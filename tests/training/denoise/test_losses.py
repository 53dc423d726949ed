"""The denoiser's losses against plain numpy, and what they must not hear."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from training.denoise.keep import Keep  # noqa: E402
from training.denoise.losses import LOSSES, denoise_loss, si_sdr_db  # noqa: E402

RATE = 48000
GENERATOR = np.random.default_rng(0)
TARGET, NOISE = (torch.from_numpy(GENERATOR.standard_normal((2, 1, 9600))).float() for _ in "ab")
FULL = Keep(torch.tensor([24000.0, 24000.0]), RATE)


def tone(hz):
    return torch.sin(2 * torch.pi * hz / RATE * torch.arange(9600.0)).expand(2, 1, -1)


@pytest.mark.parametrize("name", ["spectrum", "l1", "l2"])
def test_equal_signals_lose_nothing(name):
    assert LOSSES[name](TARGET, TARGET, TARGET, FULL) == pytest.approx(0, abs=1e-6)


def test_the_spectrum_is_what_scipy_says():
    scipy_signal = pytest.importorskip("scipy.signal", reason="scipy is not installed")
    output, noisy = TARGET + 0.5 * NOISE, TARGET + NOISE
    level = (noisy**2).mean(-1, keepdim=True).sqrt()
    total = 0.0
    for n_fft in (512, 2048):
        window = scipy_signal.get_window("hann", n_fft)
        a, b = (
            np.stack(
                [
                    np.fft.rfft(row[at : at + n_fft] * window) / np.sqrt((window**2).sum())
                    for row in (signal / level)[:, 0].double().numpy()
                    for at in range(0, 9600 - n_fft + 1, n_fft // 2)
                ]
            )
            for signal in (output, TARGET)
        )
        a_power, b_power = (np.abs(s) ** 2 + 1e-6 for s in (a, b))
        a_small, b_small = a * a_power**-0.375, b * b_power**-0.375
        distance = (
            0.7 * (a_power**0.125 - b_power**0.125) ** 2 + 0.3 * np.abs(a_small - b_small) ** 2
        )
        erb = 21.4 * np.log10(1 + 0.00437 * (np.arange(n_fft // 2 + 2) - 0.5) * RATE / n_fft)
        total += np.average(distance, axis=-1, weights=np.diff(erb)).mean()
    found = LOSSES["spectrum"](output, TARGET, noisy, FULL)
    assert float(found) == pytest.approx(total / 2, rel=1e-3)


def test_the_level_of_a_mixture_does_not_matter():
    output, noisy = TARGET + 0.5 * NOISE, TARGET + NOISE
    losses = [
        float(LOSSES["spectrum"](g * output, g * TARGET, g * noisy, FULL)) for g in (1.0, 0.01)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_what_lies_above_the_bandwidth_is_not_heard(name):
    keep = Keep(torch.tensor([4000.0, 4000.0]), RATE)
    target, noisy = tone(1000), tone(1000) + NOISE
    below, above = target + 0.1 * tone(3000), target + 0.1 * tone(6000)
    full = [float(LOSSES[name](x, target, noisy, FULL)) for x in (target, above)]
    half = [float(LOSSES[name](x, target, noisy, keep)) for x in (target, above, below)]
    assert full[1] > full[0]
    assert half[1] - half[0] < 0.02 * (half[2] - half[0])


def test_si_sdr_by_hand():
    error = (
        NOISE[:, 0]
        - (NOISE[:, 0] * TARGET[:, 0]).sum(-1, keepdim=True)
        / (TARGET[:, 0].square().sum(-1, keepdim=True))
        * TARGET[:, 0]
    )
    wanted = 10 * torch.log10(TARGET[:, 0].square().sum(-1) / error.square().sum(-1)) + 20
    torch.testing.assert_close(si_sdr_db(3 * (TARGET[:, 0] + 0.1 * error), TARGET[:, 0]), wanted)


def test_si_sdr_counts_speech_only_and_stops_at_30_db():
    silent = torch.cat([TARGET[:1], torch.zeros(1, 1, 9600)])
    noisy = TARGET + NOISE
    exact = float(LOSSES["si_sdr"](silent, silent, noisy, FULL))
    assert exact == pytest.approx(-0.30, abs=1e-3)
    spoiled = silent + torch.stack([torch.zeros(1, 9600), NOISE[1]])
    assert float(LOSSES["si_sdr"](spoiled, silent, noisy, FULL)) == pytest.approx(exact, abs=1e-4)


def test_sdr_minds_the_level_and_si_sdr_does_not():
    noisy = TARGET + NOISE
    assert float(LOSSES["sdr"](TARGET, TARGET, noisy, FULL)) == pytest.approx(-0.30, abs=1e-3)
    halved = [float(LOSSES[name](0.5 * TARGET, TARGET, noisy, FULL)) for name in ("sdr", "si_sdr")]
    assert halved == pytest.approx([-0.0602, -0.30], abs=1e-3)


def test_terms_are_weighed():
    output, noisy = TARGET + 0.5 * NOISE, TARGET + NOISE
    parts = {name: float(LOSSES[name](output, TARGET, noisy, FULL)) for name in ("l1", "spectrum")}
    total = denoise_loss(output, TARGET, noisy, FULL, {"l1": 2.0, "spectrum": 3.0})
    assert float(total) == pytest.approx(2 * parts["l1"] + 3 * parts["spectrum"], rel=1e-5)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_gradients_are_finite_in_silence(name):
    silence = torch.zeros(2, 1, 9600)
    output = silence.clone().requires_grad_()
    LOSSES[name](output, silence, silence, FULL).backward()
    assert torch.isfinite(output.grad).all()
