"""The spectral amp: untrained a delay, silent in silence, trainable and playable like any net."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from export.exporter import export_model  # noqa: E402
from export.parity import run_torch  # noqa: E402
from rtaudio.effects.model import Model  # noqa: E402
from rtaudio.runtime.offline import run  # noqa: E402
from training.checkpoint import load_checkpoint  # noqa: E402
from training.config import ConfigError, load_config  # noqa: E402
from training.engine import train_run  # noqa: E402
from training.guitar.config import GuitarConfig  # noqa: E402
from training.guitar.task import AmpTask  # noqa: E402
from training.models import NETS  # noqa: E402
from training.models.spectral import SpectralAmp  # noqa: E402

CARD = {"name": "test", "sample_rate": 48000, "license": "Apache-2.0", "provenance": {}}
NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 6400)).astype(np.float32)


def moved(**arguments):
    """A net whose mask is no longer 1."""
    torch.manual_seed(0)
    net = SpectralAmp(hidden=6, **arguments)
    torch.nn.init.normal_(net.stream.net.head.weight)
    torch.nn.init.normal_(net.stream.net.head.bias)
    torch.nn.init.normal_(net.stream.net.offset)
    return net.eval()


def test_it_is_a_net_of_the_registry():
    assert NETS["spectral"] is SpectralAmp


@pytest.mark.parametrize("shapers", [0, 3])
@pytest.mark.parametrize(("n_fft", "hop"), [(64, 16), (64, 32), (512, 128)])
def test_untrained_it_is_a_delay(n_fft, hop, shapers):
    net = SpectralAmp(hidden=4, n_fft=n_fft, hop=hop, shapers=shapers).eval()
    out = run_torch(net, NOISE, [NOISE.shape[1]])[0]
    assert net.latency_samples == n_fft - hop
    np.testing.assert_allclose(
        out[net.latency_samples :], NOISE[0, : -net.latency_samples], atol=1e-6
    )


@pytest.mark.parametrize("shapers", [0, 2])
def test_constant_masks_are_filters_around_curves(shapers):
    """Without its recurrent part, the net is what numpy says: masks, tanh, overlap-add."""
    net = moved(n_fft=64, hop=16, shapers=shapers)
    torch.nn.init.zeros_(net.stream.net.head.weight)
    bias = net.stream.net.head.bias.detach().numpy().reshape(-1, 2, 33)
    offset = net.stream.net.offset.detach().numpy().reshape(-1)
    factor = bias[:, 0] + 1j * bias[:, 1]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(64) / 64)
    analysis, synthesis = (np.ones(64), hann) if shapers else (hann**0.5, hann**0.5)
    seen = np.concatenate([np.zeros(48), NOISE[0]])
    summed = np.zeros_like(seen)
    for at in range(0, 6400, 16):
        frame = np.fft.rfft(analysis * seen[at : at + 64])
        answer = factor[0] * frame
        for k in range(shapers):
            wave = np.fft.irfft(factor[1 + k] * frame)
            curve = np.tanh(wave + offset[k]) - np.tanh(offset[k])
            answer += factor[1 + shapers + k] * np.fft.rfft(curve)
        summed[at : at + 64] += synthesis * np.fft.irfft(answer)
    np.testing.assert_allclose(run_torch(net, NOISE, [6400])[0], summed[:6400] / 2, atol=2e-5)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("layers", [1, 2])
def test_silence_stays_silent(cell, layers):
    net = moved(n_fft=64, hop=16, cell=cell, layers=layers)
    assert not run_torch(net, np.zeros_like(NOISE), [6400]).any()


@pytest.mark.parametrize("block", [17, 64])
def test_exported_it_plays_alike_in_any_blocks(block, tmp_path):
    net = moved(n_fft=64, hop=16, cell="gru", layers=2)
    export_model(net, CARD, tmp_path / "net.onnx")
    model = Model(tmp_path / "net.onnx")
    assert model.card.architecture == {
        "type": "spectral",
        "hidden": 6,
        "n_fft": 64,
        "hop": 16,
        "cell": "gru",
        "layers": 2,
        "shapers": 2,
    }
    program = model.compile(48000, block, offline=True)
    added = program.latency_samples - net.latency_samples
    whole = run_torch(net, NOISE, [6400])[0]
    out = run(program, NOISE[:, : 6400 // block * block])[0]
    np.testing.assert_allclose(out[added:], whole[: len(out) - added], atol=1e-5)


def test_it_learns_with_its_delay_taken_into_account(workspace):
    """Half of the input, clean: an error of the alignment would leave an ESR near 2."""
    net = {"type": "spectral", "hidden": 4, "n_fft": 32, "hop": 8}
    text = (workspace.folder / "tanh.nam").read_text()
    capture = json.loads(text)
    capture["weights"][1] = 0.05  # nearly linear
    capture["weights"][-1] = capture["config"]["head_scale"] = 10.0
    (workspace.folder / "tanh.nam").write_text(json.dumps(capture))
    workspace.section("schedule", epochs=12, learning_rate=0.05)
    metrics = train_run(load_config(workspace.rewrite(net=net), GuitarConfig), AmpTask, show=False)
    assert metrics["esr_mean"] < 0.05
    folder = workspace.folder / "run"
    assert (folder / "report.html").is_file()
    trained, card = load_checkpoint(folder / "best.pt")
    assert trained.latency_samples == 24
    export_model(trained, card, workspace.folder / "tanh.onnx")


@pytest.mark.parametrize(
    ("net", "reason"),
    [
        ({"hidden": 0}, "hidden"),
        ({"hidden": 4, "cell": "rnn"}, "cell"),
        ({"hidden": 4, "n_fft": 1 << 20}, "n_fft"),
    ],
)
def test_sizes_out_of_range_are_refused(net, reason, workspace):
    with pytest.raises(ConfigError, match=reason):
        load_config(workspace.rewrite(net={"type": "spectral", **net}), GuitarConfig)


def test_a_hop_that_does_not_add_up_is_refused():
    with pytest.raises(ValueError, match="do not add up"):
        SpectralAmp(hidden=4, n_fft=64, hop=48)
