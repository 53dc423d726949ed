"""A convolutional codec with Snake activations and residual vector quantisation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize
from typing_extensions import override

from export.streaming import State, StreamingModule
from training.models.convolutions import Chain, Convolution, Upsampling
from training.models.geometry import Geometry
from training.models.residual_vector_quantiser import ResidualVectorQuantiser
from training.models.snake import Snake

__all__ = ["ConvolutionalCodec"]

Width = Annotated[int, Field(ge=1, le=4096)]
Rates = Annotated[Sequence[Annotated[int, Field(ge=2, le=64)]], Field(min_length=1, max_length=8)]
MAX_CHANNELS = 4096
"""Channels of the widest layer, so that no configuration asks for more memory than there is."""
DILATIONS = (1, 3, 9)
BRANCH_GAIN = 0.3
"""First gain of the branch of a residual unit, so that a dozen of them do not add up to noise."""
LATENT_GAIN = 4.0
"""First gain of the encoder: excerpts of -24 LUFS get latents as long as the codebooks' entries."""


class ConvolutionalCodec(StreamingModule):
    r"""Audio to codes and back, ``product(encoder_rates)`` samples a frame.

    ::

        audio -> conv 7 -> [ 3 residual units, Snake, conv 2s, stride s ] ... -> Snake -> conv 3
              -> quantiser -> codes [codebooks] a frame -> latent
              -> conv 7 -> [ Snake, transposed conv 2s, stride s, 3 residual units ] ...
              -> Snake -> conv 7 -> tanh -> audio

    Each stage of the encoder doubles the channels, each of the decoder halves them. The whole net
    is a function of audio and state; so is each half: `encode` from audio to codes with the state
    of ``encoder``, `decode` from codes to audio with that of ``decoder``.

    Parameters
    ----------
    encoder_dim, encoder_rates
        Channels after the first convolution, and the strides.
    latent_dim
        Channels of the latent; None: those of the last stage.
    decoder_dim, decoder_rates
        Channels before the first stage of the decoder, and its strides.
    codebooks, codebook_size, codebook_dim, quantiser_dropout
        See `training.models.residual_vector_quantiser.ResidualVectorQuantiser`.
    causal
        Whether every layer looks back only, so that the net streams with no latency but the frame.
        Otherwise the layers are centred: the net has no state and wants a whole signal in one
        piece. Weights of the one form are of no use to the other.

    Raises
    ------
    ValueError
        Strides of the decoder with another product, channels that it cannot halve so often, or a
        layer of more than 4096 channels.

    Notes
    -----
    The defaults have 76,651,890 weights. An untrained net keeps the level of a sound from layer to
    layer, whatever its width.

    Kumar et al.: High-fidelity audio compression with improved RVQGAN, NeurIPS 2023; here causal.

    Examples
    --------
    >>> import torch
    >>> net = ConvolutionalCodec(encoder_dim=4, decoder_dim=32, codebooks=3).eval()
    >>> codes, _ = net.encode(torch.zeros(1, 1, 1024), net.encoder.initial_state())
    >>> audio, _ = net.decode(codes, net.decoder.initial_state())
    >>> tuple(codes.shape), tuple(audio.shape), net.hop
    ((1, 3, 2), (1, 1, 1024), 512)
    """

    def __init__(
        self,
        encoder_dim: Width = 64,
        encoder_rates: Rates = (2, 4, 8, 8),
        latent_dim: Width | None = None,
        decoder_dim: Width = 1536,
        decoder_rates: Rates = (8, 8, 4, 2),
        codebooks: Annotated[int, Field(ge=1, le=64)] = 9,
        codebook_size: Annotated[int, Field(ge=2, le=1 << 16)] = 1024,
        codebook_dim: Annotated[int, Field(ge=1, le=1024)] | list[int] = 8,
        quantiser_dropout: Annotated[float, Field(ge=0, le=1)] = 0.5,
        causal: bool = True,
    ) -> None:
        super().__init__()
        self.hop = math.prod(encoder_rates)
        if math.prod(decoder_rates) != self.hop:
            raise ValueError(
                f"decoder_rates {list(decoder_rates)}: their product is not {self.hop}, "
                "that of encoder_rates"
            )
        if decoder_dim % (1 << len(decoder_rates)):
            raise ValueError(
                f"decoder_dim {decoder_dim}: not a multiple of {1 << len(decoder_rates)}, as it is "
                f"halved {len(decoder_rates)} times"
            )
        widest = encoder_dim << len(encoder_rates)
        latent_dim = latent_dim or widest
        for channels in (widest, latent_dim, decoder_dim):
            if channels > MAX_CHANNELS:
                raise ValueError(f"a layer of {channels} channels; at most {MAX_CHANNELS}")
        self.causal = causal
        self.encoder = _encoder(encoder_dim, encoder_rates, latent_dim, causal)
        self.quantiser = ResidualVectorQuantiser(
            latent_dim,
            codebooks=codebooks,
            codebook_size=codebook_size,
            codebook_dim=codebook_dim,
            dropout=quantiser_dropout,
        )
        self.decoder = _decoder(latent_dim, decoder_dim, decoder_rates, causal)
        self.sizes: dict[str, Any] = {
            "encoder_dim": encoder_dim,
            "encoder_rates": list(encoder_rates),
            "latent_dim": latent_dim,
            "decoder_dim": decoder_dim,
            "decoder_rates": list(decoder_rates),
            "codebooks": codebooks,
            "codebook_size": codebook_size,
            "codebook_dim": codebook_dim,
            "quantiser_dropout": quantiser_dropout,
            "causal": causal,
        }

    @property
    def geometry(self) -> Geometry:
        """The convolutions of encoder and decoder in the order of the signal."""
        return self.encoder.geometry + self.decoder.geometry

    def bitrate_bps(self, rate_hz: int, depth: int | None = None) -> float:
        """Return the bitrate of the codes in bits per second.

        Parameters
        ----------
        rate_hz
            Sample rate.
        depth
            Number of codebooks; None: all.
        """
        books = self.quantiser.codebooks
        used = books if depth is None else depth
        return rate_hz / self.hop * self.quantiser.bits_per_frame * used / books

    @override
    def initial_state(self, batch: int = 1) -> State:
        return _joined(self.encoder.initial_state(batch), self.decoder.initial_state(batch))

    @override
    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        coded, decoded = _parted(state)
        z, coded = self.encoder(x, coded)
        y, decoded = self.decoder(self.quantiser(z).z, decoded)
        return y, _joined(coded, decoded)

    def encode(self, x: Tensor, state: State, depth: int | None = None) -> tuple[Tensor, State]:
        """Return the codes of a block.

        Parameters
        ----------
        x
            float32 (batch, 1, samples), samples a multiple of `hop`.
        state
            Of ``encoder``.
        depth
            Number of codebooks; None: all.

        Returns
        -------
        codes, following
            int64 (batch, depth, frames); the state for the next block.
        """
        z, following = self.encoder(x, state)
        books = self.quantiser.codebooks if depth is None else depth
        return self.quantiser(z, books).codes, following

    def decode(self, codes: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the audio of a block of codes.

        Parameters
        ----------
        codes
            int64 (batch, depth, frames): those of the first ``depth`` codebooks.
        state
            Of ``decoder``.

        Returns
        -------
        y, following
            float32 (batch, 1, frames * hop) in -1 .. 1; the state for the next block.
        """
        y, following = self.decoder(self.quantiser.from_codes(codes), state)
        return y, following

    def reconstruct(self, x: Tensor, depth: int | None = None) -> tuple[Tensor, Tensor]:
        """Code and decode whole signals of any length.

        Parameters
        ----------
        x
            float32 (batch, 1, samples).
        depth
            Number of codebooks; None: all.

        Returns
        -------
        y, codes
            Audio of the same length; int64 (batch, depth, frames).
        """
        batch, _, samples = x.shape
        whole = functional.pad(x, (0, -samples % self.hop))
        codes, _ = self.encode(whole, self.encoder.initial_state(batch), depth)
        y, _ = self.decode(codes, self.decoder.initial_state(batch))
        return y[..., :samples], codes

    @override
    def folded(self) -> ConvolutionalCodec:
        """The net with the gains of weight normalisation multiplied into the weights."""
        # A new net: a deep copy shares the classes from which torch takes the parametrisation.
        net = ConvolutionalCodec(**self.sizes)
        net.load_state_dict(self.state_dict())
        for module in net.modules():
            if isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
                parametrize.remove_parametrizations(module, "weight")
        return net.eval()

    @override
    def architecture(self) -> dict[str, Any]:
        """Sizes, and the cost of a sample; there is no kernel but the graph."""
        macs = self.geometry.macs_per_sample
        return {"type": "convolutional-codec", **self.sizes, "macs_per_sample": round(macs)}


class _ResidualUnit(Chain):
    """x + conv 1 (Snake (conv 7, dilated (Snake (x))))."""

    def __init__(self, channels: int, dilation: int, causal: bool) -> None:
        super().__init__(
            Snake(channels),
            Convolution(channels, channels, 7, dilation=dilation, causal=causal),
            Snake(channels),
            Convolution(channels, channels, 1, causal=causal, gain=BRANCH_GAIN),
        )

    @override
    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        branch, following = super().forward(x, state)
        return x + branch, following


def _encoder(dim: int, rates: Sequence[int], latent_dim: int, causal: bool) -> Chain:
    stages: list[nn.Module] = [Convolution(1, dim, 7, causal=causal)]
    for rate in rates:
        stages += [_ResidualUnit(dim, dilation, causal) for dilation in DILATIONS]
        stages += [Snake(dim), Convolution(dim, 2 * dim, 2 * rate, stride=rate, causal=causal)]
        dim *= 2
    out = Convolution(dim, latent_dim, 3, causal=causal, gain=LATENT_GAIN)
    return Chain(*stages, Snake(dim), out)


def _decoder(latent_dim: int, dim: int, rates: Sequence[int], causal: bool) -> Chain:
    stages: list[nn.Module] = [Convolution(latent_dim, dim, 7, causal=causal)]
    for rate in rates:
        stages += [Snake(dim), Upsampling(dim, dim // 2, 2 * rate, rate, causal=causal)]
        dim //= 2
        stages += [_ResidualUnit(dim, dilation, causal) for dilation in DILATIONS]
    out = Convolution(dim, 1, 7, causal=causal, gain=1 / LATENT_GAIN)
    return Chain(*stages, Snake(dim), out, nn.Tanh())


def _joined(encoder: State, decoder: State) -> State:
    return {f"encoder.{name}": value for name, value in encoder.items()} | {
        f"decoder.{name}": value for name, value in decoder.items()
    }


def _parted(state: State) -> tuple[State, State]:
    def part(prefix: str) -> State:
        return {
            name.removeprefix(prefix): value
            for name, value in state.items()
            if name.startswith(prefix)
        }

    return part("encoder."), part("decoder.")
