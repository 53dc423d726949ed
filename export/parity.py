"""Proof that an exported graph equals its net, and that the net streams."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnxruntime
import torch

from export.errors import ParityError
from export.streaming import StreamingModule
from rtaudio.models.contract.card import GOLDEN_TOLERANCE, ModelFile
from rtaudio.runtime.memory import Array, Floats

__all__ = ["Parity", "check_parity", "run_onnx", "run_torch"]


TOLERANCE = 1e-5
CODES_TOLERANCE = 0.005
SAMPLES = 24_000
OWN_DELAY_S = 0.001
"""A net may respond later than its reported latency by this much, like the gear it models."""

SETTLE = 8192
"""Samples of silence before an impulse, for the net to settle."""


@dataclass(frozen=True)
class Parity:
    """The measured differences and latency.

    Attributes
    ----------
    onnx_error
        Largest difference between graph and net, relative to the larger of the output's peak and 1;
        for an encoder the share of codes that differ.
    streaming_error
        The same between the net in blocks and in one piece.
    latency_samples
        Where the response to an impulse has its peak; None if the net is too non-linear to tell, or
        only one half of a codec.
    """

    onnx_error: float
    streaming_error: float
    latency_samples: int | None


def check_parity(net: StreamingModule, model: ModelFile) -> Parity:
    """Compare net and graph on half a second of signal, whole and in blocks of random sizes.

    Parameters
    ----------
    net
        The net, in evaluation mode.
    model
        The graph made from it.

    Returns
    -------
    Parity
        Largest absolute differences (relative to the output's peak where that is above 1).

    Raises
    ------
    ParityError
        The net in blocks differs from the net in one piece by more than 1e-5, the graph in blocks
        differs from it by more than 2e-5 (ONNX Runtime rounds its tanh in another way, and a net of
        high gain magnifies that), or the reported latency is outside the impulse response. The
        codes of an encoder may differ where two entries are equally near, in 0.5 % of all.
    """
    signal = probe(net, SAMPLES)
    blocks = whole_blocks(net, signal) if net.hop else random_blocks(signal.shape[1])
    whole = run_torch(net, signal, [signal.shape[1]])
    if not np.isfinite(whole).all():
        raise ParityError("the net's output holds NaN or infinity; train it again")
    streaming_error = _difference(run_torch(net, signal, blocks), whole)
    if not streaming_error <= (CODES_TOLERANCE if net.kind == "encoder" else TOLERANCE):
        raise ParityError(
            f"the net does not stream: in blocks it differs by {streaming_error:.2g} from one "
            "piece; keep all of its memory in the state, and use no later samples"
        )
    onnx_error = _difference(run_onnx(model, signal, blocks), whole)
    if net.kind == "encoder" and onnx_error > CODES_TOLERANCE:
        raise ParityError(
            f"ONNX Runtime and PyTorch differ in {onnx_error:.2%} of the codes; keep all of the "
            "net's memory in the state"
        )
    if net.kind != "encoder" and not onnx_error <= GOLDEN_TOLERANCE:
        raise ParityError(
            f"ONNX Runtime and PyTorch differ by {onnx_error:.2g}, more than "
            f"{GOLDEN_TOLERANCE:.0e}; keep all of the net's memory in the state"
        )
    latency = _check_latency(net, model) if net.kind == "effect" else None
    return Parity(onnx_error, streaming_error, latency)


def ends(kind: str) -> tuple[str, str]:
    """Return the names of what goes into the graph of a model of a kind, and what comes out."""
    return (
        "codes" if kind == "decoder" else "audio",
        "codes" if kind == "encoder" else "audio_out",
    )


def probe(net: StreamingModule, samples: int) -> Array:
    """Return a test signal, never silent: `plucks` as audio, `random_codes` for a decoder.

    Parameters
    ----------
    net
        The net to play it through.
    samples
        Length in samples, which is rounded up to whole hops.
    """
    if net.hop:
        samples = -(-samples // net.hop) * net.hop
    if net.kind == "decoder":
        return random_codes(net, samples // net.hop)
    return plucks(net.channels[0], samples)


def plucks(channels: int, samples: int) -> Floats:
    """Return decaying plucks over noise that fades in, with a peak of about 0.5.

    Parameters
    ----------
    channels
        Number of channels.
    samples
        Length.

    Returns
    -------
    numpy.ndarray
        float32 (channels, samples).
    """
    generator = np.random.default_rng(1)
    time = np.arange(samples)
    pluck = np.exp(-(time % 3000) / 900) * np.sin(2 * np.pi * 0.004 * time * (1 + time // 3000))
    noise = generator.standard_normal((channels, samples)) * (0.02 * (time + 1) / samples)
    return np.asarray(0.4 * pluck + noise, np.float32)


def random_codes(net: StreamingModule, frames: int) -> Array:
    """Return random codes of a decoder, of which random numbers of books are sent.

    Parameters
    ----------
    net
        The decoder.
    frames
        Number of frames.

    Returns
    -------
    numpy.ndarray
        int64 (codebooks, frames), with -1 in what was not sent; a seventh of the frames is lost.
    """
    generator = np.random.default_rng(1)
    codes = generator.integers(0, net.entries, (net.codebooks, frames))
    sent = generator.integers(1, net.codebooks + 1, frames)
    sent[generator.random(frames) < 1 / 7] = 0
    return np.where(np.arange(net.codebooks)[:, None] < sent, codes, -1)


def whole_blocks(net: StreamingModule, signal: Array) -> list[int]:
    """Return the sizes of all blocks of a signal for a net with a hop: a hop, or a frame of codes.

    Parameters
    ----------
    net
        The net.
    signal
        Its input, of whole hops.
    """
    size = 1 if net.kind == "decoder" else net.hop
    return [size] * (signal.shape[1] // size)


def random_blocks(samples: int) -> list[int]:
    """Return block sizes from 1 to 997 that add up to a length."""
    generator = np.random.default_rng(2)
    sizes: list[int] = []
    while (left := samples - sum(sizes)) > 0:
        sizes.append(min(left, int(generator.choice([1, 2, 17, 64, 441, 997]))))
    return sizes


@torch.inference_mode()
def run_torch(net: StreamingModule, signal: Array, blocks: list[int]) -> Array:
    """Play a signal through a net, from the zero state, with knobs at their defaults.

    Parameters
    ----------
    net
        The net.
    signal
        float32 (channels, samples), or int64 (codebooks, frames).
    blocks
        Sizes of the blocks, which add up to the length.

    Returns
    -------
    numpy.ndarray
        float32 (channels, samples), or int64 (codebooks, frames).
    """
    state = net.initial_state()
    knobs = [torch.tensor([[c.default for c in net.controls]])] if net.controls else []
    pieces = []
    for piece in torch.tensor(signal)[None].split(blocks, dim=-1):
        y, state = net(piece, state, *knobs)
        pieces.append(y[0])
    return np.asarray(torch.cat(pieces, dim=-1).numpy())


def run_onnx(model: ModelFile, signal: Array, blocks: list[int]) -> Array:
    """Play a signal through ONNX Runtime, from the zero state, with knobs at their defaults.

    Parameters
    ----------
    model
        The model file.
    signal
        float32 (channels, samples), or int64 (codebooks, frames).
    blocks
        Sizes of the blocks, which add up to the length.

    Returns
    -------
    numpy.ndarray
        float32 (channels, samples), or int64 (codebooks, frames).
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.data, options, providers=["CPUExecutionProvider"])
    source, sink = ends(model.card.kind)
    outputs = [sink, *(s.output_name for s in model.states)]
    fixed = {}
    if model.has_params:
        fixed["params"] = np.array([[p.default for p in model.card.parameters]], np.float32)
    state = [s.zeros() for s in model.states]
    pieces = []
    for piece in np.split(signal[None], np.cumsum(blocks)[:-1], axis=-1):
        feeds = dict(zip((s.input_name for s in model.states), state, strict=True))
        y, *state = session.run(outputs, {source: piece, **fixed, **feeds})
        pieces.append(y[0])
    return np.concatenate(pieces, axis=-1)


def _difference(a: Array, b: Array) -> float:
    """Return the largest error relative to the peak of ``b``, or the share of codes that differ."""
    if a.shape != b.shape:
        raise ParityError(
            f"the output has the shape {a.shape} in blocks, {b.shape} in one piece; return as many "
            "samples as go in, or a frame of codes per hop"
        )
    if b.dtype.kind == "i":
        return float(np.mean(a != b))
    return float(np.abs(a - b).max() / max(1.0, float(np.abs(b).max())))


def _check_latency(net: StreamingModule, model: ModelFile) -> int | None:
    """Check that the reported latency is within the impulse response, or just before it.

    Returns the peak of the response, or None if it is too far from linear.
    """
    card = model.card
    length = 2 * card.latency_samples + 4096
    silence = np.zeros_like(probe(net, SETTLE + length))
    blocks = whole_blocks(net, silence) if net.hop else [silence.shape[1]]
    rest = run_torch(net, silence, blocks)
    responses = []
    for level in (0.01, 0.02):
        struck = silence.copy()
        struck[:, SETTLE] = level
        difference = (run_torch(net, struck, blocks) - rest)[:, SETTLE:]
        responses.append(difference.astype(np.float64).sum(axis=0) / level)
    soft, loud = responses
    if not np.abs(soft).max() > 1e-3 or np.abs(soft - loud).max() > 0.1 * np.abs(soft).max():
        return None
    present = np.flatnonzero(np.abs(soft) > 0.01 * np.abs(soft).max())
    first, last = int(present[0]), int(present[-1])
    # A net that learnt from gear may respond a little later than it could.
    own_delay = round(OWN_DELAY_S * card.rate_hz)
    if not first - own_delay <= card.latency_samples <= last:
        raise ParityError(
            f"latency {card.latency_samples} is reported, but the response to an impulse spans "
            f"samples {first} to {last}; report the true latency, or align the training data"
        )
    return int(np.abs(soft).argmax())
