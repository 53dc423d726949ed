"""Knobs of captures, live and in stereo, against the net in torch with the knob's ramp as input."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
import soundfile
import torch
from torch import nn

from rtaudio.effects.chain import Chain
from rtaudio.effects.model import Model
from rtaudio.live.host import Host
from rtaudio.models.loader import load_model
from rtaudio.runtime.offline import run

RATE, BLOCK, RAMP = 44100, 64, 882


class Amp(nn.Module):
    """A small amp with one knob, as GuitarML stores it."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.rec = nn.LSTM(2, 8, batch_first=True)
        self.lin = nn.Linear(8, 1)

    @torch.no_grad()
    def play(self, x, knob):
        signal = torch.tensor(np.stack([x, np.broadcast_to(knob, x.shape)], 1), dtype=torch.float64)
        return self.double().lin(self.rec(signal[None])[0])[0, :, 0].numpy()


@pytest.fixture(scope="module")
def amp():
    return Amp()


@pytest.fixture(scope="module")
def file(amp, tmp_path_factory):
    document = {
        "model_data": {
            "model": "SimpleRNN", "input_size": 2, "skip": 0, "output_size": 1,
            "unit_type": "LSTM", "num_layers": 1, "hidden_size": 8, "bias_fl": True,
        },
        "state_dict": {key: value.tolist() for key, value in amp.state_dict().items()},
    }  # fmt: skip
    path = tmp_path_factory.mktemp("knobs") / "amp.json"
    path.write_text(json.dumps(document))
    return path


def knob_curve(frames, changes):
    """The knob over time: a straight line of 20 ms from every change on."""
    curve = np.empty(frames)
    value = changes.pop(0)
    curve[:] = value
    for at, target in changes.items():
        ramp = np.clip((np.arange(frames - at) + 1) / RAMP, 0, 1)
        curve[at:] = value + ramp * (target - value)
        value = target
    return curve


def noise(channels):
    return np.random.default_rng(0).uniform(-0.5, 0.5, (channels, 6400)).astype(np.float32)


@pytest.fixture(params=["native", "onnx"])
def engine(request, file):
    if request.param not in load_model(file).golden_errors:
        pytest.skip(f"there is no {request.param} engine for a net with a knob")
    return request.param


def test_a_knob_moves_as_a_ramp_and_each_channel_has_its_own_state(amp, file, engine):
    """The native kernel ramps every sample; ONNX Runtime's input is a step of the ramp per call."""
    model = Model(file, name="amp", engine=engine, parameters={"param1": 0.2})
    program = Chain([model]).compile(RATE, BLOCK, in_channels=2)
    x = noise(2)
    first = run(program, x[:, :1920])
    program.set("amp.param1", 1.0)
    second = run(program, x[:, 1920:])
    out = np.concatenate([first, second], axis=1)
    curve = knob_curve(6400, {0: 0.2, 1920: 1.0})
    if engine == "onnx":
        curve = np.repeat(curve[BLOCK - 1 :: BLOCK], BLOCK)
    for channel in range(2):
        wanted = amp.play(x[channel], curve)
        # the model starts pre-warmed, the torch module from zeros
        np.testing.assert_allclose(out[channel, 500:], wanted[500:], atol=3e-6)


def test_a_silent_channel_does_not_hear_the_other(file, engine):
    x = noise(2)
    x[1] = 0.0
    both = Model(file, engine=engine)(x, RATE)
    np.testing.assert_array_equal(both[1], Model(file, engine=engine)(x[1], RATE))


def test_a_knob_is_turned_while_it_plays(amp, file, tmp_path):
    """Live on the clock: no value is missed, none out of range is taken, and nothing clicks."""
    tone = (0.4 * np.sin(2 * np.pi * 110 / RATE * np.arange(RATE))).astype(np.float32)
    chain = Chain([Model(file, name="amp", parameters={"param1": 0.0})])
    path = tmp_path / "take.wav"
    with Host(chain, "clock", RATE, BLOCK, source=tone, record=path) as host:
        for value in (1.0, 0.3, 0.9, 0.0, 1.0):
            host.set("amp.param1", value)
            time.sleep(0.03)
        with pytest.raises(ValueError, match=r"amp\.param1 = 1\.5 is out of range 0 \.\. 1"):
            host.set("amp.param1", 1.5)
        host.wait()
    wet = soundfile.read(path)[0][RATE // 2 : RATE]
    np.testing.assert_allclose(wet, amp.play(tone, 1.0)[RATE // 2 :], atol=1e-5)
    whole = soundfile.read(path)[0][:RATE]
    calm = max(np.abs(np.diff(amp.play(tone, k))).max() for k in (0.0, 0.5, 1.0))
    apart = np.abs(amp.play(tone, 1.0) - amp.play(tone, 0.0)).max()
    fade_in = np.abs(amp.play(tone, 0.0)).max() / (0.02 * RATE)
    assert np.abs(np.diff(whole)).max() < calm + fade_in + 2 * apart / RAMP
