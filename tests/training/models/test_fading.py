"""Running means, against the recursion they stand for."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from training.models.fading import faded  # noqa: E402


def recursion(values, last, decay):
    """The means (frames, places), one frame after the other."""
    means = []
    for value in values:
        last = (1 - decay) * value + decay * last
        means.append(last)
    return np.stack(means)


@pytest.mark.parametrize("frames", [1, 2, 40])
def test_all_frames_at_once_are_the_recursion(frames):
    rng = np.random.default_rng(frames)
    values, last = rng.normal(size=(2, frames, 5)), rng.normal(size=(2, 5))
    found = faded(torch.tensor(values).float(), torch.tensor(last).float(), 0.7)
    wanted = [recursion(v, start, 0.7) for v, start in zip(values, last, strict=True)]
    np.testing.assert_allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize("frames", [1, 2, 40])
@pytest.mark.parametrize("shared", [True, False])
def test_each_channel_has_its_own_decay(frames, shared):
    """Several means of one value, or of a value for each."""
    rng = np.random.default_rng(frames)
    decays = np.array([0.3, 0.9, 0.99])
    values, last = rng.normal(size=(1, 1 if shared else 3, frames, 5)), rng.normal(size=(1, 3, 5))
    found = faded(
        torch.tensor(values).float(),
        torch.tensor(last).float(),
        torch.tensor(decays).float()[:, None, None],
    )
    for n, decay in enumerate(decays):
        wanted = recursion(values[0, 0 if shared else n], last[0, n], decay)
        np.testing.assert_allclose(found[0, n], wanted, atol=1e-6)
