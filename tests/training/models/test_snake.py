"""Snake against its cosine form, and its variance against quadrature."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from scipy.integrate import quad  # noqa: E402
from scipy.optimize import minimize_scalar  # noqa: E402

from training.models.snake import Snake, snake_variance  # noqa: E402


def test_it_is_the_cosine_form():
    """x - cos(2 a x) / (2 a) + 1 / (2 a)."""
    x = torch.linspace(-5, 5, 1001, dtype=torch.float64).reshape(1, 1, -1).repeat(1, 3, 1)
    layer = Snake(3).double()
    assert torch.equal(layer.alpha, torch.ones(1, 3, 1, dtype=torch.float64))
    with torch.no_grad():
        layer.alpha.copy_(torch.tensor([0.1, 1.0, 7.0])[None, :, None])
        a = layer.alpha
        wanted = x - torch.cos(2 * a * x) / (2 * a) + 1 / (2 * a)
        torch.testing.assert_close(layer(x), wanted, atol=1e-6, rtol=0)


def test_each_channel_learns_its_own():
    layer = Snake(2)
    layer(torch.tensor([[[1.0, 2.0], [0.0, 0.0]]])).sum().backward()
    assert layer.alpha.grad[0, 0] != 0
    assert layer.alpha.grad[0, 1] == 0


def test_it_is_the_identity_without_alpha():
    layer = Snake(1)
    torch.nn.init.zeros_(layer.alpha)
    x = torch.linspace(-3, 3, 7).reshape(1, 1, -1)
    assert torch.equal(layer(x), x)


@given(alpha=st.floats(0.01, 20))
def test_variance_of_the_output(alpha):
    def moment(power):
        def density(x):
            y = x + np.sin(alpha * x) ** 2 / alpha
            return y**power * np.exp(-x * x / 2) / np.sqrt(2 * np.pi)

        return quad(density, -12, 12, limit=400)[0]

    assert snake_variance(alpha) == pytest.approx(moment(2) - moment(1) ** 2, abs=1e-5)


def test_where_the_variance_is_largest():
    best = minimize_scalar(lambda a: -snake_variance(a), bounds=(0.1, 2), method="bounded")
    assert best.x == pytest.approx(0.56045, abs=1e-4)
    assert -best.fun == pytest.approx(1.20363, abs=1e-5)
    assert snake_variance(0) == 1
