"""A neural codec on a fixed invertible transform, for a few kilobits per second."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from copy import deepcopy
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from export.streaming import State, StreamingModule
from rtaudio.models.contract.card import ModelParameter
from training.models.critical_bands import critical_bands
from training.models.frame_net import FrameNet
from training.models.mdct import Mdct
from training.models.predictive_quantiser import PredictiveQuantiser
from training.models.vector_quantiser import ResidualQuantiser

__all__ = ["Codec"]

FRAMES_PER_S = 50
CANDIDATES = 4
"""Candidates of the search that a coder keeps from book to book."""

LEAST_POWER = 1e-9
"""Added to the mean power of a band: a floor 90 dB below full scale."""

LOG_LEVELS = (-12.0, 4.0)
"""Range of decoded levels, natural logarithms: no code makes an output of any size."""

LARGE_VALUES = 1000
"""Tensors of more values are exported in the precision of 16-bit floats."""

MAX_BOOKS = 64
USUAL_BOOKS = 12
"""Books that an encoder sends unless told otherwise."""

Dilations = Annotated[tuple[Annotated[int, Field(ge=1, le=32)], ...], Field(max_length=12)]


class Codec(StreamingModule):
    r"""Encoder, quantisers and decoder in one net: audio in, the decoded audio out.

    ::

        audio --> MDCT --+--> log levels of the critical bands --> axes --> predictive VQ --> codes
                         |                    |
                         +--> shape, with its level compressed --> encoder --> residual VQ --> codes

        codes --> levels, shape latent --> decoder --+--> fine structure, unit level per band
                                                     +--> log levels   x --> inverse MDCT --> audio

    A frame is 20 ms, the slopes of its window are 10 ms, so the delay is 30 ms in all. A frame has
    ``books`` codes, first those of the levels. Any prefix of them, at least the levels, can be
    decoded: a code of -1 is a book that was not sent. A frame of only -1 is a lost one; then the
    levels follow their prediction, and the shape latent is zero.

    `parts` are the two nets of a file each; this net is both, one after the other. Statistics,
    linear paths and books are zero until `training.codec.start.start_codec` sets them.

    Parameters
    ----------
    rate_hz
        Sample rate.
    books, level_books, entries
        Books of a frame, how many of them code the levels, and entries of a book.
    level_dims, shape_dims
        Size of the quantised vectors.
    width, hidden, encoder_dilations, decoder_dilations
        Sizes of the nets; see `training.models.frame_net.FrameNet`.
    compression
        The shape of a band is divided by its level to the power of 1 - ``compression``.

    Raises
    ------
    ValueError
        Sizes that do not fit each other.

    Notes
    -----
    Bands of known energy with a quantised shape: Valin et al., A high-quality speech and audio
    codec with less than 10 ms delay, IEEE Transactions on ASLP 18(1), 2010. Quantiser: Zeghidour
    et al., SoundStream: an end-to-end neural audio codec, IEEE/ACM TASLP 30, 2022.

    Examples
    --------
    >>> codec = Codec(rate_hz=16000)
    >>> codec.hop, codec.latency_samples, codec.kbps(12), sum(map(torch.numel, codec.parameters()))
    (320, 160, 6.0, 2207888)
    >>> codes, _ = codec.encode(torch.zeros(1, 1, 3200), codec.encoder_state(), books=6)
    >>> tuple(codes.shape), codes[0, 6:].unique().tolist()
    ((1, 24, 10), [-1])
    """

    def __init__(
        self,
        rate_hz: Annotated[int, Field(ge=8000, le=96000, multiple_of=400)] = 48000,
        books: Annotated[int, Field(ge=2, le=MAX_BOOKS)] = 24,
        level_books: Annotated[int, Field(ge=1, le=MAX_BOOKS)] = 3,
        entries: Annotated[int, Field(ge=CANDIDATES, le=65536)] = 1024,
        level_dims: Annotated[int, Field(ge=1, le=25)] = 14,
        shape_dims: Annotated[int, Field(ge=1, le=512)] = 64,
        width: Annotated[int, Field(ge=1, le=2048)] = 192,
        hidden: Annotated[int, Field(ge=1, le=4096)] = 384,
        encoder_dilations: Dilations = (1, 2, 4, 1),
        decoder_dilations: Dilations = (1, 2, 4, 8, 1),
        compression: Annotated[float, Field(ge=0, le=1)] = 0.15,
    ) -> None:
        super().__init__()
        hop = rate_hz // FRAMES_PER_S
        band = critical_bands(rate_hz, hop)
        bands = int(band[-1]) + 1
        if level_books >= books:
            raise ValueError(f"level_books {level_books}: fewer than books, {books}")
        if level_dims > bands:
            raise ValueError(f"level_dims {level_dims}: at most the {bands} bands at this rate")
        self.rate_hz, self.hop, self.latency_samples = rate_hz, hop, hop // 2
        self.books, self.level_books, self.entries = books, level_books, entries
        self.width, self.hidden, self.compression = width, hidden, compression
        usual = float(min(max(USUAL_BOOKS, level_books), books))
        self.controls = (
            ModelParameter(name="books", min=float(level_books), max=float(books), default=usual),
        )
        self.mdct = Mdct(hop, hop // 2)
        members = functional.one_hot(band, bands).float()
        self.register_buffer("band", band, persistent=False)
        self.register_buffer("mean_of_band", members / members.sum(0), persistent=False)
        # Statistics of the data: principal axes and mean of the levels, and level of the shape.
        self.register_buffer("level_axes", torch.zeros(bands, level_dims))
        self.register_buffer("level_mean", torch.zeros(bands))
        self.register_buffer("shape_gain", torch.ones(()))
        sizes = {"width": width, "hidden": hidden}
        self.encoder = FrameNet(hop + bands, shape_dims, dilations=encoder_dilations, **sizes)
        self.decoder = FrameNet(
            level_dims + shape_dims, hop + bands, dilations=decoder_dilations, **sizes
        )
        self.level_quantiser = PredictiveQuantiser(level_dims, level_books, entries)
        self.shape_quantiser = ResidualQuantiser(shape_dims, books - level_books, entries)

    band: Tensor
    mean_of_band: Tensor
    level_axes: Tensor
    level_mean: Tensor
    shape_gain: Tensor

    def kbps(self, books: int) -> float:
        """Return the bitrate of ``books`` codes per frame, in kilobits per second."""
        return books * (self.entries - 1).bit_length() * FRAMES_PER_S / 1000

    # Streaming

    @override
    def initial_state(self, batch: int = 1) -> State:
        return _outer("encoder.", self.encoder_state(batch)) | _outer(
            "decoder.", self.decoder_state(batch)
        )

    @override
    def forward(self, x: Tensor, state: State, knobs: Tensor) -> tuple[Tensor, State]:  # type: ignore[override]
        """Encode and decode whole frames, float32 (batch, 1, frames * hop)."""
        codes, encoder = self.encode(x, _inner("encoder.", state), knobs[0, 0])
        y, decoder = self.decode(codes, _inner("decoder.", state))
        return y, _outer("encoder.", encoder) | _outer("decoder.", decoder)

    def encoder_state(self, batch: int = 1) -> State:
        """Return the state of `encode` before the first frame."""
        return {
            "past": self.level_mean.new_zeros(batch, self.mdct.overlap),
            "levels": self.level_mean.new_zeros(batch, self.level_quantiser.dims),
            **_outer("net.", self.encoder.initial_state(batch)),
        }

    def decoder_state(self, batch: int = 1) -> State:
        """Return the state of `decode` before the first frame."""
        return {
            "levels": self.level_mean.new_zeros(batch, self.level_quantiser.dims),
            "tail": self.level_mean.new_zeros(batch, self.mdct.overlap),
            **_outer("net.", self.decoder.initial_state(batch)),
        }

    @torch.no_grad()
    def encode(self, x: Tensor, state: State, books: Tensor | float) -> tuple[Tensor, State]:
        """Code whole frames.

        Parameters
        ----------
        x
            float32 (batch, 1, frames * hop).
        state
            As `encoder_state` or the last call returned it.
        books
            How many codes of a frame to send, rounded and limited to the range of the knob.

        Returns
        -------
        codes, following
            int64 (batch, books, frames), -1 in books that are not sent; the state.
        """
        levels, shape, following = self.latents(x, state)
        codes, _, _, following["levels"] = self.level_quantiser.encode_frames(
            levels, state["levels"]
        )
        sent = torch.as_tensor(books, device=x.device).round().clamp(self.level_books, self.books)
        depth = sent.to(torch.int64) - self.level_books
        flat = shape.reshape(-1, shape.shape[2])
        found = self.shape_quantiser.search(flat, depth, CANDIDATES)
        found = found.reshape(len(x), -1, self.shape_quantiser.books)
        return torch.cat([codes, found], dim=2).transpose(1, 2), following

    @torch.no_grad()
    def decode(self, codes: Tensor, state: State) -> tuple[Tensor, State]:
        """Decode frames.

        Parameters
        ----------
        codes
            int64 (batch, books, frames), -1 for a book that was not sent.
        state
            As `decoder_state` or the last call returned it.

        Returns
        -------
        y, following
            float32 (batch, 1, frames * hop), and the state.
        """
        codes = codes.transpose(1, 2)
        levels, last = self.level_quantiser.decode_frames(
            codes[..., : self.level_books], state["levels"]
        )
        shape = self.shape_quantiser.decode(codes[..., self.level_books :])
        y, following = self.synthesis(levels, shape, state)
        return y, {"levels": last, **following}

    def latents(self, x: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """Return what is quantised of whole frames.

        Parameters
        ----------
        x
            float32 (batch, 1, frames * hop).
        state
            As for `encode`; the levels in it are not used.

        Returns
        -------
        levels, shape, following
            float32 (batch, frames, level_dims) and (batch, frames, shape_dims); the state without
            levels.
        """
        coefficients, past = self.mdct.analyse(x[:, 0], state["past"])
        shape, levels = self.features(coefficients)
        latent, net = self.encoder(torch.cat([shape, levels], dim=2), _inner("net.", state))
        following = {"past": past, **_outer("net.", net)}
        return levels @ self.level_axes, latent, following

    def features(self, coefficients: Tensor) -> tuple[Tensor, Tensor]:
        """Return the shape (batch, frames, hop) and the log levels (batch, frames, bands)."""
        levels = 0.5 * torch.log(coefficients.square() @ self.mean_of_band + LEAST_POWER)
        gains = torch.exp((self.compression - 1) * levels) * self.shape_gain
        return coefficients * gains.index_select(2, self.band), levels - self.level_mean

    def synthesis(self, levels: Tensor, shape: Tensor, state: State) -> tuple[Tensor, State]:
        """Make audio of what was quantised.

        Parameters
        ----------
        levels, shape
            As `latents` returns them.
        state
            As for `decode`; the levels in it are not used.

        Returns
        -------
        y, following
            float32 (batch, 1, frames * hop); the state without levels.
        """
        made, net = self.decoder(torch.cat([levels, shape], dim=2), _inner("net.", state))
        fine, logs = made[..., : self.hop], made[..., self.hop :] + self.level_mean
        rms = (fine.square() @ self.mean_of_band + 1e-6).sqrt()
        gains = torch.exp(logs.clamp(*LOG_LEVELS)) / rms
        y, tail = self.mdct.synthesise(fine * gains.index_select(2, self.band), state["tail"])
        return y[:, None], {"tail": tail, **_outer("net.", net)}

    # Export

    @override
    def parts(self) -> Mapping[str, StreamingModule]:
        """The encoder and the decoder, which share the weights of this net as `rounded`."""
        net = self.rounded()
        return {"encoder": _Encoder(net), "decoder": _Decoder(net)}

    def rounded(self) -> Codec:
        """Return a copy whose large tensors have the precision of 16-bit floats.

        Its files have 32 bits all the same, but compress to half.
        """
        net = deepcopy(self)
        net.load_state_dict({name: _rounded(value) for name, value in self.state_dict().items()})
        return net

    @override
    def architecture(self) -> dict[str, Any]:
        """Sizes, and the id by which files that understand each other's codes are told."""
        return {
            "type": "mdct-codec",
            "codec": self.identity(),
            "books": self.books,
            "level_books": self.level_books,
            "entries": self.entries,
            "candidates": CANDIDATES,
            "overlap": self.mdct.overlap,
            "bands": self.band.bincount().tolist(),
            "compression": self.compression,
            "level_dims": self.level_quantiser.dims,
            "shape_dims": self.shape_quantiser.dims,
            "width": self.width,
            "hidden": self.hidden,
        }

    def identity(self) -> str:
        """Return 16 hexadecimal digits of the SHA-256 of all that gives codes a meaning.

        Values are taken as they are `rounded`.
        """
        digest = hashlib.sha256(f"{self.rate_hz} {self.decoder.dilations}".encode())
        owners = ("decoder.", "level_", "shape_quantiser.")
        for name, value in sorted(self.state_dict().items()):
            if name.startswith(owners) and not name.endswith((".count", ".total")):
                digest.update(f"{name} {tuple(value.shape)}".encode())
                digest.update(_rounded(value).cpu().numpy().astype("<f4").tobytes())
        return digest.hexdigest()[:16]


class _Part(StreamingModule):
    """One side of a codec, which shares its weights."""

    def __init__(self, codec: Codec) -> None:
        super().__init__()
        self.codec = codec
        self.hop, self.codebooks, self.entries = codec.hop, codec.books, codec.entries

    def hint(self, net: FrameNet, name: str, weights: Mapping[str, str]) -> dict[str, Any]:
        """Return the architecture with the names of the weights in the graph."""
        names = {"level_mean": "codec.level_mean", "level_factor": "codec.level_quantiser.factor"}
        return {
            **self.codec.architecture(),
            "dilations": list(net.dilations),
            "weights": names | dict(weights) | net.weight_names(name),
        }


class _Encoder(_Part):
    """Audio to codes."""

    kind = "encoder"
    channels = (1, 0)

    def __init__(self, codec: Codec) -> None:
        super().__init__(codec)
        self.controls = codec.controls

    @override
    def architecture(self) -> dict[str, Any]:
        names = {
            "level_axes": "codec.level_axes",
            "shape_gain": "codec.shape_gain",
            "level_books": "codec.level_quantiser.book",
            "shape_books": "codec.shape_quantiser.book",
        }
        return self.hint(self.codec.encoder, "encoder", names)

    @override
    def initial_state(self, batch: int = 1) -> State:
        return self.codec.encoder_state(batch)

    @override
    def forward(self, x: Tensor, state: State, knobs: Tensor) -> tuple[Tensor, State]:  # type: ignore[override]
        return self.codec.encode(x, state, knobs[0, 0])


class _Decoder(_Part):
    """Codes to audio."""

    kind = "decoder"
    channels = (0, 1)

    def __init__(self, codec: Codec) -> None:
        super().__init__(codec)
        self.latency_samples = codec.latency_samples

    @override
    def architecture(self) -> dict[str, Any]:
        # The graph looks entries up in tables that belong to no module.
        names = {"level_books": ".weight", "shape_books": ".weight_1"}
        return self.hint(self.codec.decoder, "decoder", names)

    @override
    def initial_state(self, batch: int = 1) -> State:
        return self.codec.decoder_state(batch)

    @override
    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        return self.codec.decode(x, state)


def _rounded(value: Tensor) -> Tensor:
    value = value.detach()
    return value.half().float() if value.numel() > LARGE_VALUES else value


def _inner(prefix: str, state: State) -> State:
    """Return the part of a state whose names begin with a prefix, without it."""
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def _outer(prefix: str, state: State) -> State:
    return {prefix + name: value for name, value in state.items()}
