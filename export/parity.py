"""Proof that an exported graph is the net it was made from, and that the net streams."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnxruntime
import torch

from export.streaming import StreamingModule
from rtaudio.errors import RtaudioError
from rtaudio.models.contract.card import ModelFile
from rtaudio.models.loader import GOLDEN_TOLERANCE
from rtaudio.runtime.memory import Floats

__all__ = ["Parity", "check_parity", "run_onnx", "run_torch"]


TOLERANCE = 1e-5
SAMPLES = 24_000
OWN_DELAY_S = 0.001
"""How much later than its reported latency a net may begin to respond, as the gear it copies."""

SETTLE = 8192
"""Samples of silence before an impulse, so that a net's own start has died away."""


class ParityError(RtaudioError):
    """The graph and the net disagree, or the net does not stream; the text says which and where."""


@dataclass(frozen=True)
class Parity:
    """What was measured: largest differences, and the latency in samples.

    ``latency_samples`` is None where the response to an impulse is too far from linear to tell.
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
        Net in blocks != net in one piece (by more than 1e-5), graph in blocks != net in one piece
        (by more than 2e-5: ONNX Runtime rounds its tanh in another way, which a net of high gain
        magnifies), or a reported latency outside the impulse response.
    """
    signal = probe(model.card.channels[0], SAMPLES, model.card.hop)
    blocks = random_blocks(signal.shape[1], model.card.hop)
    whole = run_torch(net, signal, [signal.shape[1]])
    if not np.isfinite(whole).all():
        raise ParityError("the net's output holds NaN or infinity")
    streaming_error = _difference(run_torch(net, signal, blocks), whole)
    if not streaming_error <= TOLERANCE:
        raise ParityError(
            f"the net does not stream: in blocks it differs by {streaming_error:.2g} from one "
            "piece; carry all of its memory in the state and look at no sample to come"
        )
    onnx_error = _difference(run_onnx(model, signal, blocks), whole)
    if not onnx_error <= GOLDEN_TOLERANCE:
        raise ParityError(
            f"ONNX Runtime and PyTorch differ by {onnx_error:.2g} (allowed {GOLDEN_TOLERANCE:.0e})"
        )
    return Parity(onnx_error, streaming_error, _check_latency(net, model))


def probe(channels: int, samples: int, hop: int) -> Floats:
    """Test signal, shape (channels, samples rounded up to whole hops), peak about 0.5.

    Decaying plucks over noise that fades in: loud and soft, tonal and not, never silent.
    """
    if hop:
        samples = -(-samples // hop) * hop
    generator = np.random.default_rng(1)
    time = np.arange(samples)
    pluck = np.exp(-(time % 3000) / 900) * np.sin(2 * np.pi * 0.004 * time * (1 + time // 3000))
    noise = generator.standard_normal((channels, samples)) * (0.02 * (time + 1) / samples)
    return (0.4 * pluck + noise).astype(np.float32)


def random_blocks(samples: int, hop: int) -> list[int]:
    """Block sizes that add up to ``samples``: all equal to ``hop``, or random from 1 to 997."""
    if hop:
        return [hop] * (samples // hop)
    generator = np.random.default_rng(2)
    sizes: list[int] = []
    while (left := samples - sum(sizes)) > 0:
        sizes.append(min(left, int(generator.choice([1, 2, 17, 64, 441, 997]))))
    return sizes


@torch.inference_mode()
def run_torch(net: StreamingModule, signal: Floats, blocks: list[int]) -> Floats:
    """Play ``signal`` (channels, samples) through the net, from the zero state, block by block."""
    state = net.initial_state()
    knobs = [torch.tensor([[c.default for c in net.controls]])] if net.controls else []
    pieces = []
    for piece in torch.tensor(signal)[None].split(blocks, dim=-1):
        y, state = net(piece, state, *knobs)
        pieces.append(y[0])
    return torch.cat(pieces, dim=-1).numpy()


def run_onnx(model: ModelFile, signal: Floats, blocks: list[int]) -> Floats:
    """The same through ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.data, options, providers=["CPUExecutionProvider"])
    outputs = ["audio_out", *(s.output_name for s in model.states)]
    fixed = {}
    if model.has_params:
        fixed["params"] = np.array([[p.default for p in model.card.parameters]], np.float32)
    state = [s.zeros() for s in model.states]
    pieces = []
    for piece in np.split(signal[None], np.cumsum(blocks)[:-1], axis=-1):
        feeds = dict(zip((s.input_name for s in model.states), state, strict=True))
        y, *state = session.run(outputs, {"audio": piece, **fixed, **feeds})
        pieces.append(y[0])
    return np.concatenate(pieces, axis=-1)


def _difference(a: Floats, b: Floats) -> float:
    if a.shape != b.shape:
        raise ParityError(f"output of shape {a.shape} in blocks, {b.shape} in one piece")
    return float(np.abs(a - b).max() / max(1.0, float(np.abs(b).max())))


def _check_latency(net: StreamingModule, model: ModelFile) -> int | None:
    """The reported latency must lie within the impulse response, or just before it."""
    card = model.card
    length = 2 * card.latency_samples + 4096
    silence = np.zeros_like(probe(card.channels[0], SETTLE + length, card.hop))
    blocks = [silence.shape[1]] if not card.hop else random_blocks(silence.shape[1], card.hop)
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
    # What was learnt from gear may respond a little later than it could.
    own_delay = round(OWN_DELAY_S * card.rate_hz)
    if not first - own_delay <= card.latency_samples <= last:
        raise ParityError(
            f"latency {card.latency_samples} is reported, but the response to an impulse spans "
            f"samples {first} to {last}; report the true latency, or align the training data"
        )
    return int(np.abs(soft).argmax())
