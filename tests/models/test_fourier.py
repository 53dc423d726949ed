"""The transform in two products against numpy's, for any length."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtaudio.models.graph.fourier import FourierStages, normalised_windows


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 300), seed=st.integers(0, 99))
def test_the_stages_are_the_transform_and_its_inverse(n, seed):
    x = np.random.default_rng(seed).standard_normal(n)
    stages = FourierStages.of(n)
    rows = (stages.first @ x.reshape(stages.rows, stages.columns)).reshape(stages.kept, 1, -1)
    bins = (rows @ stages.second).ravel()[stages.order]
    wanted = np.fft.rfft(x)
    np.testing.assert_allclose(bins, np.r_[wanted.real, wanted.imag], atol=1e-11)
    placed = bins[stages.places].reshape(stages.kept, 1, -1) @ stages.second_inverse
    back = stages.first.T @ placed.reshape(2 * stages.kept, stages.columns)
    np.testing.assert_allclose(back.ravel(), x, atol=1e-12)


@pytest.mark.parametrize(("n", "hop"), [(8, 4), (8, 2), (12, 3), (10, 4)])
def test_normalised_windows_add_up_to_one(n, hop):
    analysis = np.ones(n) if n % hop else np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n))
    synthesis = analysis if n % hop == 0 else np.r_[np.ones(hop), np.zeros(n - hop)]
    analysis, synthesis = normalised_windows((analysis, 3 * synthesis), n, hop)
    product = np.pad(analysis * synthesis, (0, -n % hop))
    np.testing.assert_allclose(product.reshape(-1, hop).sum(axis=0), 1, atol=1e-12)


def test_windows_that_do_not_add_up_are_refused():
    with pytest.raises(ValueError, match="do not add up at a hop of 4"):
        normalised_windows((np.hanning(8), np.hanning(8)), 8, 4)
