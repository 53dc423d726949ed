"""From a net to the native kernel that plays it, if there is one."""

from __future__ import annotations

from typing import Any

import numpy as np

from rtaudio.models.net import Dense, Lstm, Net, Stack
from rtaudio.runtime.abi import Node
from rtaudio.runtime.kernels.wavenet import wavenet_node

__all__ = ["native_node"]


def native_node(
    net: Net, params: np.ndarray[Any, Any] | None = None, *, rate_hz: int = 48000
) -> Node | None:
    """Make a node of a native kernel, in the net's start state; None if none fits the net.

    Parameters
    ----------
    params
        Float32 slots of the knobs, one for each input behind the audio.
    rate_hz
        The net's sample rate.
    """
    if isinstance(net, Stack):
        return _stack(net, params)
    try:
        return wavenet_node(net, settled=False)
    except ValueError:
        return None


def _stack(net: Stack, params: np.ndarray[Any, Any] | None) -> Node | None:
    from rtaudio.runtime.kernels.lstm import lstm_node

    match net.layers:
        case (Lstm() as layer, Dense() as head) if (
            net.inputs == 1
            and net.in_gain == net.out_gain == 1.0
            and not layer.hidden.any()
            and not layer.cell.any()
            and head.activation.name == "linear"
            and len(head.weight) == 1
        ):
            return lstm_node(
                layer.weight_ih, layer.weight_hh, layer.bias, head.weight[0],
                float(head.bias[0]), residual=net.skip,
            )  # fmt: skip
    return None
