"""Vector quantisation of what changes slowly, in a closed loop of prediction."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from training.models.vector_quantiser import ResidualQuantiser

__all__ = ["PredictiveQuantiser"]

LAG_SHARE, MOST = 0.95, 0.9
"""The factors of the prediction are this share of the correlation, and at most ``MOST``."""


class PredictiveQuantiser(ResidualQuantiser):
    """Codes ``z(t) - a q(t - 1)``, with q the quantised vector and a factor a per dimension.

    A lost frame is the prediction itself, and its error dies out at least as fast as ``0.9 ** t``.

    Parameters as of `ResidualQuantiser`. The state is q(t - 1), (batch, dims).

    Notes
    -----
    Cuperman, Gersho: Vector predictive coding of speech at 16 kbits/s, IEEE Transactions on
    Communications 33(7), 1985.
    """

    factor: Tensor

    def __init__(self, dims: int, books: int, entries: int) -> None:
        super().__init__(dims, books, entries)
        self.register_buffer("factor", torch.zeros(dims))

    def encode_frames(self, z: Tensor, last: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Code frames (batch, frames, dims).

        Parameters
        ----------
        z
            float32 (batch, frames, dims).
        last
            The state.

        Returns
        -------
        codes, errors, quantised, last
            int64 (batch, frames, books); the errors of prediction that they code and the quantised
            frames, both (batch, frames, dims); the state.
        """
        codes, errors, quantised = [], [], []
        for frame in z.unbind(1):
            predicted = self.factor * last
            error = frame - predicted
            entries = self.encode(error)
            last = predicted + self.decode(entries)
            codes.append(entries)
            errors.append(error)
            quantised.append(last)
        return torch.stack(codes, 1), torch.stack(errors, 1), torch.stack(quantised, 1), last

    def decode_frames(self, codes: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        """Return the quantised frames of codes, and the state.

        Parameters
        ----------
        codes
            int64 (batch, frames, books); -1 is a book that was not sent.
        last
            The state.
        """
        quantised = []
        for step in self.decode(codes).unbind(1):
            last = self.factor * last + step
            quantised.append(last)
        return torch.stack(quantised, 1), last

    def learn_frames(self, z: Tensor) -> Tensor:
        """Quantise float32 (batch, frames, dims), and in training mode learn the books."""
        codes, errors, quantised, _ = self.encode_frames(z, z.new_zeros(len(z), self.dims))
        if self.training:
            rest = errors.reshape(-1, self.dims)
            for number, entry in enumerate(codes.reshape(-1, self.books).unbind(1)):
                chosen = self.book[number][entry]
                self.learn(number, entry, rest)
                rest = rest - chosen
        return quantised

    @override
    def start(self, inputs: Tensor) -> Tensor:
        """Set factors and books from float32 (batch, frames, dims), in two closed-loop passes."""
        power = inputs[:, :-1].square().mean(dim=(0, 1)).clamp(min=1e-12)
        lag = (inputs[:, 1:] * inputs[:, :-1]).mean(dim=(0, 1)) / power
        self.factor.copy_((LAG_SHARE * lag).clamp(0, MOST))
        before = functional.pad(inputs[:, :-1], (0, 0, 1, 0))
        silence = inputs.new_zeros(len(inputs), self.dims)
        for _ in range(2):
            rest = super().start((inputs - self.factor * before).reshape(-1, self.dims))
            quantised = self.encode_frames(inputs, silence)[2]
            before = functional.pad(quantised[:, :-1], (0, 0, 1, 0))
        return rest
