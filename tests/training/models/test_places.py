"""Places of a spectrum: shares of each bin, means of each place."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from training.models.places import Places, _triangles  # noqa: E402


def test_bands_are_shares_of_each_bin_and_of_equal_width_to_the_ear():
    weights = _triangles(385, 96, 32, 50.0)
    np.testing.assert_allclose(weights.sum(axis=0), 1.0, atol=1e-12)
    peaks = 4800 + 50.0 * weights.argmax(axis=1)
    erb = 21.4 * np.log10(1 + 0.00437 * peaks)
    np.testing.assert_allclose(np.diff(erb), np.diff(erb).mean(), rtol=0.25)


def test_what_is_alike_in_all_bins_is_so_in_all_places_and_back():
    places = Places(960, lines=96, bands=32, rate_hz=48000)
    values = torch.full((2, 3, places.bins), 0.7)
    torch.testing.assert_close(places(values), torch.full((2, 3, len(places)), 0.7))
    torch.testing.assert_close(places.spread(places(values)), values)


def test_a_magnitude_is_compressed_and_its_phase_is_kept():
    places = Places(960, lines=96, bands=32, rate_hz=48000)
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.standard_normal((1, 2, 4, places.bins)), dtype=torch.float32)
    gain = torch.full((1, 4, 1), 0.25)
    magnitude, real, imaginary = places.compressed(x, places(places.power(x)), gain)[0]
    wanted = (0.25 * places.power(x)[0, :, :96] + 1e-6) ** 0.15
    torch.testing.assert_close(magnitude[:, :96], wanted)
    kept = torch.complex(real, imaginary)[:, :96]
    loud = wanted > 0.3  # below, the floor of the power makes it less
    torch.testing.assert_close(kept.abs()[loud], wanted[loud], rtol=5e-3, atol=0)
    torch.testing.assert_close(kept.angle(), torch.complex(x[0, 0], x[0, 1])[:, :96].angle())
    assert not real[:, 96:].any()
