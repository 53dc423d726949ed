"""A model file in ONNX Runtime: as a node, and over a whole signal."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from rtaudio.errors import ContractError, FormatError
from rtaudio.models.contract.card import GOLDEN_SAMPLES, Card, Golden, ModelFile
from rtaudio.models.contract.check import check_model
from rtaudio.models.contract.metadata import write_metadata
from rtaudio.runtime.abi import Node
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.offline import run
from rtaudio.runtime.onnx_node import onnx_node
from rtaudio.runtime.onnx_runtime import OnnxRuntimeError, Provider
from rtaudio.runtime.program import Program

__all__ = ["default_params", "model_node", "play", "proved_file"]

BLOCK = 256


def default_params(file: ModelFile) -> np.ndarray[Any, Any] | None:
    """Return slots with the card's default parameters, or None if it has none."""
    parameters = file.card.parameters
    if not parameters:
        return None
    return np.array([p.default for p in parameters], np.float32)


def model_node(
    file: ModelFile,
    block: int,
    params: np.ndarray[Any, Any] | None = None,
    provider: Provider = "cpu",
) -> Node:
    """Make a node that plays a model file from its zero state.

    Parameters
    ----------
    file
        The model file.
    block
        Most frames per call.
    params
        Float32 slots, one per parameter of the card, in their order; None if it has none.
    provider
        Where ONNX Runtime computes.

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
            rate_hz=file.card.rate_hz,
            latency_samples=file.card.latency_samples,
            provider=provider,
        )
    except OnnxRuntimeError as error:
        raise ContractError(f"{file.path}: ONNX Runtime refuses the model: {error}") from error


def play(
    file: ModelFile, make: Callable[[int, Any], Node], x: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """Play a signal with all parameters at their defaults.

    Parameters
    ----------
    file
        The model file.
    make
        From a block size and the parameters' slots to the node that plays.
    x
        float32 [channels, frames], at the model's sample rate.

    Returns
    -------
    numpy.ndarray
        float32 [channels, frames]; all NaN if the node makes samples that a program would silence.
    """
    card = file.card
    builder = Builder(card.rate_hz, card.hop or BLOCK)
    source = builder.bus(card.channels[0])
    node = make(builder.block, default_params(file))
    program = Program(builder.finish(source, builder.run(node, source)))
    played = run(program, x)[:, : x.shape[1]]
    return np.full_like(played, np.nan) if program.faults else played


def proved_file(
    path: Path, proto: onnx.ModelProto, card: Card, golden: Golden | None = None
) -> ModelFile:
    """Make a model file from the graph of a third-party file.

    Parameters
    ----------
    path
        The third-party file.
    proto
        The graph, without metadata; they are added to it.
    card
        The card.
    golden
        The test vector of the third-party file; None: what ONNX Runtime makes of noise.

    Raises
    ------
    FormatError
        The net makes NaN, infinity or a runaway level.
    ContractError
        The graph does not keep the contract.
    """
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (card.channels[0], GOLDEN_SAMPLES))
    noise = noise.astype(np.float32)
    silence = np.zeros((card.channels[1], GOLDEN_SAMPLES), np.float32)
    write_metadata(proto, card, golden or Golden(noise, silence))
    file = check_model(proto, path)
    if golden is None:
        output = play(file, lambda block, params: model_node(file, block, params), noise)
        if not np.isfinite(output).all():
            raise FormatError(f"{path}: the net makes no usable signal from noise; get it again")
        golden = Golden(noise, output)
        write_metadata(proto, card, golden)
        file = dataclasses.replace(file, data=proto.SerializeToString(), golden=golden)
    return file
