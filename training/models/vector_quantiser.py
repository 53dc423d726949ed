"""Residual vector quantisation whose books follow the data."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

__all__ = ["ResidualQuantiser"]

DECAY = 0.99
"""Share of the running means that stays in every step."""

DEAD, REVIVED = 0.03, 0.3
"""An entry with less than this share of the mean count is dead; the share it is given back."""

ROUNDS = 4
"""Rounds of k-means for the first books."""

EXPECTED = 384.0
"""Vectors of a training step: the level at which the counts of a book settle."""


class ResidualQuantiser(nn.Module):
    """A stack of books, each of which codes what the books before it have left.

    A code is the number of an entry; -1 stands for a book that was not sent. Books are running
    means of what they code, and have no gradient.

    Parameters
    ----------
    dims
        Size of a vector.
    books
        Number of books.
    entries
        Entries of a book.

    Notes
    -----
    van den Oord, Vinyals, Kavukcuoglu: Neural discrete representation learning, NIPS 2017,
    appendix A.1 (running means); Dhariwal et al.: Jukebox, 2020 (dead entries moved to inputs).

    Examples
    --------
    >>> quantiser = ResidualQuantiser(dims=2, books=2, entries=4)
    >>> vectors = torch.tensor([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]])
    >>> _ = quantiser.start(vectors)
    >>> torch.allclose(quantiser.decode(quantiser.encode(vectors)), vectors)
    True
    """

    book: Tensor
    count: Tensor
    total: Tensor

    def __init__(self, dims: int, books: int, entries: int) -> None:
        super().__init__()
        self.dims, self.books, self.entries = dims, books, entries
        self.register_buffer("book", torch.zeros(books, entries, dims))
        # Running means of how often an entry is chosen, and of the sum of what it codes.
        self.register_buffer("count", torch.zeros(books, entries))
        self.register_buffer("total", torch.zeros(books, entries, dims))

    def encode(self, z: Tensor) -> Tensor:
        """Return the codes (count, books) of vectors (count, dims), the nearest entry per book."""
        codes, rest = [], z
        for book in self.book:
            entry = _closeness(rest, book).argmax(dim=1)
            rest = rest - book.index_select(0, entry)
            codes.append(entry)
        return torch.stack(codes, dim=1)

    def search(self, z: Tensor, depth: Tensor, candidates: int) -> Tensor:
        """Return the codes of the best found sum of ``depth`` entries, -1 in later books.

        The best ``candidates`` sums are kept from book to book (M-best search), and the best one at
        the last book is traced back.

        Parameters
        ----------
        z
            float32 (count, dims).
        depth
            Number of books, an int64 scalar.
        candidates
            At most as many as a book has entries.

        Returns
        -------
        Tensor
            int64 (count, books).
        """
        if len(z) == 1:
            return self._search(z, depth, candidates)[None]
        return torch.vmap(lambda one: self._search(one[None], depth, candidates))(z)

    def _search(self, rest: Tensor, depth: Tensor, candidates: int) -> Tensor:
        """Return the codes (books,) of one vector (1, dims).

        Behind ``depth`` no candidates are kept, so that the products of a graph are empty and cost
        nothing.
        """
        numbers = torch.arange(self.books, device=rest.device)
        widths = candidates * (depth > numbers).to(torch.int64)
        closeness = rest.new_zeros(1)
        root = torch.zeros(1, dtype=torch.int64, device=rest.device)
        # Every path goes back to a root, which leads to itself and stands for no book.
        entries, parents = [root - 1], [root]
        for width, book in zip(widths.unbind(), self.book, strict=True):
            near = _closeness(rest, book) + closeness[:, None]
            closeness, best = near.reshape(-1).topk(width)  # type: ignore[arg-type]
            parents.append(torch.div(best, self.entries, rounding_mode="trunc"))
            entries.append(best % self.entries)
            chosen = book.index_select(0, entries[-1])
            rest = rest.index_select(0, parents[-1]) - chosen
        # The place of the first candidate of the book before, for each place.
        firsts = functional.pad(numbers * candidates - candidates + 1, (1, 0)).clamp(min=0)
        firsts = firsts.repeat_interleave(torch.tensor([1] + [candidates] * self.books))
        origins = torch.cat(parents)
        origins = origins + firsts[: origins.shape[0]]
        path = [(1 + candidates * (depth - 1)).clamp(min=0).reshape(1)]
        for _ in range(self.books - 1):
            path.append(origins.index_select(0, path[-1]))
        # From the last book back to the first, then roots; the order of the books is the reverse.
        order = (depth - 1 - numbers) % self.books
        return torch.cat(entries).index_select(0, torch.cat(path).index_select(0, order))

    def decode(self, codes: Tensor) -> Tensor:
        """Return the sums (..., dims) of the entries of codes (..., books); -1 adds nothing."""
        offsets = torch.arange(codes.shape[-1], device=codes.device) * self.entries
        rows = codes.clamp(0, self.entries - 1) + offsets
        chosen = self.book.reshape(-1, self.dims)[rows]
        sent = (codes >= 0).to(chosen.dtype)
        return (sent[..., None, :] @ chosen)[..., 0, :]

    @override
    def forward(self, z: Tensor, depths: Sequence[int]) -> Tensor:
        """Quantise a batch with a number of books each, and in training mode learn the books.

        Parameters
        ----------
        z
            float32 (batch, frames, dims), without gradient.
        depths
            Number of books of each item; it must not fall, so that the items that still use a book
            are the end of the batch.
        """
        batch, frames, dims = z.shape
        rest, quantised = z.reshape(-1, dims), z.new_zeros(batch * frames, dims)
        done = 0
        for number in range(depths[-1]):
            first = sum(depth <= number for depth in depths)
            rest, done = rest[(first - done) * frames :], first
            entry = _closeness(rest, self.book[number]).argmax(dim=1)
            chosen = self.book[number][entry]
            quantised[first * frames :] += chosen
            if self.training:
                self.learn(number, entry, rest)
            rest = rest - chosen
        return quantised.reshape(batch, frames, dims)

    def learn(self, number: int, entry: Tensor, inputs: Tensor) -> None:
        """Update the running means of a book, and move its dead entries to inputs.

        Inputs that are not finite teach nothing.

        Parameters
        ----------
        number
            Which book.
        entry
            int64 (count,), how the inputs were coded.
        inputs
            float32 (count, dims), what the book saw.
        """
        if not torch.isfinite(inputs).all():
            return
        book, count, total = self.book[number], self.count[number], self.total[number]
        often = torch.bincount(entry, minlength=self.entries).to(count.dtype)
        sums = torch.zeros_like(book).index_add_(0, entry, inputs)
        count.mul_(DECAY).add_(often, alpha=1 - DECAY)
        total.mul_(DECAY).add_(sums, alpha=1 - DECAY)
        book.copy_(total / count.clamp(min=1e-5)[:, None])
        mean = count.mean()
        dead = torch.nonzero(count < DEAD * mean)[:, 0]
        if len(dead):
            # Different inputs, as two equal entries share one meaning; the other dead ones wait.
            places = torch.randperm(len(inputs))[: len(dead)].to(inputs.device)
            dead = dead[torch.randperm(len(dead))[: len(places)].to(inputs.device)]
            book[dead] = inputs[places]
            count[dead] = REVIVED * mean
            total[dead] = REVIVED * mean * inputs[places]

    def start(self, inputs: Tensor) -> Tensor:
        """Set all books by k-means on float32 (count, dims); returns what they leave of it."""
        rest = inputs
        for number in range(self.books):
            book = rest[torch.randperm(len(rest))[: self.entries].to(rest.device)]
            if len(book) < self.entries:
                raise ValueError(f"{len(book)} vectors are too few for {self.entries} entries")
            # A later book best starts near zero, where most of the rest lies.
            book = book * (0.9 if number else 1.0)
            for _ in range(ROUNDS):
                entry = _nearest(rest, book)
                often = torch.bincount(entry, minlength=self.entries).to(rest.dtype)[:, None]
                sums = torch.zeros_like(book).index_add_(0, entry, rest)
                others = rest[torch.randint(len(rest), (self.entries,)).to(rest.device)]
                book = torch.where(often > 0, sums / often.clamp(min=1), others)
            entry = _nearest(rest, book)
            often = torch.bincount(entry, minlength=self.entries).to(rest.dtype)
            self.book[number] = book
            self.count[number] = often * (EXPECTED / len(rest)) + 1e-3
            self.total[number] = book * self.count[number][:, None]
            rest = rest - book[entry]
        return rest


def _closeness(z: Tensor, book: Tensor) -> Tensor:
    """Return (count, entries): half the squared length of z less half its squared distances."""
    return torch.addmm(-0.5 * book.square().sum(dim=1), z, book.T)


def _nearest(z: Tensor, book: Tensor) -> Tensor:
    return torch.cat([_closeness(part, book).argmax(dim=1) for part in z.split(8192)])
