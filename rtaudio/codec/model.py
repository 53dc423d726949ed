"""CodecModel: an encoder and a decoder that belong together, and streams of frames through them."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rtaudio.codec.codes import Codes
from rtaudio.codec.engines import (
    DecoderEngine,
    EncoderEngine,
    decoder_engine,
    encoder_engine,
)
from rtaudio.errors import ContractError, ParameterError, first_fault, out_of_range
from rtaudio.models.contract.card import ModelFile
from rtaudio.models.contract.check import read_model
from rtaudio.runtime.memory import Floats, return_freed

ENCODER, DECODER = ".encoder.onnx", ".decoder.onnx"
"""Endings of the names of the two files; what comes before is the same."""

BOOKS = "books"
"""The encoder's parameter: how many books it sends."""


class _Architecture(BaseModel):
    """What the cards of both files say about the codes."""

    model_config = ConfigDict(strict=True, extra="ignore")

    codec: Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]
    entries: Annotated[int, Field(ge=2, le=1 << 16)]


class CodecModel:
    """A codec: audio to codes, and codes to audio, by two model files.

    Parameters
    ----------
    encoder, decoder
        The files.

    Attributes
    ----------
    encoder, decoder
        The files, read anew each time: a codec holds only the weights that are played.
    encoder_engine, decoder_engine
        What plays them, made on first use.
    name
        The common part of their file names.
    id
        Hexadecimal; the same for two files that belong together, and in what they write.
    rate_hz, hop
        Sample rate, and samples per frame.
    books, least_books
        Most and least codes per frame.
    bits
        Bits per code.
    latency_samples
        Of both together; a frame has to be complete before it is encoded, which is a hop more.

    Raises
    ------
    ContractError
        They are no encoder and decoder, or do not belong together.

    Examples
    --------
    >>> codec = read_codec("presets/models/codec-voice")            # doctest: +SKIP
    >>> codec.kbps(12)                                              # doctest: +SKIP
    6.0
    """

    def __init__(self, encoder: ModelFile, decoder: ModelFile) -> None:
        self._paths, self._cards = (encoder.path, decoder.path), (encoder.card, decoder.card)
        for file, kind in ((encoder, "encoder"), (decoder, "decoder")):
            if file.card.kind != kind:
                raise ContractError(
                    f"{file.path}: a model of the kind {file.card.kind!r}; here must be the {kind} "
                    "of a codec"
                )
        one, other = _architecture(encoder), _architecture(decoder)
        channels = encoder.card.channels[0], decoder.card.channels[1]
        same = (
            one == other
            and encoder.codes_shape == decoder.codes_shape
            and (encoder.card.rate_hz, encoder.card.hop) == (decoder.card.rate_hz, decoder.card.hop)
        )
        if not same:
            raise ContractError(
                f"{decoder.path}: does not belong to {encoder.path.name}; export both again"
            )
        assert encoder.codes_shape is not None
        self.books, frames = encoder.codes_shape
        if channels != (1, 1) or frames != 1 or one.entries & (one.entries - 1):
            raise ContractError(
                f"{encoder.path}: {channels[0]} channels, {frames} frames per hop and "
                f"{one.entries} entries per book; a codec needs 1, 1 and a power of two"
            )
        knobs = {parameter.name: parameter for parameter in encoder.card.parameters}
        if list(knobs) != [BOOKS] or decoder.card.parameters:
            raise ContractError(
                f"{encoder.path}: an encoder needs the parameter {BOOKS!r} and no other, a decoder "
                "none; export both again"
            )
        self.least_books = round(knobs[BOOKS].min)
        self.name = encoder.path.name.removesuffix(ENCODER)
        self.id = one.codec
        self.bits = one.entries.bit_length() - 1
        self.rate_hz, self.hop = encoder.card.rate_hz, encoder.card.hop
        self.latency_samples = encoder.card.latency_samples + decoder.card.latency_samples

    @property
    def encoder(self) -> ModelFile:
        """The file of the encoder."""
        return self._read(0)

    @property
    def decoder(self) -> ModelFile:
        """The file of the decoder."""
        return self._read(1)

    def _read(self, side: int) -> ModelFile:
        file = read_model(self._paths[side])
        if file.card != self._cards[side]:
            raise ContractError(f"{file.path}: changed while it was in use; start again")
        return file

    @cached_property
    def encoder_engine(self) -> EncoderEngine:
        """What plays the encoder."""
        engine = encoder_engine(self.encoder)
        return_freed()  # the file was read: twice its size, and its weights are packed by now
        return engine

    @cached_property
    def decoder_engine(self) -> DecoderEngine:
        """What plays the decoder."""
        engine = decoder_engine(self.decoder)
        return_freed()
        return engine

    def kbps(self, books: int) -> float:
        """Return the bitrate of a number of books, in kbit/s."""
        return books * self.bits * self.rate_hz / self.hop / 1000.0

    def books_for(self, kbps: float) -> int:
        """Return the number of books whose bitrate is the nearest to the given one.

        Raises
        ------
        ParameterError
            The codec has no such bitrate.
        """
        low, high = self.kbps(self.least_books), self.kbps(self.books)
        if not low <= kbps <= high:
            raise ParameterError(out_of_range("bitrate", f"{kbps:g}", low, high, "kbit/s"))
        return round(kbps / self.kbps(1))


def _architecture(file: ModelFile) -> _Architecture:
    try:
        return _Architecture.model_validate(file.card.architecture)
    except ValidationError as error:
        raise ContractError(
            f"{file.path}: architecture.{first_fault(error, _Architecture)}; no codec of rtaudio"
        ) from None


def codec_files(path: str | Path) -> tuple[Path, Path]:
    """Return the encoder and the decoder of a codec.

    Parameters
    ----------
    path
        As for `read_codec`.

    Examples
    --------
    >>> [file.name for file in codec_files("codec-voice.decoder.onnx")]
    ['codec-voice.encoder.onnx', 'codec-voice.decoder.onnx']
    """
    text = str(path)
    start = next((text.removesuffix(s) for s in (ENCODER, DECODER) if text.endswith(s)), text)
    return Path(start + ENCODER), Path(start + DECODER)


def read_codec(path: str | Path) -> CodecModel:
    """Read and check the two files of a codec.

    Parameters
    ----------
    path
        One of the two files (``NAME.encoder.onnx``, ``NAME.decoder.onnx``), or their common start
        ``NAME``.

    Raises
    ------
    FileNotFoundError
        One of the files is missing.
    ContractError
        They are no codec.
    """
    files = codec_files(path)
    for file in files:
        if not file.exists():
            raise FileNotFoundError(f"{file}: no such model file; a codec is two files")
    return CodecModel(*map(read_model, files))


class FrameEncoder:
    """Encodes frame by frame.

    A frame that holds NaN or infinity makes codes without meaning as long as the net remembers it,
    the sum of its dilations in frames. Then the shape is that of a stream without it, and so are
    the levels as soon as the decoder's prediction has forgotten.

    Parameters
    ----------
    codec
        The codec.

    Examples
    --------
    >>> encoder = FrameEncoder(codec)                               # doctest: +SKIP
    >>> encoder.encode(np.zeros(960, np.float32), books=12).shape   # doctest: +SKIP
    (24, 1)
    """

    def __init__(self, codec: CodecModel) -> None:
        self._codec, self._stream = codec, codec.encoder_engine.stream()

    def twin(self) -> FrameEncoder:
        """Return another stream, at its start, through the same net in memory."""
        return FrameEncoder(self._codec)

    def clear(self) -> None:
        """Forget the past: the next frame is the first of a stream."""
        self._stream.clear()

    def encode(self, audio: Floats, books: int) -> Codes:
        """Encode the next frames.

        Parameters
        ----------
        audio
            float32 ``[samples]``, whole frames.
        books
            How many books to send, ``least_books`` .. ``books`` of the codec.

        Returns
        -------
        numpy.ndarray
            int64 ``[codec.books, frames]``; -1 in the books that are not sent.
        """
        codec = self._codec
        frames = audio.reshape(-1, codec.hop)
        codes = np.empty((codec.books, len(frames)), np.int64)
        for number, frame in enumerate(frames):
            codes[:, number] = self._stream.encode(frame, books)
        return codes


class FrameDecoder:
    """Decodes frame by frame.

    Parameters
    ----------
    codec
        The codec.

    Examples
    --------
    >>> FrameDecoder(codec).decode(codes).shape                     # doctest: +SKIP
    (960,)
    """

    def __init__(self, codec: CodecModel) -> None:
        self._codec, self._stream = codec, codec.decoder_engine.stream()

    def twin(self) -> FrameDecoder:
        """Return another stream, at its start, through the same net in memory."""
        return FrameDecoder(self._codec)

    def clear(self) -> None:
        """Forget the past: the next frame is the first of a stream."""
        self._stream.clear()

    def decode(self, codes: Codes) -> Floats:
        """Decode the next frames.

        Parameters
        ----------
        codes
            int64 ``[codec.books, frames]``; -1 for a code that did not come, a column of -1 for a
            lost frame.

        Returns
        -------
        numpy.ndarray
            float32 ``[samples]``.
        """
        played = np.empty((codes.shape[1], self._codec.hop), np.float32)
        for frame, column in zip(played, codes.T, strict=True):
            frame[:] = self._stream.decode(column)
        return played.reshape(-1)
