"""A model file in ONNX Runtime: as a node, and over a whole vector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rtaudio.models.contract import ContractError, ModelFile
from rtaudio.runtime.abi import Node
from rtaudio.runtime.onnx_node import onnx_node
from rtaudio.runtime.onnx_runtime import OnnxRuntimeError
from rtaudio.runtime.program import Builder

__all__ = ["default_params", "model_node", "play"]

BLOCK = 256


def default_params(file: ModelFile) -> np.ndarray[Any, Any] | None:
    """Return slots with the card's default parameters, or None if it has none."""
    parameters = file.card.parameters
    if not parameters:
        return None
    return np.array([p.default for p in parameters], np.float32)


def model_node(file: ModelFile, block: int, params: np.ndarray[Any, Any] | None = None) -> Node:
    """Make a node that plays a model file from its zero state.

    Raises
    ------
    ContractError
        ONNX Runtime refuses the model.
    """
    try:
        return onnx_node(
            file.data,
            channels=file.card.channels,
            hop=file.card.hop,
            block=block,
            states={s.name: (s.shape, np.dtype(s.dtype)) for s in file.states},
            params=params,
            rate_hz=file.card.sample_rate,
            latency_samples=file.card.latency,
        )
    except OnnxRuntimeError as error:
        raise ContractError(f"{file.path}: ONNX Runtime refuses the model: {error}") from error


def play(
    file: ModelFile, make: Callable[[int, Any], Node], x: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """Play x [channels, frames] with the node that ``make(block, params)`` makes, at defaults.

    All samples are NaN if the node makes some that a program would silence.
    """
    from rtaudio.render import run

    card = file.card
    builder = Builder(card.sample_rate, card.hop or BLOCK)
    source = builder.bus(card.channels[0])
    node = make(builder.block, default_params(file))
    program = builder.finish(source, builder.run(node, source))
    played = run(program, x)[:, : x.shape[1]]
    return np.full_like(played, np.nan) if program.faults else played
