"""Residual vector quantiser with low-dimensional, normalised codebooks, learnt by gradients."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from training.models.convolutions import Convolution

__all__ = ["Quantised", "ResidualVectorQuantiser"]


class Quantised(NamedTuple):
    """Result of a quantisation.

    Attributes
    ----------
    z
        Quantised latent, float32 (batch, channels, frames); gradients pass straight through.
    codes
        int64 (batch, books, frames).
    latents
        Inputs of the books, float32 (batch, sum of their dimensions, frames).
    commitment, codebook
        Losses, scalars: the distance of latents to their entries, and of entries to their latents.
    """

    z: Tensor
    codes: Tensor
    latents: Tensor
    commitment: Tensor
    codebook: Tensor


class ResidualVectorQuantiser(nn.Module):
    """Codebooks in a row, each for the error that the ones before it leave.

    Any prefix of the codes can be decoded, so a depth less than ``codebooks`` is a lower bitrate.

    Parameters
    ----------
    channels
        Channels of the latent.
    codebooks
        Number of books.
    codebook_size
        Entries of a book.
    codebook_dim
        Dimension of the entries, or that of each book.
    dropout
        Share of the items of a batch, 0 .. 1, that in training use a depth drawn evenly from
        1 .. codebooks.

    Raises
    ------
    ValueError
        The number of dimensions is not that of the books.

    Notes
    -----
    A book projects the latent to few dimensions, takes the entry of the nearest direction, and
    projects that back. As in the losses lengths do not count, all entries begin with length 1.
    There is no k-means start and no restart of unused entries.

    Zeghidour et al.: SoundStream, TASLP 2021 (residual quantiser, dropout); Yu et al.:
    Vector-quantized image modeling with improved VQGAN, ICLR 2022 (factorised, normalised books);
    Kumar et al.: High-fidelity audio compression with improved RVQGAN, NeurIPS 2023.

    Examples
    --------
    >>> quantiser = ResidualVectorQuantiser(16, codebooks=3, codebook_size=32, codebook_dim=4)
    >>> z, codes, *_ = quantiser.eval()(torch.randn(1, 16, 5), depth=2)
    >>> tuple(codes.shape), torch.allclose(quantiser.from_codes(codes), z, atol=1e-5)
    ((1, 2, 5), True)
    """

    def __init__(
        self,
        channels: int,
        *,
        codebooks: int = 9,
        codebook_size: int = 1024,
        codebook_dim: int | Sequence[int] = 8,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        dims = [codebook_dim] * codebooks if isinstance(codebook_dim, int) else list(codebook_dim)
        if len(dims) != codebooks:
            raise ValueError(f"codebook_dim: {len(dims)} dimensions for {codebooks} codebooks")
        self.codebooks = codebooks
        self.codebook_size = codebook_size
        self.dropout = dropout
        self.dims = dims
        self.books = nn.ModuleList(_Book(channels, codebook_size, dim) for dim in dims)

    @property
    def bits_per_frame(self) -> int:
        """Bits of the codes of one frame at full depth."""
        return self.codebooks * (self.codebook_size - 1).bit_length()

    @override
    def forward(self, z: Tensor, depth: int | Tensor | None = None) -> Quantised:
        """Quantise a latent.

        Parameters
        ----------
        z
            float32 (batch, channels, frames).
        depth
            Books to use, 1 .. codebooks, or int64 (batch,), one for each item: then all codes are
            returned, but those from the depth of an item on count neither in its output nor in its
            losses. None: all books, or in training what dropout draws.
        """
        if depth is None and self.training and self.dropout > 0:
            depth = self.draw_depths(len(z)).to(z.device)
        books = list(self._books())[: self._checked(depth) if isinstance(depth, int) else None]
        residual, total = z, torch.zeros_like(z)
        commitment = codebook = z.new_zeros(())
        codes, latents = [], []
        for number, book in enumerate(books):
            latent = book.inward(residual)
            code = book.nearest(latent)
            entry = book.entries(code)
            part = book.outward(latent + (entry - latent).detach())
            residual = residual - part
            used = torch.ones(len(z), device=z.device)
            if isinstance(depth, Tensor):
                used = (number < depth).to(z.dtype)
            total = total + part * used[:, None, None]
            commitment = commitment + (_distance(latent, entry.detach()) * used).mean()
            codebook = codebook + (_distance(latent.detach(), entry) * used).mean()
            codes.append(code)
            latents.append(latent)
        return Quantised(
            total, torch.stack(codes, dim=1), torch.cat(latents, dim=1), commitment, codebook
        )

    def draw_depths(self, batch: int) -> Tensor:
        """Return a depth for each item of a batch, int64 (batch,): dropout.

        Exactly ``int(batch * dropout)`` items, drawn at random, as the order of a batch may mean
        something, get a random depth.
        """
        depths = torch.full((batch,), self.codebooks)
        chosen = torch.randperm(batch)[: int(batch * self.dropout)]
        depths[chosen] = torch.randint(1, self.codebooks + 1, (len(chosen),))
        return depths

    def from_codes(self, codes: Tensor) -> Tensor:
        """Return the quantised latent of codes, int64 (batch, 1 .. codebooks, frames).

        Raises
        ------
        ValueError
            More codes than books.
        """
        self._checked(codes.shape[1])
        parts = [
            book.outward(book.entries(code))
            for book, code in zip(self._books(), codes.unbind(1), strict=False)
        ]
        return torch.stack(parts).sum(0)

    def from_latents(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Quantise the inputs of the books anew.

        Parameters
        ----------
        latents
            As `Quantised.latents`, of all books or of the first ones.

        Returns
        -------
        z, codes
            As in `Quantised`.

        Raises
        ------
        ValueError
            The channels are not those of the first books.
        """
        ends = list(itertools.accumulate(self.dims))
        if latents.shape[1] not in ends:
            raise ValueError(f"{latents.shape[1]} channels of latents; the books end at {ends}")
        dims = self.dims[: ends.index(latents.shape[1]) + 1]
        codes = torch.stack(
            [
                book.nearest(latent)
                for book, latent in zip(self._books(), latents.split(dims, dim=1), strict=False)
            ],
            dim=1,
        )
        return self.from_codes(codes), codes

    def _books(self) -> list[_Book]:
        return cast("list[_Book]", list(self.books))

    def _checked(self, depth: int) -> int:
        if not 1 <= depth <= self.codebooks:
            raise ValueError(f"depth {depth}; choose 1 .. {self.codebooks} codebooks")
        return depth


class _Book(nn.Module):
    def __init__(self, channels: int, size: int, dim: int) -> None:
        super().__init__()
        self.project_in = Convolution(channels, dim, 1)
        self.project_out = Convolution(dim, channels, 1)
        # At first a book codes the part of the latent within a subspace, and leaves the others.
        with torch.no_grad():
            self.project_out.conv.weight = self.project_in.conv.weight.transpose(0, 1)
        self.codebook = nn.Parameter(functional.normalize(torch.randn(size, dim)))

    def inward(self, z: Tensor) -> Tensor:
        latent: Tensor = self.project_in.conv(z)
        return latent

    def outward(self, latent: Tensor) -> Tensor:
        z: Tensor = self.project_out.conv(latent)
        return z

    def nearest(self, latent: Tensor) -> Tensor:
        """Return the entries of the largest cosine: (batch, frames) for (batch, dim, frames)."""
        # The length of a latent does not change which one is the largest.
        directions = functional.normalize(self.codebook)
        return (latent.transpose(1, 2) @ directions.T).argmax(-1)

    def entries(self, code: Tensor) -> Tensor:
        """Return raw entries: (batch, dim, frames) for (batch, frames)."""
        return functional.embedding(code, self.codebook).transpose(1, 2)


def _distance(a: Tensor, b: Tensor) -> Tensor:
    """Mean square distance of directions by item, (batch,)."""
    difference = functional.normalize(a, dim=1) - functional.normalize(b, dim=1)
    return difference.square().mean(dim=(1, 2))
