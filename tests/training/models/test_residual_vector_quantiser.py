"""The quantiser against brute force; its gradients, its depths, and the statistics of dropout."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch.nn import functional  # noqa: E402

from training.models.residual_vector_quantiser import ResidualVectorQuantiser  # noqa: E402

CHANNELS, BOOKS, SIZE = 12, 4, 20


def make(seed=0, **changes):
    torch.manual_seed(seed)
    sizes = {"codebooks": BOOKS, "codebook_size": SIZE, "codebook_dim": 3, **changes}
    quantiser = ResidualVectorQuantiser(CHANNELS, **sizes)
    for weight in quantiser.parameters():  # entries of any length, biases that are not zero
        torch.nn.init.normal_(weight, std=0.5)
    return quantiser


def projected(conv, x):
    weight, bias = conv.weight.detach().numpy()[..., 0], conv.bias.detach().numpy()
    return weight.astype(np.float64) @ x + bias


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_it_is_brute_force(seed):
    """Frame by frame, entry by entry, in float64."""
    quantiser = make(seed).eval()
    z = torch.randn(2, CHANNELS, 3)
    found = quantiser(z)
    for item in range(2):
        for frame in range(3):
            residual = z[item, :, frame].numpy().astype(np.float64)
            total = np.zeros(CHANNELS)
            for number, book in enumerate(quantiser.books):
                latent = projected(book.project_in.conv, residual)
                entries = book.codebook.detach().numpy().astype(np.float64)
                ways = [
                    np.linalg.norm(latent / np.linalg.norm(latent) - entry / np.linalg.norm(entry))
                    for entry in entries
                ]
                code = int(found.codes[item, number, frame])
                assert ways[code] == pytest.approx(min(ways), abs=1e-6)
                part = projected(book.project_out.conv, entries[code])
                residual, total = residual - part, total + part
            np.testing.assert_allclose(found.z[item, :, frame].detach(), total, atol=1e-5)


def test_a_louder_latent_has_the_same_code():
    book = make().books[0]
    latent = torch.randn(1, 3, 50)
    for factor in (1e-3, 7.0, 1e4):
        assert torch.equal(book.nearest(factor * latent), book.nearest(latent))


def test_what_comes_out_are_raw_entries():
    quantiser = make().eval()
    found = quantiser(torch.randn(1, CHANNELS, 30), depth=1)
    entries = quantiser.books[0].codebook[found.codes[0, 0]].T[None]
    wanted = quantiser.books[0].project_out.conv(entries)
    torch.testing.assert_close(found.z, wanted, atol=1e-5, rtol=1e-5)


def test_gradients_pass_straight_through():
    """As if every book passed its input on: out_1 (in_1 (z)) + out_2 (in_2 (z - ...)) ..."""
    quantiser = make().eval()
    z = torch.randn(2, CHANNELS, 5, requires_grad=True)
    weights = torch.randn(2, CHANNELS, 5)
    (found,) = torch.autograd.grad((quantiser(z).z * weights).sum(), z)
    residual, total = z, torch.zeros_like(z)
    for book in quantiser.books:
        part = book.project_out.conv(book.project_in.conv(residual))
        residual, total = residual - part, total + part
    (wanted,) = torch.autograd.grad((total * weights).sum(), z)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_losses_compare_directions_and_teach_one_side_each():
    quantiser = make(codebooks=1).eval()
    book = quantiser.books[0]
    z = torch.randn(2, CHANNELS, 5, requires_grad=True)
    found = quantiser(z)
    latent = functional.normalize(book.project_in.conv(z), dim=1)
    entry = functional.normalize(book.codebook[found.codes[:, 0]].transpose(1, 2), dim=1)
    wanted = functional.mse_loss(latent, entry)
    assert found.commitment.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert found.codebook.item() == pytest.approx(wanted.item(), rel=1e-5)
    sides = [z, book.codebook]
    to_z, to_book = torch.autograd.grad(found.commitment, sides, allow_unused=True)
    assert to_z.abs().max() > 0
    assert to_book is None
    to_z, to_book = torch.autograd.grad(found.codebook, sides, allow_unused=True)
    assert to_z is None
    assert to_book.abs().max() > 0


@pytest.mark.parametrize("depth", range(1, BOOKS + 1))
def test_a_depth_is_a_prefix(depth):
    quantiser = make().eval()
    z = torch.randn(2, CHANNELS, 6)
    whole, some = quantiser(z), quantiser(z, depth)
    assert torch.equal(some.codes, whole.codes[:, :depth])
    torch.testing.assert_close(quantiser.from_codes(some.codes), some.z, atol=1e-5, rtol=1e-5)
    again, codes = quantiser.from_latents(some.latents)
    assert torch.equal(codes, some.codes)
    torch.testing.assert_close(again, some.z, atol=1e-5, rtol=1e-5)


def test_depths_differ_by_item():
    """From the depth of an item on, books add nothing to its output and its losses."""
    quantiser = make()
    z = torch.randn(3, CHANNELS, 6)
    depths = torch.tensor([1, 4, 2])
    found = quantiser(z, depths)
    assert torch.equal(found.codes, quantiser(z, BOOKS).codes)
    alone = [quantiser(z[n : n + 1], int(depth)) for n, depth in enumerate(depths)]
    torch.testing.assert_close(found.z, torch.cat([each.z for each in alone]))
    for name in ("commitment", "codebook"):
        wanted = torch.stack([getattr(each, name) for each in alone]).mean()
        torch.testing.assert_close(getattr(found, name), wanted)


@given(batch=st.integers(1, 40), dropout=st.floats(0, 1, allow_subnormal=False))
def test_dropout_draws_for_exactly_its_share(batch, dropout):
    depths = make(dropout=dropout).draw_depths(batch)
    assert depths.shape == (batch,)
    assert ((depths >= 1) & (depths <= BOOKS)).all()
    assert (depths < BOOKS).sum() <= int(batch * dropout)


def test_statistics_of_dropout():
    quantiser = make(dropout=0.5)
    drawn = torch.stack([quantiser.draw_depths(8) for _ in range(4000)])
    # Half of the items keep all books, and of the others one in BOOKS draws all of them, too.
    shares = torch.bincount(drawn.flatten(), minlength=BOOKS + 1) / drawn.numel()
    wanted = torch.tensor([0.0] + [0.5 / BOOKS] * BOOKS) + torch.tensor([0.0] * BOOKS + [0.5])
    torch.testing.assert_close(shares, wanted, atol=0.01, rtol=0)
    # No place in the batch is preferred.
    means = drawn.float().mean(0)
    assert (means.max() - means.min()) < 0.1


def test_dropout_is_for_training_only():
    quantiser = make(dropout=1.0)
    z = torch.randn(16, CHANNELS, 4)
    whole = quantiser(z, BOOKS).z
    assert torch.equal(quantiser.eval()(z).z, whole)
    assert not torch.allclose(quantiser.train()(z).z, whole)


def test_books_may_differ_in_dimension():
    quantiser = make(codebook_dim=[2, 5, 3, 1]).eval()
    found = quantiser(torch.randn(1, CHANNELS, 4))
    assert found.latents.shape[1] == 11
    z, codes = quantiser.from_latents(found.latents[:, :7])
    assert torch.equal(codes, found.codes[:, :2])
    torch.testing.assert_close(z, quantiser.from_codes(codes))
    with pytest.raises(ValueError, match=r"8 channels of latents; the books end at \[2, 7, 10, 11"):
        quantiser.from_latents(found.latents[:, :8])


def test_wrong_sizes_are_refused():
    quantiser = make()
    z = torch.randn(1, CHANNELS, 2)
    for depth in (0, BOOKS + 1, -1):
        with pytest.raises(ValueError, match=rf"depth {depth}; choose 1 \.\. 4 codebooks"):
            quantiser(z, depth)
    with pytest.raises(ValueError, match="depth 5"):
        quantiser.from_codes(torch.zeros(1, 5, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match="codebook_dim: 2 dimensions for 4 codebooks"):
        make(codebook_dim=[3, 3])


def test_untrained_books_already_come_nearer_one_by_one():
    torch.manual_seed(0)
    quantiser = ResidualVectorQuantiser(128).eval()
    z = torch.randn(2, 128, 40) / 3
    with torch.no_grad():
        errors = [float((z - quantiser(z, depth).z).square().mean()) for depth in range(1, 10)]
    assert errors[0] < float(z.square().mean())
    assert errors == sorted(errors, reverse=True)
