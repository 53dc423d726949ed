"""ModelPlayer: a loaded model as nodes of a program, inside the callback or beside it."""

from __future__ import annotations

import math

import numpy as np

from rtaudio.models.loader import EngineName, LoadedModel
from rtaudio.runtime.abi import Bus, Node
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.kernels.oversampler import oversampled_node
from rtaudio.runtime.kernels.resampler import resampled_node
from rtaudio.runtime.memory import Array
from rtaudio.runtime.onnx_runtime import Provider
from rtaudio.runtime.timing import block_microseconds
from rtaudio.runtime.worker import worker_node

_INLINE_SHARE = 0.5
_BURST_SHARE = 0.25
"""Of a block, for a model that computes a hop in one block and nothing in the others; of a worker's
chunk for any."""
_SMALLEST_CHUNK = 64


class ModelPlayer:
    """Appends a model to a program: one instance per channel, resampled, adapted to the block.

    Parameters
    ----------
    loaded
        The model.
    engine
        The engine; None: the model's default.
    worker
        As for :class:`~rtaudio.Model`: None decides live.
    oversample
        Factor, 1, 2 or 4.
    provider
        Where ONNX Runtime computes; another one than the CPU always in a thread of its own, so that
        its latency is constant. Where there is none, the CPU plays.

    Examples
    --------
    >>> ModelPlayer(load_model("presets/models/crunch.onnx"))              # doctest: +SKIP
    """

    def __init__(
        self,
        loaded: LoadedModel,
        *,
        engine: EngineName | None = None,
        worker: bool | None = None,
        oversample: int = 1,
        provider: Provider = "cpu",
    ) -> None:
        self._loaded, self._card = loaded, loaded.file.card
        self._provider = loaded.usable_provider(provider)
        self._worker = worker if self._provider == "cpu" else True
        self._engine, self._oversample = engine, oversample

    def append(self, builder: Builder, x: Bus, params: Array | None) -> Bus:
        """Append the model once per channel, or once if it takes all channels together.

        Parameters
        ----------
        builder
            The program under construction.
        x
            The input.
        params
            float32 slots, one per parameter of the card; None if it has none.

        Returns
        -------
        Bus
            The output.
        """
        mono = self._card.channels == (1, 1)
        x = builder.adapt(x, x.channels if mono else self._card.channels[0])
        instances = x.channels if mono else 1
        chunk = self._worker_chunk(builder, params, instances)
        nodes = [self._node(builder, params, chunk) for _ in range(instances)]
        return builder.run_each(nodes, x) if mono else builder.run(nodes[0], x)

    def _inline_node(self, builder: Builder, block: int, params: Array | None) -> Node:
        """Make the node for calls of ``block`` frames at the builder's rate."""
        rate = self._card.rate_hz
        if rate == builder.rate_hz:
            return self._net(block, params, builder.varying)
        inner_block = math.ceil(block * rate / builder.rate_hz) + 1
        inner = self._net(inner_block, params, varying=True)
        return resampled_node(
            inner, builder.rate_hz, rate, block, inner.latency_samples, channels=self._card.channels
        )

    def _net(self, block: int, params: Array | None, varying: bool = False) -> Node:
        """Make the node at the model's own rate, oversampled or not."""
        if self._oversample == 1:
            return self._own_node(block, params, varying)
        copies = [self._own_node(block, params, varying) for _ in range(self._oversample)]
        return oversampled_node(copies, self._card.rate_hz, block)

    def _own_node(self, block: int, params: Array | None, varying: bool = False) -> Node:
        return self._loaded.node(
            block, params, engine=self._engine, varying=varying, provider=self._provider
        )

    def _node(self, builder: Builder, params: Array | None, chunk: int) -> Node:
        if not chunk:
            return self._inline_node(builder, builder.block, params)
        node, thread = worker_node(
            self._inline_node(builder, chunk, params),
            chunk,
            builder.block,
            builder.rate_hz,
            channels=self._card.channels,
            offline=builder.offline,
        )
        builder.workers.append((builder.effect, thread))
        return node

    def _worker_chunk(self, builder: Builder, params: Array | None, instances: int) -> int:
        """Decide where the model runs; if in the callback, count its cost.

        Returns
        -------
        int
            Frames that a worker computes at a time, or 0 for the callback. A chunk is at least a
            block, and long enough to last four times as long as its computation; more than a hop
            would only add latency.
        """
        block = builder.block
        hop = math.ceil(self._card.hop * builder.rate_hz / self._card.rate_hz)
        longest = max(block * math.ceil(hop / block), block, _SMALLEST_CHUNK)
        if builder.varying:
            return 0
        if builder.offline:
            return longest if self._worker else 0
        if self._worker is False:
            return 0
        block_us = 1e6 * block / builder.rate_hz
        cost_us = instances * self._block_cost_us(builder, params)
        share = _BURST_SHARE if hop > block else _INLINE_SHARE
        if self._worker is None and builder.inline_us + cost_us <= share * block_us:
            builder.inline_us += cost_us
            return 0
        chunk = max(block, _SMALLEST_CHUNK)
        while chunk < longest and cost_us > _BURST_SHARE * 1e6 * chunk / builder.rate_hz:
            chunk *= 2
        return min(chunk, longest)

    def _block_cost_us(self, builder: Builder, params: Array | None) -> float:
        """Measure the largest cost of one instance in a block: all hops that may fall into it."""
        hop = self._card.hop
        if hop:
            model_block = math.ceil(builder.block * self._card.rate_hz / builder.rate_hz)
            node, block = self._own_node(hop, params), hop
            runs = math.ceil(model_block / hop)
        else:
            node, block, runs = self._inline_node(builder, builder.block, params), builder.block, 1
        costs = block_microseconds(node, block, 30, channels=self._card.channels)
        return runs * float(np.median(costs))
