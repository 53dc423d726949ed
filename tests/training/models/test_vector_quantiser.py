"""Residual and predictive quantisers against brute force."""

from __future__ import annotations

import itertools

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from training.models.predictive_quantiser import PredictiveQuantiser  # noqa: E402
from training.models.vector_quantiser import ResidualQuantiser  # noqa: E402


def quantiser(kind=ResidualQuantiser, dims=3, books=4, entries=5, seed=0):
    made = kind(dims, books, entries)
    scale = 0.6 ** torch.arange(books)[:, None, None]
    made.book.copy_(scale * torch.randn(books, entries, dims, generator=generator(seed)))
    return made


def generator(seed):
    return torch.Generator().manual_seed(seed)


def vectors(count, dims=3, seed=1):
    return torch.randn(count, dims, generator=generator(seed))


def by_hand(z, book, depth, candidates):
    """M-best search over one vector, with lists and sorting."""
    paths = [((), z)]
    for entries in book[:depth]:
        grown = [
            ((*path, number), rest - entry)
            for path, rest in paths
            for number, entry in enumerate(entries)
        ]
        paths = sorted(grown, key=lambda each: float(each[1].square().sum()))[:candidates]
    return [*paths[0][0], *[-1] * (len(book) - depth)]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 4), st.integers(1, 5), st.integers(0, 99))
def test_the_search_is_that_by_hand(depth, candidates, seed):
    made, z = quantiser(seed=seed), vectors(3, seed=seed + 1)
    found = made.search(z, torch.tensor(depth), candidates)
    wanted = [by_hand(each, made.book, depth, candidates) for each in z]
    assert found.tolist() == wanted
    assert made.search(z[:1], torch.tensor(depth), candidates).tolist() == wanted[:1]


def test_with_all_candidates_the_search_finds_the_best_of_all_sums():
    made, z = quantiser(books=2, entries=5), vectors(20)
    sums = {
        pair: made.book[0][pair[0]] + made.book[1][pair[1]]
        for pair in itertools.product(range(5), repeat=2)
    }
    found = made.search(z, torch.tensor(2), 5)
    for vector, codes in zip(z, found.tolist(), strict=True):
        best = min(sums, key=lambda pair: float((vector - sums[pair]).square().sum()))
        assert tuple(codes) == best


@given(st.integers(0, 4))
@settings(deadline=None)
def test_the_greedy_codes_have_the_prefix_property(depth):
    """The first codes of all are the codes of fewer books; they decode to the sum of entries."""
    made, z = quantiser(), vectors(10)
    whole = made.encode(z)
    shallow = made.search(z, torch.tensor(depth), 1)
    assert torch.equal(shallow[:, :depth], whole[:, :depth])
    assert bool((shallow[:, depth:] == -1).all())
    wanted = sum((made.book[k][whole[:, k]] for k in range(depth)), torch.zeros(10, 3))
    torch.testing.assert_close(made.decode(shallow), wanted)


def test_codes_out_of_range_decode_to_something_finite():
    made = quantiser()
    assert torch.isfinite(made.decode(torch.tensor([[5, 99, -7, 1 << 40]]))).all()


def test_more_candidates_are_closer():
    made, z = quantiser(books=6, entries=8), vectors(300)
    errors = [
        float((z - made.decode(made.search(z, torch.tensor(6), kept))).square().mean())
        for kept in (1, 4, 8)
    ]
    assert errors[0] > errors[1] > errors[2]


def test_running_means_come_to_rest_where_each_entry_is_the_mean_of_what_it_codes():
    """The condition of Lloyd for the best book."""
    z = torch.randn(512, 3, generator=generator(4))
    made = ResidualQuantiser(3, 1, 8)
    torch.manual_seed(0)
    made.start(z)
    made.train()
    for _ in range(1500):
        made(z[None], [1])
    codes = made.encode(z)[:, 0]
    for entry in range(8):
        mean = z[codes == entry].mean(dim=0)
        torch.testing.assert_close(made.book[0, entry], mean, rtol=0, atol=1e-2)


def test_dead_entries_are_moved_to_inputs():
    made = quantiser(books=1, entries=4, dims=2)
    made.book[0] = torch.tensor([[0.0, 0.0], [100.0, 0.0], [0.0, 100.0], [100.0, 100.0]])
    made.count.fill_(1.0)
    made.total.copy_(made.book)
    made.train()
    z = torch.randn(1, 64, 2, generator=generator(0))
    for _ in range(500):
        made(z, [1])
    assert float(made.book.abs().max()) < 10


def test_entries_that_die_together_become_different_inputs():
    made = quantiser(books=1, entries=64, dims=2)
    inputs = torch.randn(16, 2, generator=generator(1))
    made.count[0, :4] = 1.0
    made.total[0, :4] = 100 * torch.eye(4, 2)
    made.learn(0, torch.zeros(16, dtype=torch.int64), inputs)
    revived = made.book[0][made.count[0] > 0][1:]
    assert {tuple(row) for row in inputs.tolist()} <= {tuple(row) for row in revived.tolist()}


def test_in_evaluation_nothing_is_learnt():
    made = quantiser().eval()
    before = {name: value.clone() for name, value in made.state_dict().items()}
    made(torch.randn(2, 8, 3), [2, 4])
    for name, value in made.state_dict().items():
        assert torch.equal(value, before[name])


def test_the_training_pass_is_the_greedy_code():
    made = quantiser().eval()
    z = torch.randn(3, 8, 3, generator=generator(5))
    found = made(z, [1, 2, 4])
    codes = made.encode(z.reshape(-1, 3)).reshape(3, 8, 4)
    for item, depth in enumerate((1, 2, 4)):
        shallow = torch.where(torch.arange(4) < depth, codes[item], -1)
        torch.testing.assert_close(found[item], made.decode(shallow))


def predictive(factor=0.8):
    made = quantiser(PredictiveQuantiser)
    made.factor.fill_(factor)
    return made


def test_the_decoder_of_levels_follows_the_encoder():
    made = predictive()
    z = torch.randn(2, 20, 3, generator=generator(6)).cumsum(1) * 0.2
    silence = torch.zeros(2, 3)
    codes, _, quantised, last = made.encode_frames(z, silence)
    decoded, end = made.decode_frames(codes, silence)
    assert torch.equal(decoded, quantised)
    assert torch.equal(end, last)


def test_after_a_loss_the_levels_come_back_as_the_factor_says():
    made = predictive(0.8)
    z = torch.randn(1, 30, 3, generator=generator(7)).cumsum(1) * 0.2
    codes, _, quantised, _ = made.encode_frames(z, torch.zeros(1, 3))
    codes[:, 10] = -1
    decoded, _ = made.decode_frames(codes, torch.zeros(1, 3))
    torch.testing.assert_close(decoded[:, 10], 0.8 * quantised[:, 9])
    first = decoded[:, 10] - quantised[:, 10]
    for later in range(1, 20):
        torch.testing.assert_close(
            decoded[:, 10 + later] - quantised[:, 10 + later],
            first * 0.8**later,
            rtol=1e-3,
            atol=1e-6,
        )


def test_too_few_vectors_are_refused():
    with pytest.raises(ValueError, match="3 vectors are too few for 5 entries"):
        quantiser().start(vectors(3))
