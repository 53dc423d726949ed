"""One LSTM layer with one input and a linear head, from plain arrays."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from rtaudio.runtime.abi import Node
from rtaudio.runtime.kernels.recurrent import recurrent_node


def lstm_node(
    w_ih: np.ndarray[Any, Any],
    w_hh: np.ndarray[Any, Any],
    bias: np.ndarray[Any, Any],
    head_weight: np.ndarray[Any, Any],
    head_bias: float,
    *,
    residual: bool,
) -> Node:
    """Make the node of a one-layer LSTM that starts from zero.

    See :func:`rtaudio.runtime.kernels.recurrent.recurrent_node`; ``residual`` is its ``skip``.
    """
    zero = np.zeros(len(head_weight), np.float32)
    layer = SimpleNamespace(weight_ih=w_ih, weight_hh=w_hh, bias=bias, hidden=zero, cell=zero)
    return recurrent_node([layer], head_weight, head_bias, skip=residual)
