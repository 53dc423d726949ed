"""Loading: from a model file to the nodes that play it, by the fastest engine that is exact."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rtaudio.errors import ContractError
from rtaudio.models.contract.card import GOLDEN_TOLERANCE, ModelFile
from rtaudio.models.denoisers.reader import model_paths
from rtaudio.models.formats.foreign_net import ForeignNet
from rtaudio.models.formats.read import FOREIGN_SUFFIXES, model_file, read_foreign
from rtaudio.models.net.from_codec_graph import codec_pair_of
from rtaudio.models.net.from_graph import net_of
from rtaudio.models.net.to_kernel import native_node
from rtaudio.models.net.types import Net
from rtaudio.models.onnx_player import default_params, model_node, play
from rtaudio.models.read import read_onnx
from rtaudio.runtime.abi import Node
from rtaudio.runtime.kernels.codec.pair import PackedPair
from rtaudio.runtime.kernels.hop import hop_node
from rtaudio.runtime.onnx_runtime import Provider
from rtaudio.runtime.prewarm import prewarm

EngineName = Literal["onnx", "native"]

MODEL_SUFFIXES = (".onnx", *FOREIGN_SUFFIXES)
"""Suffixes of the files that :func:`load_model` reads; a denoiser may also be a folder."""

PREWARM_BLOCK = 1024
"""Most frames per call while a node is pre-warmed."""


class LoadedModel:
    """A checked model file and the engines that reproduce its golden vector.

    Parameters
    ----------
    file
        The model file.
    foreign
        The third-party net that the model file was made from; None: it was made from none.

    Attributes
    ----------
    file
        The model file.
    foreign
        The third-party net that the model file was made from, or None.
    net
        The net in plain data, if it is known.
    golden_errors
        Engine -> its largest absolute error on the golden vector, for every engine that can play
        the model.
    engine
        The default engine: native if its error is within the tolerance, else ONNX Runtime.

    Raises
    ------
    ContractError
        The model is not an effect, or no engine reproduces its golden vector.
    """

    def __init__(self, file: ModelFile, foreign: ForeignNet | None = None) -> None:
        if file.card.kind != "effect":
            raise ContractError(
                f"{file.path}: a model of the kind {file.card.kind!r}; only effects can be played"
            )
        self.file = file
        self.foreign = foreign
        self.net: Net | None = net_of(file) if foreign is None else foreign.net
        pair = codec_pair_of(file)
        self._pair = None if pair is None else PackedPair(pair)
        self._makers: dict[EngineName, Callable[[int, Any], Node]] = {"onnx": self._onnx}
        if self._native(PREWARM_BLOCK, default_params(file)) is not None:
            self._makers["native"] = self._native
        self.golden_errors: dict[EngineName, float] = {
            engine: self._golden_error(make) for engine, make in self._makers.items()
        }
        peak = max(1.0, float(np.max(np.abs(file.golden_output))))
        self._tolerance = GOLDEN_TOLERANCE * peak
        self._providers: dict[Provider, Provider] = {"cpu": "cpu"}
        right = [e for e, error in self.golden_errors.items() if error <= self._tolerance]
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
        provider: Provider = "cpu",
    ) -> Node:
        """Make a node with its own state, at the model's sample rate and with its channels.

        It starts in, and a reset returns it to, the state after the model's pre-warm.

        Parameters
        ----------
        block
            Most frames per call.
        params
            Float32 slots, one per parameter of the card, in their order; None if it has none.
        engine
            Which engine; None: the default one.
        varying
            Whether calls may have fewer frames than ``block``.
        provider
            Where ONNX Runtime computes; another one than the CPU takes its engine.

        Raises
        ------
        ValueError
            The engine cannot play this model.
        """
        engine = "onnx" if provider != "cpu" else engine or self.engine
        if engine not in self._makers:
            raise ValueError(f"{self.file.path}: there is no {engine} engine for this model")
        card = self.file.card
        size = card.hop or block
        if provider == "cpu":
            inner = self._makers[engine](size, params)
        else:
            inner = model_node(self.file, size, params, provider)
        if card.prewarm_samples:
            step = card.hop or min(block, PREWARM_BLOCK)
            samples = math.ceil(card.prewarm_samples / step) * step
            prewarm(inner, samples, block=step, channels=card.channels)
        if not card.hop:
            return inner
        return hop_node(inner, card.hop, block, channels=card.channels, varying=varying)

    def usable_provider(self, provider: Provider) -> Provider:
        """Return the provider if it reproduces the golden vector; else the CPU, and warn why.

        Parameters
        ----------
        provider
            The wanted one.
        """
        if provider not in self._providers:
            fault = self._provider_fault(provider)
            self._providers[provider] = "cpu" if fault else provider
            if fault:
                text = f"{self.file.path}: plays on the CPU, not with {provider}: {fault}"
                warnings.warn(text, RuntimeWarning, stacklevel=2)
        return self._providers[provider]

    def _provider_fault(self, provider: Provider) -> str:
        try:
            error = self._golden_error(
                lambda block, params: model_node(self.file, block, params, provider)
            )
        except ContractError as refusal:
            reason = str(refusal).rpartition(": ")[2]
            return f"{reason}; see: rtaudio doctor"
        if error > self._tolerance:
            return f"it does not reproduce the golden vector (error {error:.2g})"
        return ""

    def default_params(self) -> np.ndarray[Any, Any] | None:
        """Return slots with the card's default parameters, or None if it has none."""
        return default_params(self.file)

    def _onnx(self, block: int, params: np.ndarray[Any, Any] | None) -> Node:
        return model_node(self.file, block, params)

    def _native(self, block: int, params: np.ndarray[Any, Any] | None) -> Any:
        if self._pair is not None and params is not None:
            return self._pair.node(params, latency_samples=self.file.card.latency_samples)
        if self.net is None:
            return None
        return native_node(self.net, params, rate_hz=self.file.card.rate_hz)

    def _golden_error(self, make: Callable[[int, Any], Node]) -> float:
        """Play the golden input from the zero state and return the largest absolute error."""
        played = play(self.file, make, self.file.golden_input)
        return float(np.max(np.abs(played - self.file.golden_output)))


def load_model(path: str | Path, *, slim: float = 1.0, rate_hz: int | None = None) -> LoadedModel:
    """Read, check and prove a model file; an unchanged file is read only once.

    Parameters
    ----------
    path
        A model file (``.onnx``); a third-party model file (``.nam``, ``.aidax``, ``.json``, see
        :func:`rtaudio.models.formats.read.read_foreign`); or a file or folder of a third-party
        denoiser (see :func:`rtaudio.models.read.read_onnx`).
    slim
        Which size to take from a ``.nam`` file that holds several: 0 is the smallest, 1 the whole.
    rate_hz
        Sample rate of the net, for a third-party file that does not state it.

    Raises
    ------
    FileNotFoundError
        No such file.
    ContractError, FormatError
        The file breaks the contract or its format, cannot be run, or does not reproduce its golden
        vector.

    Examples
    --------
    >>> from rtaudio.shipped import shipped_models
    >>> model = load_model(shipped_models()["denoise"])
    >>> model.file.card.rate_hz, model.engine
    (48000, 'onnx')
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such model file")
    # Symbolic links are not resolved: the file's suffix and its neighbours identify the model.
    key = Path(os.path.abspath(path)), float(slim), rate_hz
    model, before = _load(*key)
    if before != _stamps(before):
        _load.cache_clear()
        model, _ = _load(*key)
    return model


Stamps = dict[Path, tuple[int, int] | None]


def _stamps(paths: Iterable[Path]) -> Stamps:
    """Return time and size of each file, which change with it; None if there is no file."""
    stamps: Stamps = {}
    for path in paths:
        try:
            stat = path.stat()
        except OSError:
            stamps[path] = None
        else:
            stamps[path] = stat.st_mtime_ns, stat.st_size
    return stamps


@lru_cache(maxsize=64)
def _load(path: Path, slim: float, rate_hz: int | None) -> tuple[LoadedModel, Stamps]:
    """Load a model; returns it and the stamps of its files from before they were read."""
    if path.suffix.lower() in FOREIGN_SUFFIXES:
        before = _stamps([path])
        foreign = read_foreign(path, slim=slim, rate_hz=rate_hz)
        return LoadedModel(model_file(foreign), foreign), before
    if slim != 1:
        raise ContractError(f"{path}: has one size only; leave slim at 1")
    if rate_hz is not None:
        raise ContractError(f"{path}: states its rate; remove rate_hz")
    before = _stamps([path, *model_paths(path if path.is_dir() else path.parent)])
    file = read_onnx(path)
    return LoadedModel(file), {source: before[source] for source in file.sources or (path,)}
