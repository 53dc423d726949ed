"""Spectral streaming: exact delay, any blocks, the transform against numpy, bad windows refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from scipy.signal import get_window  # noqa: E402

from export.exporter import export_model  # noqa: E402
from export.layers import Gru  # noqa: E402
from export.parity import run_torch  # noqa: E402
from export.spectral import Fourier, OverlapAdd  # noqa: E402
from export.streaming import StreamingModule  # noqa: E402
from rtaudio.effects.model import Model  # noqa: E402
from rtaudio.models.contract.check import read_model  # noqa: E402
from rtaudio.preset.load import load_preset  # noqa: E402
from rtaudio.runtime.offline import run  # noqa: E402

CARD = {"name": "test", "sample_rate": 48000, "license": "Apache-2.0", "provenance": {}}
BLOCKS = (1, 32, 64, 100, 128, 441, 480, 512, 1024)
SIZES = [(n_fft, n_fft // part) for n_fft in (512, 1024, 2048) for part in (4, 2)]
NOISE = np.random.default_rng(0).uniform(-0.9, 0.9, 12_000).astype(np.float32)


def hann(n):
    return get_window("hann", n)


class Identity(StreamingModule):
    def initial_state(self, batch=1):
        return {}

    def forward(self, x, state):
        return x, state


class Late(StreamingModule):
    """Returns each frame ``frames`` frames later."""

    def __init__(self, frames, bins):
        super().__init__()
        self.shape = (2, frames, bins)

    def initial_state(self, batch=1):
        return {"line": torch.zeros(batch, *self.shape)}

    def forward(self, x, state):
        line = torch.cat([state["line"], x], dim=2)
        return line[:, :, : x.shape[2]], {"line": line[:, :, x.shape[2] :]}


class Recurrent(StreamingModule):
    """A gain per bin that depends on all frames so far."""

    def __init__(self, bins):
        super().__init__()
        torch.manual_seed(0)
        self.gru = Gru(bins, 8)
        self.head = torch.nn.Linear(8, bins)

    def initial_state(self, batch=1):
        return self.gru.initial_state(batch)

    def forward(self, x, state):
        level = (x.square().sum(1) + 1e-9).sqrt().log10().transpose(0, 1)
        features, state = self.gru(level, state)
        return x * torch.sigmoid(self.head(features)).transpose(0, 1)[:, None], state


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The model file of a net at a size, made once."""
    folder, made = tmp_path_factory.mktemp("spectral"), {}

    def get(kind, n_fft, hop):
        name = f"{kind}-{n_fft}-{hop}.onnx"
        if name not in made:
            inner = Identity() if kind == "identity" else Recurrent(n_fft // 2 + 1)
            net = OverlapAdd(inner, n_fft=n_fft, hop=hop).eval()
            made[name] = net, folder / name, export_model(net, CARD, folder / name)
        return made[name]

    return get


@pytest.mark.parametrize(("n_fft", "hop"), SIZES)
def test_identity_is_a_delay_of_the_reported_latency(exported, n_fft, hop):
    net, _, parity = exported("identity", n_fft, hop)
    assert parity.latency_samples == net.latency_samples == n_fft - hop
    signal = NOISE[None, : len(NOISE) // hop * hop]
    out = run_torch(net, signal, [signal.shape[1]])[0]
    assert np.abs(out[: net.latency_samples]).max() <= 1e-6
    assert np.abs(out[net.latency_samples :] - signal[0, : -net.latency_samples]).max() <= 1e-6


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize(("n_fft", "hop"), SIZES)
def test_the_engine_plays_the_identity_as_a_delay(exported, n_fft, hop, block):
    """With the host's own part the latency is n_fft - gcd(block, hop)."""
    _, path, _ = exported("identity", n_fft, hop)
    program = Model(path).compile(48000, block, offline=True)
    late = program.latency_samples
    assert late == n_fft - math.gcd(block, hop)
    signal = NOISE[: len(NOISE) // block * block]
    out = run(program, signal[None])[0]
    assert np.abs(out[late:] - signal[:-late]).max() <= 1e-6
    assert np.abs(out[:late]).max() <= 1e-6


@pytest.mark.parametrize("block", BLOCKS)
def test_a_recurrent_net_plays_alike_at_every_block_size(exported, block):
    net, path, _ = exported("recurrent", 512, 128)
    signal = NOISE[: len(NOISE) // 128 * 128]
    whole = run_torch(net, signal[None], [len(signal)])[0]
    program = Model(path).compile(48000, block, offline=True)
    added = program.latency_samples - net.latency_samples
    out = run(program, np.pad(signal, (0, -len(signal) % block))[None])[0]
    length = min(len(whole), len(out) - added)
    assert np.abs(out[added : added + length] - whole[:length]).max() <= 1e-5


@pytest.mark.parametrize(("n_fft", "hop"), [(64, 16), (64, 32), (60, 15)])
def test_frames_and_sum_are_those_of_an_uncentred_transform(n_fft, hop):
    """A net that changes frames, against a plain loop over the whole signal."""
    torch.manual_seed(0)
    bins = n_fft // 2 + 1
    mask = torch.randn(bins)

    class Mask(Identity):
        def forward(self, x, state):
            return x.square() * mask, state

    net = OverlapAdd(Mask(), n_fft=n_fft, hop=hop)
    samples = 40 * hop
    out = run_torch(net, NOISE[None, :samples], [samples])[0]

    root = np.sqrt(hann(n_fft))
    seen = np.concatenate([np.zeros(n_fft - hop), NOISE[:samples]])
    summed = np.zeros_like(seen)
    for start in range(0, samples, hop):
        spectrum = np.fft.rfft(root * seen[start : start + n_fft])
        changed = (spectrum.real**2 + 1j * spectrum.imag**2) * mask.numpy()
        summed[start : start + n_fft] += root * np.fft.irfft(changed, n_fft)
    summed /= (root**2).reshape(-1, hop).sum(0).mean()
    np.testing.assert_allclose(out, summed[:samples], atol=2e-5)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(2, 130), seed=st.integers(0, 99))
def test_the_graph_s_transform_is_the_fourier_transform(n, seed):
    """The two stages in matrices, for any length: even, odd, prime."""
    generator = np.random.default_rng(seed)
    analysis, synthesis = generator.uniform(0.1, 1, (2, n))
    fourier = Fourier(analysis, synthesis)
    frames = generator.standard_normal((1, 3, n))
    spectra = np.fft.rfft(frames * analysis)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.onnx, "is_in_onnx_export", lambda: True)
        got = fourier(torch.tensor(frames, dtype=torch.float32)).numpy()
        pair = np.stack([spectra.real, spectra.imag], axis=1)
        back = fourier.inverse(torch.tensor(pair, dtype=torch.float32)).numpy()
    np.testing.assert_allclose(got, pair, atol=1e-6 * np.abs(pair).max() + 1e-6)
    np.testing.assert_allclose(back, frames * analysis * synthesis, atol=3e-6)


def test_a_net_says_what_it_is_for(tmp_path):
    net = OverlapAdd(Identity(), n_fft=64, hop=32).eval()
    for task in ("", "denoise"):
        net.task = task
        export_model(net, CARD, tmp_path / "net.onnx")
        assert read_model(tmp_path / "net.onnx").card.task == task
        effects = [effect.kind for effect in load_preset(tmp_path / "net.onnx").effects]
        alone = ["noise_gate", "gain", "model", "dc_block", "tone_stack", "gain", "limiter"]
        assert effects == (["denoise"] if task else alone)


def test_look_ahead_is_in_the_latency(tmp_path):
    net = OverlapAdd(Late(2, 33), n_fft=64, hop=32, look_ahead=2).eval()
    parity = export_model(net, CARD, tmp_path / "late.onnx")
    assert parity.latency_samples == net.latency_samples == 64 - 32 + 2 * 32
    out = run_torch(net, NOISE[None, :3200], [32] * 100)[0]
    assert np.abs(out[96:] - NOISE[: 3200 - 96]).max() <= 1e-6


@pytest.mark.parametrize(
    ("windows", "n_fft", "hop"),
    [
        (None, 512, 512 // 8),
        (None, 60, 20),
        ((hann(64), np.ones(64)), 64, 16),
        ((hann(64), hann(64)), 64, 16),
        ((np.ones(64), np.ones(64)), 64, 64),
        ((np.r_[np.zeros(16), np.ones(48)], np.ones(64)), 64, 16),
        (
            (np.ones(50), np.r_[np.linspace(0, 0.9, 10), np.ones(30), np.linspace(1, 0.1, 10)]),
            50,
            40,
        ),
    ],
)
def test_pairs_that_add_up_are_normalised(windows, n_fft, hop):
    net = OverlapAdd(Identity(), n_fft=n_fft, hop=hop, windows=windows)
    samples = 4000 // hop * hop
    out = run_torch(net, NOISE[None, :samples], [samples])[0]
    late = n_fft - hop
    assert np.abs(out[late:] - NOISE[: samples - late]).max() <= 1e-6


@pytest.mark.parametrize(
    ("windows", "n_fft", "hop", "reason"),
    [
        (None, 512, 512, "do not add up"),
        (None, 512, 200, "do not add up"),
        ((hann(64), hann(64)), 64, 32, "do not add up"),
        ((np.zeros(64), np.ones(64)), 64, 32, "do not add up"),
        ((np.ones(64), np.ones(63)), 64, 32, "synthesis window of shape"),
        ((np.full(64, np.nan), np.ones(64)), 64, 32, "analysis window"),
        (None, 64, 0, "hop = 0"),
        (None, 64, 65, "hop = 65"),
    ],
)
def test_pairs_that_do_not_add_up_are_refused(windows, n_fft, hop, reason):
    with pytest.raises(ValueError, match=reason):
        OverlapAdd(Identity(), n_fft=n_fft, hop=hop, windows=windows)


def test_training_sees_gradients_and_checkpoints_hold_no_matrices():
    net = OverlapAdd(Recurrent(33), n_fft=64, hop=16)
    assert all(not name.startswith("fourier") for name in net.state_dict())
    y, _ = net(torch.randn(3, 1, 160), net.initial_state(3))
    y.square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in net.parameters())
