"""GuitarML files, made from torch modules as by its trainer."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import torch
from torch import nn

from rtaudio.errors import FormatError
from rtaudio.models.formats.guitarml import read_guitarml
from rtaudio.models.loader import load_model
from rtaudio.models.onnx_player import play

NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 2048).astype(np.float32)


class SimpleRnn(nn.Module):
    """The net of CoreAudioML."""

    def __init__(self, unit="LSTM", inputs=1, layers=1, size=6, skip=1, bias=True):
        super().__init__()
        torch.manual_seed(size + layers)
        self.rec = getattr(nn, unit)(inputs, size, layers, batch_first=True)
        self.lin = nn.Linear(size, 1, bias=bias)
        self.described = {
            "model": "SimpleRNN",
            "input_size": inputs,
            "skip": skip,
            "output_size": 1,
            "unit_type": unit,
            "num_layers": layers,
            "hidden_size": size,
            "bias_fl": bias,
        }

    def forward(self, x):
        y = self.lin(self.rec(x)[0])
        return y + x[..., :1] if self.described["skip"] else y

    def document(self):
        weights = {key: value.tolist() for key, value in self.state_dict().items()}
        return {"model_data": self.described, "state_dict": weights}

    @torch.no_grad()
    def play(self, x, knobs=()):
        channels = [x, *(np.full_like(x, knob) for knob in knobs)]
        signal = torch.tensor(np.stack(channels, 1), dtype=torch.float64)
        return self.double()(signal[None])[0, :, 0]


def save(content, folder):
    path = folder / "amp.json"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"skip": 0},
        {"layers": 2},
        {"unit": "GRU", "layers": 3, "skip": 0},
        {"inputs": 2},
        {"inputs": 3, "unit": "GRU"},
        {"size": 40},
        {"bias": False},
    ],
    ids=str,
)
def test_it_sounds_as_the_torch_module(sizes, tmp_path):
    net = SimpleRnn(**sizes)
    model = load_model(save(net.document(), tmp_path))
    card = model.file.card
    assert card.rate_hz == 44100
    assert [knob.name for knob in card.parameters] == ["param1", "param2"][: len(card.parameters)]
    wanted = net.play(NOISE, [0.5] * (sizes.get("inputs", 1) - 1)).numpy()
    for engine in model.golden_errors:
        heard = play(model.file, model._makers[engine], NOISE[None])[0]
        assert np.max(np.abs(heard - wanted)) <= 3e-6


def test_a_rate_in_the_file_is_kept(tmp_path):
    net = read_guitarml(save({**SimpleRnn().document(), "sample_rate": 48000}, tmp_path))
    assert net.rate_hz == 48000


def changed(*keys, to):
    result = copy.deepcopy(SimpleRnn().document())
    place = result
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = to
    return result


BROKEN = {
    "kind": (changed("model_data", "model", to="GatedConvNet"), "model_data.model"),
    "unit": (changed("model_data", "unit_type", to="RNN"), "model_data.unit_type"),
    "stereo": (changed("model_data", "output_size", to=2), "model_data.output_size"),
    "knobs": (changed("model_data", "input_size", to=4), "model_data.input_size"),
    "hidden": (changed("model_data", "hidden_size", to=7), "rec.weight_ih_l0"),
    "giant": (changed("model_data", "hidden_size", to=10**9), "model_data.hidden_size"),
    "layers": (changed("model_data", "num_layers", to=2), "rec.weight_ih_l1"),
    "no data": (changed("model_data", to=None), "model_data"),
    "no weights": (changed("state_dict", to=None), "rec.weight_ih_l0"),
    "list": (changed("state_dict", to=[1]), "state_dict is not an object"),
    "head": (changed("state_dict", "lin.weight", to=[[1.0]]), "lin.weight"),
    "text": (changed("state_dict", "lin.bias", to=["1"]), "not a list of numbers"),
    "NaN": (changed("state_dict", "lin.bias", to=[float("nan")]), "] is not a finite float32"),
    "rate": ({**changed("state_dict", "lin.bias", to=[0.0]), "sample_rate": "fast"}, "sample_rate"),
}


@pytest.mark.parametrize(("content", "reason"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_refused_in_one_line(content, reason, tmp_path):
    path = save(content, tmp_path)
    with pytest.raises(FormatError) as caught:
        load_model(path)
    message = str(caught.value)
    assert reason in message
    assert message.startswith(str(path))
    assert "\n" not in message
