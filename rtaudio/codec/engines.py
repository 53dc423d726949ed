"""The engines of a codec's files: the native kernel where it proves itself, else ONNX Runtime.

An engine has a name, and makes streams; all streams of one engine share its weights. The native
engine of a side is taken if it reproduces the golden vector of the file: an encoder all codes, a
decoder to `GOLDEN_TOLERANCE`. On other sounds two engines may choose different entries where two
sums of entries are equally close to float32's precision; either is as good as the other.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rtaudio.codec.codes import Codes
from rtaudio.models.contract.card import GOLDEN_TOLERANCE, ModelFile
from rtaudio.models.net.codec import CodecDecoder, CodecEncoder
from rtaudio.models.net.from_codec_graph import codec_net_of
from rtaudio.runtime.denormals import flushed_denormals
from rtaudio.runtime.kernels.codec.decoder import PackedDecoder
from rtaudio.runtime.kernels.codec.encoder import PackedEncoder
from rtaudio.runtime.memory import Floats, aligned
from rtaudio.runtime.stepped import Stepped

__all__ = ["DecoderEngine", "EncoderEngine", "decoder_engine", "encoder_engine"]


class EncoderStream(Protocol):
    """Encodes one frame after the other."""

    def encode(self, frame: Floats, books: int) -> NDArray[Any]:
        """Return the codes of the next frame, ``[books]``; the next call overwrites them.

        Parameters
        ----------
        frame
            float32 ``[hop]``.
        books
            How many books to send.
        """

    def clear(self) -> None:
        """Forget the past."""


class DecoderStream(Protocol):
    """Decodes one frame after the other."""

    def decode(self, codes: Codes) -> Floats:
        """Return float32 ``[hop]`` of codes ``[books]``; it is overwritten later."""

    def clear(self) -> None:
        """Forget the past."""


class EncoderEngine(Protocol):
    """Makes streams of an encoder."""

    name: str

    def stream(self) -> EncoderStream:
        """Return a stream at its start."""


class DecoderEngine(Protocol):
    """Makes streams of a decoder."""

    name: str

    def stream(self) -> DecoderStream:
        """Return a stream at its start."""


def encoder_engine(file: ModelFile) -> EncoderEngine:
    """Return the engine of an encoder's file."""
    net = codec_net_of(file)
    if isinstance(net, CodecEncoder):
        engine = _NativeEncoderEngine(net)
        golden = np.zeros(file.golden_output.shape[1] * net.hop, np.float32)
        golden[: file.golden_input.shape[1]] = file.golden_input[0]
        books, stream = round(file.card.parameters[0].default), engine.stream()
        codes = [stream.encode(frame, books).copy() for frame in golden.reshape(-1, net.hop)]
        if np.array_equal(np.transpose(codes), file.golden_output):
            return engine
    return _OnnxEncoderEngine(file)


def decoder_engine(file: ModelFile) -> DecoderEngine:
    """Return the engine of a decoder's file."""
    net = codec_net_of(file)
    if isinstance(net, CodecDecoder):
        engine = _NativeDecoderEngine(net)
        stream, golden = engine.stream(), file.golden_output[0]
        played = np.concatenate([stream.decode(codes).copy() for codes in file.golden_input.T])
        error = np.max(np.abs(played[: golden.size] - golden))
        if error <= GOLDEN_TOLERANCE * max(1.0, np.max(np.abs(golden))):
            return engine
    return _OnnxDecoderEngine(file)


class _NativeEncoderEngine:
    name = "native"

    def __init__(self, net: CodecEncoder) -> None:
        self._packed = PackedEncoder(net)

    def stream(self) -> EncoderStream:
        return _NativeEncoder(self._packed)


class _NativeEncoder:
    def __init__(self, packed: PackedEncoder) -> None:
        self._books = aligned(1)
        self._stepped = Stepped(packed.node(self._books), packed.hop, packed.books)
        self.clear = self._stepped.clear

    def encode(self, frame: Floats, books: int) -> NDArray[Any]:
        self._books[0] = books
        self._stepped.source[:] = frame
        self._stepped.step()
        return self._stepped.result


class _NativeDecoderEngine:
    name = "native"

    def __init__(self, net: CodecDecoder) -> None:
        self._packed = PackedDecoder(net)

    def stream(self) -> DecoderStream:
        return _NativeDecoder(self._packed)


class _NativeDecoder:
    def __init__(self, packed: PackedDecoder) -> None:
        self._stepped = Stepped(packed.node(), packed.books, packed.hop)
        self.clear = self._stepped.clear

    def decode(self, codes: Codes) -> Floats:
        self._stepped.source[:] = codes
        self._stepped.step()
        return self._stepped.result


class _OnnxEngine:
    """A session of ONNX Runtime in the calling thread, which all streams share."""

    name = "onnx"

    def __init__(self, file: ModelFile) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            file.data, options, providers=["CPUExecutionProvider"]
        )
        self.states = file.states


class _OnnxEncoderEngine(_OnnxEngine):
    def stream(self) -> EncoderStream:
        return _OnnxEncoder(self)


class _OnnxDecoderEngine(_OnnxEngine):
    def stream(self) -> DecoderStream:
        return _OnnxDecoder(self)


class _OnnxStream:
    """The state of one stream."""

    def __init__(self, engine: _OnnxEngine) -> None:
        self._engine = engine
        self._outputs = [state.output_name for state in engine.states]
        self.clear()

    def clear(self) -> None:
        self._past = {state.input_name: state.zeros() for state in self._engine.states}

    def _run(self, output: str, feeds: dict[str, NDArray[Any]]) -> NDArray[Any]:
        result: NDArray[Any]
        with flushed_denormals():  # the runtime's own option would leave them so in this thread
            result, *following = self._engine.session.run(
                [output, *self._outputs], feeds | self._past
            )
        self._past = dict(zip(self._past, following, strict=True))
        return result


class _OnnxEncoder(_OnnxStream):
    def encode(self, frame: Floats, books: int) -> NDArray[Any]:
        params = np.array([[books]], np.float32)
        return np.asarray(
            self._run("codes", {"audio": frame.reshape(1, 1, -1), "params": params})[0, :, 0]
        )


class _OnnxDecoder(_OnnxStream):
    def decode(self, codes: Codes) -> Floats:
        return np.asarray(self._run("audio_out", {"codes": codes.reshape(1, -1, 1)})[0, 0])
