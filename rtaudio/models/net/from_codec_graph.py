"""From the graph of a codec's encoder or decoder to its net, by the hint in the card.

The card's ``architecture`` names the sizes, and which tensor of the graph holds which weights::

    {"type": "mdct-codec", "codec": ..., "books": 24, "level_books": 3, "entries": 1024,
     "candidates": 4, "overlap": 480, "bands": [4, 4, ...], "compression": 0.15,
     "level_dims": 14, "shape_dims": 64, "width": 192, "hidden": 384, "dilations": [1, 2, 4, 1],
     "weights": {"level_books": ..., "inputs": ..., "inputs_bias": ...,
                 "blocks": [{"norm": ..., "norm_bias": ..., "up": ..., "up_bias": ...,
                             "down": ..., "down_bias": ...}, ...],
                 "norm": ..., "norm_bias": ..., "outputs": ..., "outputs_bias": ...,
                 "skip": ..., "skip_bias": ..., "level_mean": ..., ...}}

``dilations`` are those of the net of that file, ``candidates`` and ``compression`` are only used by
the encoder. The matrices of a graph are [in, out].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rtaudio.models.contract.card import ModelFile
from rtaudio.models.net.codec import (
    CANDIDATES,
    CodecDecoder,
    CodecEncoder,
    CodecNet,
    CodecPair,
    FrameBlock,
    FrameNet,
    LayerNorm,
    Linear,
)
from rtaudio.models.net.weights import GraphWeights, Misfit, checked_size
from rtaudio.runtime.memory import Floats

__all__ = ["CODEC", "PAIR", "codec_net_of", "codec_pair_of"]

CODEC, PAIR = "mdct-codec", "mdct-codec-pair"
"""Types of a hint: of one side, and of both sides joined to an effect."""

MAX_SIZE = 1 << 16
MAX_DILATION = 1024


def codec_net_of(file: ModelFile) -> CodecNet | None:
    """Rebuild the net of a codec's file from its hint; None if it has no hint that fits.

    A hint is only a claim: prove the net by the golden vector before it is played.

    Examples
    --------
    >>> from rtaudio.models.contract.check import read_model
    >>> from rtaudio.shipped import shipped_codecs
    >>> path = shipped_codecs()["codec-voice"]
    >>> net = codec_net_of(read_model(f"{path}.decoder.onnx"))
    >>> net.hop, net.shape_books.shape[1:]
    (960, (1024, 64))
    """
    card, hint = file.card, file.card.architecture
    if hint.get("type") != CODEC:
        return None
    try:
        names = hint["weights"]
        if card.kind == "encoder" and card.channels == (1, 0):
            return _Reader(GraphWeights(file, names), hint, card.hop).encoder()
        if card.kind == "decoder" and card.channels == (0, 1):
            return _Reader(GraphWeights(file, names), hint, card.hop).decoder()
    except (ValueError, KeyError, TypeError):
        pass
    return None


def codec_pair_of(file: ModelFile) -> CodecPair | None:
    """Rebuild both nets of a joined graph; the hint has one for each, and ``kbps`` of a book.

    As `codec_net_of`; the knobs of the card are the bitrate and the loss.
    """
    card, hint = file.card, file.card.architecture
    if hint.get("type") != PAIR or card.channels != (1, 1) or len(card.parameters) != 2:
        return None
    try:
        sides = [
            _Reader(GraphWeights(file, hint[side]["weights"]), hint[side], card.hop)
            for side in ("encoder", "decoder")
        ]
        return CodecPair(sides[0].encoder(), sides[1].decoder(), float(hint["kbps"]))
    except (ValueError, KeyError, TypeError):
        return None


class _Reader:
    """Reads one side."""

    def __init__(self, weights: GraphWeights, hint: Mapping[str, Any], hop: int) -> None:
        def size(key: str) -> int:
            return checked_size(hint[key], MAX_SIZE)

        self.weights, self.hint, self.hop = weights, hint, hop
        self.overlap = size("overlap")
        self.bands = tuple(checked_size(lines, hop) for lines in hint["bands"])
        if sum(self.bands) != hop or hop % 4 or self.overlap > hop or (self.overlap | hop) % 2:
            raise Misfit("bands")
        self.levels, self.books = size("level_books"), size("books")
        self.level_dims, self.shape_dims = size("level_dims"), size("shape_dims")
        self.entries = size("entries")
        if self.books <= self.levels or self.entries < CANDIDATES:
            raise Misfit("books")
        self.width, self.hidden = size("width"), size("hidden")
        self.dilations = [checked_size(d, MAX_DILATION) for d in hint["dilations"]]
        if len(self.dilations) != len(weights.names["blocks"]) or not self.dilations:
            raise Misfit("dilations")

    def encoder(self) -> CodecEncoder:
        """Return the encoder."""
        bands = len(self.bands)
        if self.hint["candidates"] != CANDIDATES:
            raise Misfit("candidates")
        compression = self.hint["compression"]
        if isinstance(compression, bool) or not 0 <= compression <= 1:
            raise Misfit("compression")
        return CodecEncoder(
            **self._common(),
            compression=float(compression),
            shape_gain=float(self.weights.take("shape_gain", 1)[0]),
            level_axes=self.weights.take("level_axes", bands, self.level_dims),
            net=self._net(self.hop + bands, self.shape_dims),
        )

    def decoder(self) -> CodecDecoder:
        """Return the decoder."""
        outputs = self.hop + len(self.bands)
        return CodecDecoder(
            **self._common(), net=self._net(self.level_dims + self.shape_dims, outputs)
        )

    def _common(self) -> dict[str, Any]:
        return {
            "hop": self.hop,
            "overlap": self.overlap,
            "bands": self.bands,
            "level_mean": self.weights.take("level_mean", len(self.bands)),
            "level_factor": self.weights.take("level_factor", self.level_dims),
            "level_books": self._books("level_books", self.levels, self.level_dims),
            "shape_books": self._books("shape_books", self.books - self.levels, self.shape_dims),
        }

    def _books(self, key: str, books: int, dims: int) -> Floats:
        """Return books, which a graph may hold as one long table."""
        try:
            return self.weights.take(key, books, self.entries, dims)
        except Misfit:
            table = self.weights.take(key, books * self.entries, dims)
            return table.reshape(books, self.entries, dims)

    def _net(self, inputs: int, outputs: int) -> FrameNet:
        def linear(table: GraphWeights, key: str, size_in: int, size_out: int) -> Linear:
            matrix = table.take(key, size_in, size_out)
            return Linear(matrix.T, table.take(f"{key}_bias", size_out))

        def norm(table: GraphWeights) -> LayerNorm:
            return LayerNorm(table.take("norm", self.width), table.take("norm_bias", self.width))

        blocks = []
        for names, dilation in zip(self.weights.names["blocks"], self.dilations, strict=True):
            table = self.weights.table(names)
            up = linear(table, "up", 2 * self.width, self.hidden)
            down = linear(table, "down", self.hidden, self.width)
            blocks.append(FrameBlock(norm(table), up, down, dilation))
        return FrameNet(
            linear(self.weights, "inputs", inputs, self.width),
            tuple(blocks),
            norm(self.weights),
            linear(self.weights, "outputs", self.width, outputs),
            linear(self.weights, "skip", inputs, outputs),
        )
