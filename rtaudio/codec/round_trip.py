"""A codec in place: both of its graphs joined to one that is played like an amp.

::

    audio --> encoder --> codes --> lost? -1 : code --> decoder --> audio_out
                 ^                    ^
           bitrate_kbps          loss_percent

Packets are lost in bursts, after the two-state chain of E. N. Gilbert, "Capacity of a burst-noise
channel", Bell System Technical Journal 39 (1960): in the bad state every frame is lost. The graph
carries a generator of random numbers as a state (the linear congruential one of ISO C), as a graph
has no randomness of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper

from rtaudio.codec.model import CodecModel
from rtaudio.errors import ContractError
from rtaudio.models.contract.card import Card, ModelFile, ModelParameter
from rtaudio.models.graph.builder import IR_VERSION, GraphBuilder
from rtaudio.models.net.from_codec_graph import PAIR
from rtaudio.models.onnx_player import proved_file

BITRATE, LOSS = "bitrate_kbps", "loss_percent"
BURST_FRAMES = 2.0
"""Mean length of a burst of lost frames."""
MAX_LOSS_PERCENT = 50.0
DEFAULT_KBPS = 6.0

_FACTOR, _INCREMENT, _MODULUS = 1103515245, 12345, 1 << 31
_SHARED = ("audio", "audio_out", "params", "books", "sent", "received")


def round_trip(codec: CodecModel) -> ModelFile:
    """Join the graphs of a codec to a model of the kind ``"effect"``.

    Parameters
    ----------
    codec
        The codec.

    Returns
    -------
    ModelFile
        With the parameters ``bitrate_kbps``, over the range of the codec, and ``loss_percent``.

    Raises
    ------
    ContractError
        The graphs have different versions of ONNX's operators.

    Examples
    --------
    >>> round_trip(read_codec("presets/models/codec-voice"))        # doctest: +SKIP
    """
    encoder, decoder = codec.encoder, codec.decoder
    one, other = encoder.proto, decoder.proto
    versions = [{e.domain: e.version for e in proto.opset_import} for proto in (one, other)]
    if versions[0] != versions[1]:
        raise ContractError(
            f"{encoder.path}: encoder and decoder have different operator sets; export both again"
        )
    opset = versions[0][""]
    parts = (
        _bitrate(codec, opset),
        _renamed(one.graph, "encoder", {"codes": "sent", "params": "books"}),
        _line(opset),
        _renamed(other.graph, "decoder", {"codes": "received"}),
    )
    inputs = {value.name: value for part in parts for value in part.input}
    inner = {"books", "sent", "received"}
    graph = helper.make_graph(
        [node for part in parts for node in part.node],
        codec.name,
        [value for name, value in inputs.items() if name not in inner],
        [value for part in parts for value in part.output if value.name not in inner],
        [tensor for part in parts for tensor in part.initializer],
    )
    proto = helper.make_model(
        graph, opset_imports=list(one.opset_import), ir_version=IR_VERSION, producer_name="rtaudio"
    )
    return proved_file(encoder.path, proto, _card(codec, encoder.card, decoder.card))


def _card(codec: CodecModel, encoder: Card, decoder: Card) -> Card:
    low, high = codec.kbps(codec.least_books), codec.kbps(codec.books)
    default = min(max(DEFAULT_KBPS, low), high)
    return Card(
        name=codec.name,
        description=encoder.description,
        architecture={
            "type": PAIR,
            "kbps": codec.kbps(1),
            "encoder": _hint(encoder, "encoder"),
            "decoder": _hint(decoder, "decoder"),
        },
        rate_hz=codec.rate_hz,
        channels=(1, 1),
        hop=codec.hop,
        latency_samples=codec.latency_samples,
        parameters=(
            ModelParameter(name=BITRATE, min=low, max=high, default=default, unit="kbit/s"),
            ModelParameter(name=LOSS, min=0.0, max=MAX_LOSS_PERCENT, default=0.0, unit="%"),
        ),
        across_bins=(
            *(f"encoder.{name}" for name in encoder.across_bins),
            *(f"decoder.{name}" for name in decoder.across_bins),
        ),
        license=encoder.license,
        provenance=encoder.provenance,
        metrics=encoder.metrics,
    )


def _hint(card: Card, side: str) -> dict[str, Any]:
    """Return the hint of a side, with the names of its weights in the joined graph."""

    def new(names: Any) -> Any:
        if isinstance(names, dict):
            return {key: new(name) for key, name in names.items()}
        if isinstance(names, list):
            return [new(name) for name in names]
        return f"{side}.{names}"

    hint = card.architecture
    return hint | {"weights": new(hint["weights"])} if "weights" in hint else hint


def _renamed(graph: onnx.GraphProto, side: str, names: dict[str, str]) -> onnx.GraphProto:
    """Return a copy whose names start with ``side``, but for those that the parts share."""

    def new(name: str) -> str:
        if name in names:
            return names[name]
        if not name or name in _SHARED:
            return name
        kind, dot, rest = name.partition(".")
        return f"{kind}.{side}.{rest}" if dot and kind in ("state", "next") else f"{side}.{name}"

    copy = onnx.GraphProto()
    copy.CopyFrom(graph)
    for node in copy.node:
        node.name = f"{side}.{node.name}"
        node.input[:] = [new(name) for name in node.input]
        node.output[:] = [new(name) for name in node.output]
    for value in (*copy.input, *copy.output, *copy.initializer):
        value.name = new(value.name)
    return copy


def _bitrate(codec: CodecModel, opset: int) -> onnx.GraphProto:
    """Return the part that turns the bitrate into a number of books."""
    graph = GraphBuilder(opset)
    graph.give("params", [1, 2])
    bitrate = graph.op("Gather", "params", graph.integers(0), axis=1)
    books = graph.op("Round", graph.op("Div", bitrate, graph.constant(codec.kbps(1))))
    books = graph.op("Max", books, graph.constant(codec.least_books))
    graph.op("Min", books, graph.constant(codec.books), to="books")
    return _renamed(graph.model().graph, "bitrate", {})


def _line(opset: int) -> onnx.GraphProto:
    """Return the part that loses frames."""
    graph = GraphBuilder(opset)
    graph.give("params", [1, 2])
    past, following = graph.state([1], "random", np.int64)
    number = graph.op("Mul", past, graph.integers(_FACTOR))
    number = graph.op("Add", number, graph.integers(_INCREMENT))
    graph.op("Mod", number, graph.integers(_MODULUS), to=following)
    uniform = graph.op("Mul", graph.cast(following, np.float32), graph.constant(1 / _MODULUS))

    was_lost, lost = graph.state([1], "lost")
    percent = graph.op("Gather", "params", graph.integers(1), axis=1)
    loss = graph.op("Mul", graph.op("Reshape", percent, graph.integers(1)), graph.constant(0.01))
    received = graph.op("Sub", graph.constant(1.0), loss)
    enters = graph.op("Div", loss, graph.op("Mul", received, graph.constant(BURST_FRAMES)))
    stays = graph.op("Mul", graph.op("Sign", loss), graph.constant(1 - 1 / BURST_FRAMES))
    chance = graph.op("Where", graph.cast(was_lost, np.bool_), stays, enters)
    is_lost = graph.op("Less", uniform, chance)
    graph.cast(is_lost, np.float32, to=lost)
    graph.op("Where", is_lost, graph.integers(-1), "sent", to="received")
    return _renamed(graph.model().graph, "line", {})
