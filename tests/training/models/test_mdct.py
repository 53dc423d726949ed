"""The transform against its formula, and its inverse."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from training.models.mdct import Mdct  # noqa: E402


def sizes():
    """Hops that are multiples of 4, and overlaps of the same parity as they allow."""
    return st.integers(1, 60).flatmap(
        lambda n: st.tuples(st.just(4 * n), st.integers(1, 2 * n).map(lambda half: 2 * half))
    )


def by_formula(frame, hop, overlap):
    """The definition of the transform: each coefficient a sum over 2 hops, in float64."""
    silent = (hop - overlap) // 2
    rise = torch.sin(math.pi / 2 * (torch.arange(overlap, dtype=torch.float64) + 0.5) / overlap)
    window = torch.cat([rise, torch.ones(hop - overlap, dtype=torch.float64), rise.flip(0)])
    n = silent + torch.arange(hop + overlap, dtype=torch.float64)
    k = torch.arange(hop, dtype=torch.float64)[:, None]
    cosines = torch.cos(math.pi / hop * (n + 0.5 + hop / 2) * (k + 0.5))
    return math.sqrt(2 / hop) * cosines @ (window * frame.double())


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@settings(max_examples=30, deadline=None)
@given(sizes())
def test_it_is_the_formula(both):
    hop, overlap = both
    x = noise(1, 2 * hop)
    found, _ = Mdct(hop, overlap).analyse(x, torch.zeros(1, overlap))
    seen = torch.cat([torch.zeros(overlap), x[0]])
    for number in range(2):
        frame = seen[number * hop : number * hop + hop + overlap]
        torch.testing.assert_close(
            found[0, number].double(), by_formula(frame, hop, overlap), rtol=0, atol=2e-5
        )


@settings(max_examples=30, deadline=None)
@given(sizes(), st.integers(2, 5))
def test_synthesis_gives_back_the_samples_late_by_the_overlap(both, frames):
    hop, overlap = both
    mdct, x = Mdct(hop, overlap), noise(2, frames * hop)
    coefficients, _ = mdct.analyse(x, torch.zeros(2, overlap))
    y, _ = mdct.synthesise(coefficients, torch.zeros(2, overlap))
    torch.testing.assert_close(y[:, overlap:], x[:, :-overlap], rtol=0, atol=2e-5)
    assert not y[:, :overlap].abs().max() > 2e-5


def test_the_transform_is_orthonormal():
    """Without the past: the energy of a sound between silence is that of its coefficients."""
    x = torch.zeros(1, 5 * 320)
    x[:, 400:1000] = noise(1, 600)
    coefficients, _ = Mdct(320, 160).analyse(x, torch.zeros(1, 160))
    torch.testing.assert_close(coefficients.square().sum(), x.square().sum())


def test_frame_by_frame_is_the_whole():
    mdct, x = Mdct(320, 160), noise(2, 5 * 320)
    whole, _ = mdct.analyse(x, torch.zeros(2, 160))
    out, _ = mdct.synthesise(whole, torch.zeros(2, 160))
    past, tail = torch.zeros(2, 160), torch.zeros(2, 160)
    for number, piece in enumerate(x.split(320, dim=1)):
        coefficients, past = mdct.analyse(piece, past)
        y, tail = mdct.synthesise(coefficients, tail)
        span = slice(number * 320, number * 320 + 320)
        torch.testing.assert_close(coefficients[:, 0], whole[:, number], rtol=0, atol=1e-6)
        torch.testing.assert_close(y, out[:, span], rtol=0, atol=1e-6)


@pytest.mark.parametrize(("hop", "overlap"), [(6, 2), (8, 0), (8, 10), (8, 3)])
def test_sizes_that_do_not_fit_are_refused(hop, overlap):
    with pytest.raises(ValueError, match=f"hop {hop}, overlap {overlap}"):
        Mdct(hop, overlap)
