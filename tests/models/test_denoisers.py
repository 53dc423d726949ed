"""Denoisers of others against their authors' way: a loop over frames, the transform outside."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import soundfile

from rtaudio.effects.model import Model
from rtaudio.models.loader import load_model
from rtaudio.render import run

pytestmark = pytest.mark.data

CLIP = "p232_001"


@pytest.fixture(scope="module")
def noisy(data_folder):
    file = sorted((data_folder / "denoise_eval" / "vbd17" / "noisy").glob("*.flac"))[0]
    return soundfile.read(file, dtype="float32")[0][:24_000]


def sessions(*paths):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return [onnxruntime.InferenceSession(str(p), options, ["CPUExecutionProvider"]) for p in paths]


def dtln(folder, x):
    first, second = sessions(folder / "dtln" / "model_1.onnx", folder / "dtln" / "model_2.onnx")
    states = np.zeros((1, 2, 128, 2), "f4"), np.zeros((1, 2, 128, 2), "f4")
    seen, summed, out = np.zeros(512), np.zeros(512), []
    for hop in x.reshape(-1, 128):
        seen = np.r_[seen[128:], hop]
        spectrum = np.fft.rfft(seen)
        size, phase = np.abs(spectrum)[None, None].astype("f4"), np.angle(spectrum)
        mask, following = first.run(None, {"input_2": size, "input_3": states[0]})
        frame = np.fft.irfft(size * mask * np.exp(1j * phase)).astype("f4")
        made, last = second.run(None, {"input_4": frame, "input_5": states[1]})
        states = following, last
        summed = np.r_[summed[128:], np.zeros(128)] + made.ravel()
        out.append(summed[:128])
    return np.concatenate(out)


def gtcrn(folder, x):
    (session,) = sessions(folder / "gtcrn" / "gtcrn_simple.onnx")
    root = np.sqrt(np.hanning(513)[:-1])
    return cached(session, root, root, x)


def ulunas(folder, x):
    (session,) = sessions(folder / "ulunas" / "ulunas_stream_simple.onnx")
    hann = np.hanning(513)[:-1]
    return cached(session, hann, hann / (hann**2 + np.roll(hann, 256) ** 2), x)


def cached(session, analysis, synthesis, x):
    """Frames of 512 at a hop of 256, with caches that are handed on."""
    _, *caches = session.get_inputs()
    state = {cache.name: np.zeros(cache.shape, "f4") for cache in caches}
    seen, summed, out = np.zeros(512), np.zeros(512), []
    for hop in x.reshape(-1, 256):
        seen = np.r_[seen[256:], hop]
        spectrum = np.fft.rfft(seen * analysis)
        pairs = np.stack([spectrum.real, spectrum.imag], -1).reshape(1, 257, 1, 2)
        made, *following = session.run(None, {"mix": pairs.astype("f4"), **state})
        state = dict(zip(state, following, strict=True))
        made = made[0, :, 0]
        frame = np.fft.irfft(made[:, 0] + 1j * made[:, 1]) * synthesis
        summed = np.r_[summed[256:], np.zeros(256)] + frame
        out.append(summed[:256])
    return np.concatenate(out)


FAMILIES = {"dtln": (dtln, 128, 384), "gtcrn": (gtcrn, 256, 256), "ulunas": (ulunas, 256, 256)}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, data_folder, noisy):
    """Its folder, the authors' way with it, hop and latency."""
    pipeline, hop, latency = FAMILIES[request.param]
    x = noisy[: len(noisy) // hop * hop]
    return data_folder / "models" / request.param, x, pipeline(data_folder / "models", x), latency


@pytest.mark.parametrize("block", [17, 64, 480, 512, 24_000])
def test_any_block_size_gives_what_the_authors_loop_gives(family, block):
    folder, x, wanted, latency = family
    program = Model(folder).compile(16_000, block, offline=True)
    late = program.latency_samples - latency
    out = run(program, np.pad(x, (0, block - len(x) % block))[None])[0]
    assert np.abs(out[late : len(x)] - wanted[: len(x) - late]).max() <= 1e-5
    assert np.abs(out[:late]).max(initial=0) == 0


def test_the_card_says_the_latency(family):
    folder, _, _, latency = family
    assert load_model(folder).file.card.latency == latency
