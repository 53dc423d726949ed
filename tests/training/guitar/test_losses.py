"""The losses of an effect against their formulas."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from training.guitar.losses import LOSSES, effect_loss, error_to_signal  # noqa: E402


def test_the_loss_is_the_formula():
    generator = np.random.default_rng(0)
    y, t = generator.standard_normal((2, 3, 1, 50))
    sharp = lambda v: v[..., 1:] - 0.85 * v[..., :-1]  # noqa: E731

    def ratio(error, energy):
        return np.mean(error / (energy + 0.1 * energy.mean() + 1e-8))

    wanted = 0.75 * ratio((sharp(y - t) ** 2).mean(-1), (sharp(t) ** 2).mean(-1)) + 0.25 * ratio(
        (y - t).mean(-1) ** 2, (t**2).mean(-1)
    )
    weights = {"esr": 0.75, "dc": 0.25}
    assert float(effect_loss(torch.tensor(y), torch.tensor(t), weights)) == pytest.approx(wanted)
    esr = error_to_signal(torch.tensor(y), torch.tensor(t)).numpy()
    np.testing.assert_allclose(esr, ((y - t) ** 2).sum(-1) / (t**2).sum(-1))


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_every_term_is_zero_for_the_target_and_falls_towards_it(name):
    torch.manual_seed(0)
    target = torch.randn(2, 1, 4096) + 0.2
    far, near = ({name: 1.0}, 0.5), ({name: 1.0}, 0.1)
    values = [
        float(effect_loss(target + e * torch.randn(2, 1, 4096) + e, target, w))
        for w, e in (far, near)
    ]
    assert values[0] > values[1] > 0
    assert float(effect_loss(target, target, {name: 1.0})) == pytest.approx(0, abs=1e-6)
    both = {name: 2.0, "mse": 3.0}
    wanted = 2 * LOSSES[name](target * 0.9, target) + 3 * LOSSES["mse"](target * 0.9, target)
    if name != "mse":
        torch.testing.assert_close(effect_loss(target * 0.9, target, both), wanted)
