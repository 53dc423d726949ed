"""``.nam`` files: read to the last weight, or refused in one line."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest

from rtaudio.errors import FormatError
from rtaudio.models.formats.nam.reader import read_nam
from rtaudio.models.net.summary import weight_count
from rtaudio.models.net.types import Dense, Stack, WaveNet

ARRAY = {
    "input_size": 1,
    "condition_size": 1,
    "head_size": 2,
    "channels": 3,
    "kernel_size": 2,
    "dilations": [1, 4],
    "activation": "Tanh",
    "gated": False,
    "head_bias": False,
}
LAST = {
    **ARRAY,
    "input_size": 3,
    "channels": 2,
    "head_size": 1,
    "dilations": [2],
    "head_bias": True,
}
# Per array: rechannel, layers of (conv, bias, mixer, 1x1, bias), head; then the head scale.
COUNT = (3 + 2 * (18 + 3 + 3 + 9 + 3) + 6) + (6 + (8 + 2 + 2 + 4 + 2) + 2 + 1) + 1
WAVENET = {
    "version": "0.5.4",
    "architecture": "WaveNet",
    "config": {"layers": [ARRAY, LAST], "head": None, "head_scale": 0.02},
    "weights": [i / 100 for i in range(COUNT)],
}
LSTM = {
    "version": "0.5.0",
    "architecture": "LSTM",
    "sample_rate": 44100,
    "metadata": {"name": "x"},
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
    file = read_nam(save(WAVENET, tmp_path))
    assert file.rate_hz == 48000
    net = file.net
    assert isinstance(net, WaveNet)
    assert net.receptive_field == 1 + 1 + 4 + 2
    first = net.arrays[0]
    np.testing.assert_allclose(first.rechannel.weight.ravel(), [0, 0.01, 0.02])
    np.testing.assert_allclose(first.layers[0].conv.weight.ravel(), np.arange(3, 21) / 100)
    assert first.layers[1].conv.dilation == 4
    assert first.head.bias is None
    assert net.arrays[1].head.bias.shape == (1,)
    # The last weight is the head scale; the one in the config is ignored.
    assert net.head_scale == pytest.approx((COUNT - 1) / 100)


def test_an_lstm_is_read_with_its_start_state(tmp_path):
    file = read_nam(save(LSTM, tmp_path))
    assert file.rate_hz == 44100
    assert file.metadata == {"name": "x"}
    net = file.net
    assert isinstance(net, Stack)
    assert [layer.weight_ih.shape for layer in net.layers[:2]] == [(12, 1), (12, 3)]
    np.testing.assert_array_equal(net.layers[0].hidden, [60, 61, 62])
    np.testing.assert_array_equal(net.layers[0].cell, [63, 64, 65])
    assert isinstance(net.layers[2], Dense)
    assert net.layers[2].bias == len(LSTM["weights"]) - 1


CONTAINER = {
    "version": "0.7.0",
    "architecture": "SlimmableContainer",
    "weights": [],
    "sample_rate": 44100,
    "metadata": {"gear_type": "amp", "input_level_dbu": 12},
    "config": {
        "submodels": [
            {"max_value": 0.4, "model": {**WAVENET, "sample_rate": 44100}},
            {"max_value": 1.0, "model": LSTM},
        ]
    },
}

BROKEN = {
    "text": ("no json", "not JSON"),
    "cut short": (json.dumps(WAVENET)[:-30], "not JSON"),
    "list": ("[]", "no JSON object"),
    "deep": ("[" * 100_000, "not JSON"),
    "newer": (changed(WAVENET, "version", to="0.8.0"), "file version 0.8.0 is unknown"),
    "older": (changed(WAVENET, "version", to="0.4.9"), "file version 0.4.9 is unknown"),
    "no version": (changed(WAVENET, "version", to=None), "file version"),
    "half a version": (changed(WAVENET, "version", to="0.5"), "file version"),
    "architecture": (changed(WAVENET, "architecture", to="CatWaveNet"), "not supported"),
    "list for a name": (changed(WAVENET, "architecture", to=["WaveNet"]), "not supported"),
    "no config": (changed(WAVENET, "config", to=None), "config"),
    "gated": (changed(WAVENET, "config", "layers", 0, "gated", to="yes"), "config.layers[0].gated"),
    "bottleneck": (changed(WAVENET, "config", "layers", 0, "bottleneck", to=4), "too few"),
    "head": (changed(WAVENET, "config", "head", to={}), "config.head"),
    "activation": (changed(WAVENET, "config", "layers", 1, "activation", to="Sine"), "Sine"),
    "activations": (
        changed(WAVENET, "config", "layers", 0, "activation", to=["Tanh"]),
        "1 entries for 2 dilations",
    ),
    "slopes": (
        changed(
            WAVENET,
            "config",
            "layers",
            0,
            "activation",
            to={"type": "PReLU", "negative_slopes": [0.1, 0.2]},
        ),
        "2 slopes for 3",
    ),
    "groups": (changed(WAVENET, "config", "layers", 0, "groups_input", to=2), "2 groups"),
    "kernels": (
        changed(WAVENET, "config", "layers", 0, "kernel_sizes", to=[2, 2]),
        "either kernel_size or kernel_sizes",
    ),
    "condition size": (
        changed(WAVENET, "config", "layers", 0, "condition_size", to=2),
        "condition_size is 2",
    ),
    "slimmable": (
        changed(
            WAVENET,
            "config",
            "layers",
            0,
            "slimmable",
            to={"method": "slice_channels_uniform", "kwargs": {"allowed_channels": [1, 2]}},
        ),
        "allowed_channels",
    ),
    "huge": (changed(WAVENET, "config", "layers", 0, "channels", to=4096), "too few"),
    "giant": (changed(WAVENET, "config", "layers", 0, "channels", to=10**12), "channels"),
    "endless": (
        changed(WAVENET, "config", "layers", 0, "dilations", to=[1, 1 << 20]),
        "receptive field",
    ),
    "too few": (changed(WAVENET, "weights", to=WAVENET["weights"][:-1]), "too few"),
    "too many": (changed(WAVENET, "weights", to=[*WAVENET["weights"], 0.0]), "do not fit"),
    "none": (changed(WAVENET, "weights", to=[]), "too few"),
    "text weight": (changed(WAVENET, "weights", 3, to="1"), "list of numbers"),
    "NaN": (changed(WAVENET, "weights", 3, to=float("nan")), "weights[3] is not"),
    "infinity": (changed(WAVENET, "weights", 3, to=float("inf")), "weights[3] is not"),
    "overflow": (json.dumps(WAVENET).replace("0.03,", "1e999,"), "not a finite float32"),
    "too large": (changed(WAVENET, "weights", 3, to=1e39), "not a finite float32"),
    "integer": (changed(WAVENET, "weights", 3, to=10**400), "not a finite float32"),
    "mismatch": (
        changed(WAVENET, "config", "layers", 1, "input_size", to=2),
        "do not fit together",
    ),
    "two outputs": (
        changed(
            changed(WAVENET, "config", "layers", to=[ARRAY]),
            "weights",
            to=[0.1] * (3 + 2 * (18 + 3 + 3 + 9 + 3) + 6 + 1),
        ),
        "2 output channels",
    ),
    "rate": (changed(WAVENET, "sample_rate", to=0), "sample_rate"),
    "layers": (changed(LSTM, "config", "num_layers", to=0), "num_layers"),
    "empty container": (changed(CONTAINER, "config", "submodels", to=[]), "submodels"),
    "unsorted container": (
        changed(CONTAINER, "config", "submodels", 0, "max_value", to=1.5),
        "is [1.5, 1.0], which does not rise to 1",
    ),
    "short container": (
        changed(CONTAINER, "config", "submodels", 1, "max_value", to=0.9),
        "is [0.4, 0.9], which does not rise to 1",
    ),
    "damage in a size that is not played": (
        changed(CONTAINER, "config", "submodels", 0, "model", "weights", to=[]),
        "too few",
    ),
    "container of containers": (
        changed(CONTAINER, "config", "submodels", 0, "model", to=CONTAINER),
        "inside another",
    ),
    "condition of another rate": (
        changed(changed(WAVENET, "config", "condition_dsp", to=WAVENET), "sample_rate", to=44100),
        "condition_dsp has a sample rate of 48000 Hz",
    ),
    "recurrent condition": (changed(WAVENET, "config", "condition_dsp", to=LSTM), "not a WaveNet"),
}


@pytest.mark.parametrize(("document", "reason"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_refused_in_one_line(document, reason, tmp_path):
    path = save(document, tmp_path)
    with pytest.raises(FormatError) as caught:
        read_nam(path)
    message = str(caught.value)
    assert reason in message
    assert message.startswith(str(path))
    assert "\n" not in message
    assert len(message) < 300 + len(str(path))


def test_a_newer_patch_and_unknown_keys_are_read_with_a_warning(tmp_path):
    assert read_nam(save(WAVENET, tmp_path)).warnings == ()
    newer = changed(WAVENET, "version", to="0.7.1")
    newer = changed(newer, "config", "layers", 0, "colour", to="red")
    warnings = read_nam(save(newer, tmp_path)).warnings
    assert len(warnings) == 2
    assert "0.7.1" in warnings[0]
    assert "colour" in warnings[1]


def test_slim_selects_a_size_of_a_container(tmp_path):
    path = save(CONTAINER, tmp_path)
    whole = read_nam(path)
    assert isinstance(whole.net, Stack)
    assert whole.slim_steps == (0.4,)
    assert isinstance(read_nam(path, slim=0.39).net, WaveNet)
    assert isinstance(read_nam(path, slim=0.4).net, Stack)
    # Metadata of the container holds for its sizes, unless they have their own.
    assert whole.metadata == {**CONTAINER["metadata"], "name": "x"}
    assert whole.levels == {"input_dbu": 12.0}


def test_a_slimmable_net_is_cut_to_leading_channels(tmp_path):
    single = {**ARRAY, "head_size": 1, "slimmable": {"method": "slice_channels_uniform"}}
    document = changed(WAVENET, "config", "layers", to=[single])
    document["weights"] = [i / 100 for i in range(3 + 2 * (18 + 3 + 3 + 9 + 3) + 3 + 1)]
    path = save(document, tmp_path)
    whole = read_nam(path)
    assert whole.slim_steps == (1 / 3, 2 / 3)
    for slim, size in ((0.0, 1), (0.33, 1), (0.34, 2), (0.67, 3), (1.0, 3)):
        net = read_nam(path, slim=slim).net
        array, full = net.arrays[0], whole.net.arrays[0]
        np.testing.assert_array_equal(array.rechannel.weight, full.rechannel.weight[:size])
        np.testing.assert_array_equal(array.head.weight, full.head.weight[:, :size])
        for layer, big in zip(array.layers, full.layers, strict=True):
            np.testing.assert_array_equal(layer.conv.weight, big.conv.weight[:size, :size])
            np.testing.assert_array_equal(layer.conv.bias, big.conv.bias[:size])
            np.testing.assert_array_equal(layer.mixer.weight, big.mixer.weight[:size])
            np.testing.assert_array_equal(layer.out.weight, big.out.weight[:size, :size])
        assert net.head_scale == whole.net.head_scale


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "slim", "size"),
    [
        ("ac10", 1, 13802),
        ("ampeg", 1, 13802),
        ("deluxe", 1, 13802),
        ("jc", 1, 13802),
        ("jcm", 1, 13802),
        ("dumble", 1, 3026),
        ("nam_plugin_demo", 1, 13802),
        ("core_wavenet", 1, 131),
        ("core_lstm", 1, 70),
        ("core_A2", 1, 12146),
        ("core_A2", 0, 1871),
        ("core_slimmable_container", 1, 842),
        ("core_slimmable_container", 0.5, 131),
        ("core_slimmable_wavenet", 1, 457),
        ("core_wavenet_condition_dsp", 1, 147 + 137),
    ],
)
def test_real_files_are_read_to_the_last_weight(data_folder, name, slim, size):
    net = read_nam(data_folder / "guitar" / "captures" / f"{name}.nam", slim=slim).net
    scales, inner = 0, net
    while isinstance(inner, WaveNet):
        scales, inner = scales + 1, inner.condition
    assert weight_count(net) + scales == size
