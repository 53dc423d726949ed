"""An LSTM with the start that torch gives it, to measure what our own start is worth."""

from __future__ import annotations

from typing_extensions import override

from training.models.lstm import LstmAmp

__all__ = ["NaiveLstm"]


class NaiveLstm(LstmAmp):
    """`LstmAmp` with every weight at random and free, at rest only by chance."""

    @override
    def _spread_memory(self) -> None:
        pass

    @override
    def _rest_at_zero(self) -> None:
        pass
