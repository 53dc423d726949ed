"""Loading: from a model file to the nodes that play it, by the fastest engine that is right."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx.numpy_helper

from rtaudio.models.contract import ContractError, ModelFile, read_model
from rtaudio.runtime.abi import Node
from rtaudio.runtime.kernels.hop import hop_node
from rtaudio.runtime.onnx_node import onnx_node
from rtaudio.runtime.onnx_runtime import OnnxRuntimeError
from rtaudio.runtime.program import Builder

EngineName = Literal["onnx", "native"]

GOLDEN_TOLERANCE = 2e-5
"""Largest error of an engine on the golden vector, relative to the larger of its peak and 1."""


class LoadedModel:
    """A checked model file and the engines that reproduce its golden vector.

    Attributes
    ----------
    file
        The file as :func:`~rtaudio.models.contract.read_model` returned it.
    golden_errors
        Largest absolute error on the golden vector, for every engine that can play the model.
    engine
        The engine that plays it unless another is asked for: native if it is right, else ONNX
        Runtime.
    """

    def __init__(self, file: ModelFile) -> None:
        if file.card.kind != "effect":
            raise ContractError(
                f"{file.path}: is an {file.card.kind}; only an effect can be played"
            )
        self.file = file
        self._makers: dict[EngineName, Callable[[int, Any], Node]] = {"onnx": self._onnx}
        if _is_native_lstm(file):
            self._makers["native"] = self._lstm
        self.golden_errors: dict[EngineName, float] = {}
        peak = max(1.0, float(np.max(np.abs(file.golden_output))))
        for engine in list(self._makers):
            self.golden_errors[engine] = self._golden_error(engine)
        right = [e for e, error in self.golden_errors.items() if error <= GOLDEN_TOLERANCE * peak]
        if not right:
            raise ContractError(
                f"{file.path}: does not reproduce its golden vector (error "
                f"{min(self.golden_errors.values()):.2g}); the file is damaged, export it again"
            )
        self.engine: EngineName = "native" if "native" in right else "onnx"

    def node(
        self,
        block: int,
        params: np.ndarray[Any, Any] | None = None,
        *,
        engine: EngineName | None = None,
        varying: bool = False,
    ) -> Node:
        """Make a node, with a state of its own, at the model's rate and with its channels.

        Parameters
        ----------
        block
            Most frames per call; ``varying`` says that calls may have fewer.
        params
            Float32 slots in the order of the card's parameters; needed exactly if it has some.
        engine
            Which engine; None: the one chosen at load.

        Raises
        ------
        ValueError
            The engine cannot play this model.
        """
        engine = engine or self.engine
        if engine not in self._makers:
            raise ValueError(f"{self.file.path}: there is no {engine} engine for this model")
        card = self.file.card
        if not card.hop:
            return self._makers[engine](block, params)
        inner = self._makers[engine](card.hop, params)
        return hop_node(inner, card.hop, block, channels=card.channels, varying=varying)

    def _onnx(self, block: int, params: np.ndarray[Any, Any] | None) -> Node:
        file = self.file
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

    def _lstm(self, block: int, params: np.ndarray[Any, Any] | None) -> Node:
        from rtaudio.runtime.kernels.lstm import lstm_node

        architecture = self.file.card.architecture
        w_ih, w_hh, bias, head_weight, head_bias = _lstm_weights(self.file)
        return lstm_node(
            w_ih, w_hh, bias, head_weight, head_bias, residual=bool(architecture["residual"])
        )

    def _golden_error(self, engine: EngineName) -> float:
        """Play the golden input from the zero state and return the largest absolute error."""
        from rtaudio.render import run

        file = self.file
        wanted = file.golden_output
        frames = wanted.shape[1]
        params = self.default_params()
        builder = Builder(file.card.sample_rate, file.card.hop or 256)
        source = builder.bus(file.card.channels[0])
        inner = self._makers[engine](builder.block, params)
        program = builder.finish(source, builder.run(inner, source))
        played = run(program, file.golden_input)[:, :frames]
        return float(np.max(np.abs(played - wanted)))

    def default_params(self) -> np.ndarray[Any, Any] | None:
        """Return slots with the card's default parameters, or None if it has none."""
        parameters = self.file.card.parameters
        if not parameters:
            return None
        return np.array([p.default for p in parameters], np.float32)


def _is_native_lstm(file: ModelFile) -> bool:
    card, hint = file.card, file.card.architecture
    return (
        hint.get("type") == "lstm"
        and hint.get("layers") == 1
        and hint.get("input") == 1
        and card.hop == 0
        and card.channels == (1, 1)
        and not card.parameters
        and isinstance(hint.get("weights"), dict)
        and isinstance(hint.get("residual"), bool)
        and _lstm_weights(file) is not None
    )


def _lstm_weights(file: ModelFile) -> Any:
    """Return the weights of the one LSTM and its head in torch layout, None if they do not fit.

    ONNX stacks the gates i, o, f, c and keeps two biases; torch stacks i, f, g, o.
    """
    hint = file.card.architecture
    initializers = {i.name: i for i in file.proto.graph.initializer}
    try:
        w, r, b, head, head_bias = (
            onnx.numpy_helper.to_array(initializers[hint["weights"][key]]).astype(np.float32)
            for key in ("W", "R", "B", "head_weight", "head_bias")
        )
        hidden = int(hint["hidden"])
        order = np.r_[
            0:hidden, 2 * hidden : 3 * hidden, 3 * hidden : 4 * hidden, hidden : 2 * hidden
        ]
        both = b.reshape(2, 4 * hidden)
        return (
            w.reshape(4 * hidden, 1)[order],
            r.reshape(4 * hidden, hidden)[order],
            (both[0] + both[1])[order],
            head.reshape(hidden),
            float(head_bias.reshape(1)[0]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def load_model(path: str | Path) -> LoadedModel:
    """Read, check and prove a model file; a file already loaded and unchanged is not read again.

    Raises
    ------
    FileNotFoundError
        No such file.
    ContractError
        The file breaks the contract, cannot be run, or does not reproduce its golden vector.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such model file")
    stat = path.stat()
    return _load(path.resolve(), stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=64)
def _load(path: Path, modified_ns: int, size: int) -> LoadedModel:
    return LoadedModel(read_model(path))
