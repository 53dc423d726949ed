"""Captures: read whole, or refused in one line."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path

import numpy as np
import pytest

from rtaudio.models.nam import LstmNet, NamError, WaveNet, read_nam

DATA = Path(os.environ.get("RTAUDIO_DATA") or Path(__file__).parents[3] / "shared" / "data")
CAPTURES = DATA / "guitar" / "captures"

ARRAY = {
    "input_size": 1, "condition_size": 1, "head_size": 2, "channels": 3, "kernel_size": 2,
    "dilations": [1, 4], "activation": "Tanh", "gated": False, "head_bias": False,
}
LAST = {**ARRAY, "input_size": 3, "channels": 2, "head_size": 1, "dilations": [2],
        "head_bias": True}
# Per array: rechannel, layers of (conv, bias, mixer, 1x1, bias), head; then the head scale.
COUNT = (3 + 2 * (18 + 3 + 3 + 9 + 3) + 6) + (6 + (8 + 2 + 2 + 4 + 2) + 2 + 1) + 1
WAVENET = {
    "version": "0.5.4", "architecture": "WaveNet",
    "config": {"layers": [ARRAY, LAST], "head": None, "head_scale": 0.02},
    "weights": [i / 100 for i in range(COUNT)],
}
LSTM = {
    "version": "0.5.0", "architecture": "LSTM", "sample_rate": 44100, "metadata": {"name": "x"},
    "config": {"input_size": 1, "hidden_size": 3, "num_layers": 2},
    "weights": [float(i) for i in range(12 * 4 + 12 + 6 + 12 * 6 + 12 + 6 + 4)],
}


def save(document, folder: Path) -> Path:
    path = folder / "amp.nam"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def changed(document, *keys, to):
    result = copy.deepcopy(document)
    place = result
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = to
    return result


def test_a_wavenet_is_read_in_the_order_of_its_weights(tmp_path):
    capture = read_nam(save(WAVENET, tmp_path))
    assert capture.sample_rate == 48000
    net = capture.net
    assert isinstance(net, WaveNet)
    assert net.receptive_field == 1 + 1 + 4 + 2
    first = net.arrays[0]
    np.testing.assert_allclose(first.rechannel.ravel(), [0, 0.01, 0.02])
    np.testing.assert_allclose(first.layers[0].conv_weight.ravel(), np.arange(3, 21) / 100)
    assert first.layers[1].dilation == 4
    assert first.head_bias is None
    assert net.arrays[1].head_bias.shape == (1,)
    # The last weight is the head scale; the one in the config is ignored.
    assert net.head_scale == pytest.approx((COUNT - 1) / 100)


def test_an_lstm_is_read_with_its_start_state(tmp_path):
    capture = read_nam(save(LSTM, tmp_path))
    assert capture.sample_rate == 44100
    assert capture.metadata == {"name": "x"}
    net = capture.net
    assert isinstance(net, LstmNet)
    assert [layer.weight.shape for layer in net.layers] == [(12, 4), (12, 6)]
    np.testing.assert_array_equal(net.layers[0].hidden, [60, 61, 62])
    np.testing.assert_array_equal(net.layers[0].cell, [63, 64, 65])
    assert net.head_bias == len(LSTM["weights"]) - 1


BROKEN = {
    "text": ("no json", "not JSON"),
    "list": ("[]", "no JSON object"),
    "deep": ("[" * 100_000, "not JSON"),
    "version": (changed(WAVENET, "version", to="0.9.0"), "file version"),
    "no version": (changed(WAVENET, "version", to=None), "file version"),
    "container": (changed(WAVENET, "architecture", to="SlimmableContainer"), "SlimmableContainer"),
    "architecture": (changed(WAVENET, "architecture", to=["WaveNet"]), "not supported"),
    "no config": (changed(WAVENET, "config", to=None), "config"),
    "gated": (changed(WAVENET, "config", "layers", 0, "gated", to=True), "config.layers.0.gated"),
    "film": (changed(WAVENET, "config", "layers", 0, "bottleneck", to=4), "bottleneck"),
    "head": (changed(WAVENET, "config", "head", to={}), "config.head"),
    "activation": (changed(WAVENET, "config", "layers", 1, "activation", to="SiLU"), "activation"),
    "huge": (changed(WAVENET, "config", "layers", 0, "channels", to=4096), "too few"),
    "giant": (changed(WAVENET, "config", "layers", 0, "channels", to=10**12), "channels"),
    "too few": (changed(WAVENET, "weights", to=WAVENET["weights"][:-1]), "too few"),
    "too many": (changed(WAVENET, "weights", to=[*WAVENET["weights"], 0.0]), "do not fit"),
    "none": (changed(WAVENET, "weights", to=[]), "too few"),
    "text weight": (changed(WAVENET, "weights", 3, to="1"), "list of numbers"),
    "NaN": (changed(WAVENET, "weights", 3, to=float("nan")), "not a finite float32"),
    "infinity": (changed(WAVENET, "weights", 3, to=float("inf")), "not a finite float32"),
    "too large": (changed(WAVENET, "weights", 3, to=1e39), "not a finite float32"),
    "integer": (changed(WAVENET, "weights", 3, to=10**400), "not a finite float32"),
    "mismatch": (changed(WAVENET, "config", "layers", 1, "input_size", to=2),
                 "do not fit together"),
    "two outputs": (changed(WAVENET, "config", "layers", to=[ARRAY]), "head_size is 2"),
    "rate": (changed(WAVENET, "sample_rate", to=0), "sample_rate"),
    "metadata": (changed(WAVENET, "metadata", to=[]), "metadata"),
    "layers": (changed(LSTM, "config", "num_layers", to=0), "num_layers"),
}


@pytest.mark.parametrize(("document", "reason"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_capture_is_refused_in_one_line(document, reason, tmp_path):
    path = save(document, tmp_path)
    with pytest.raises(NamError) as caught:
        read_nam(path)
    message = str(caught.value)
    assert reason in message
    assert message.startswith(str(path))
    assert "\n" not in message
    assert len(message) < 300 + len(str(path))


@pytest.mark.data
@pytest.mark.skipif(not CAPTURES.is_dir(), reason=f"no captures in {CAPTURES}")
@pytest.mark.parametrize(("name", "size"), [
    ("ac10", 13802), ("ampeg", 13802), ("deluxe", 13802), ("jc", 13802), ("jcm", 13802),
    ("dumble", 3026), ("nam_plugin_demo", 13802), ("core_wavenet", 131), ("core_lstm", 70),
])
def test_real_captures_are_read(name, size):
    net = read_nam(CAPTURES / f"{name}.nam").net
    if isinstance(net, LstmNet):
        found = 4 * 3 * 4 + 12 + 6 + net.head_weight.size + 1
    else:
        found = 1 + sum(
            array.rechannel.size + array.head_weight.size
            + (0 if array.head_bias is None else array.head_bias.size)
            + sum(a.size for x in array.layers for a in (
                x.conv_weight, x.conv_bias, x.mixer, x.out_weight, x.out_bias))
            for array in net.arrays
        )
    assert found == size


@pytest.mark.data
@pytest.mark.skipif(not CAPTURES.is_dir(), reason=f"no captures in {CAPTURES}")
@pytest.mark.parametrize("name", ["core_A2", "core_slimmable_container", "core_slimmable_wavenet",
                                  "core_wavenet_a2_max", "core_wavenet_condition_dsp"])
def test_newer_captures_are_refused(name):
    with pytest.raises(NamError, match="WaveNet"):
        read_nam(CAPTURES / f"{name}.nam")
