"""Denoise with a model that has a knob for the room: the parameter is the knob, while it plays."""

from __future__ import annotations

import numpy as np
import pytest

import rtaudio as rt
from export.exporter import export_model
from export.spectral import OverlapAdd
from export.streaming import StreamingModule
from rtaudio.effects.denoise import ROOM, USUAL_ROOM
from rtaudio.models.contract.card import ModelParameter
from rtaudio.shipped import shipped_models

RATE = 48000
NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 24000).astype(np.float32)
CARD = {"name": "room", "sample_rate": RATE, "license": "Apache-2.0", "provenance": {}}


class Turned(StreamingModule):
    """Turns everything down by the share of a knob."""

    def initial_state(self, batch=1):
        return {}

    def forward(self, x, state, knobs):
        return x * (1 - knobs[:, :1, None, None] / 100), {}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("room") / "room.onnx"
    net = OverlapAdd(Turned(), n_fft=960, hop=480)
    net.controls = (ModelParameter(name=ROOM, min=0, max=100, default=USUAL_ROOM, unit="%"),)
    export_model(net.eval(), CARD, path)
    return path


@pytest.mark.parametrize("percent", [0.0, 30.0, 100.0])
def test_the_parameter_is_the_knob(file, percent):
    out = rt.Denoise(file, dereverberation_percent=percent)(NOISE, RATE)
    np.testing.assert_allclose(out, (1 - percent / 100) * NOISE, atol=1e-5)
    model = rt.Model(file, parameters={ROOM: percent})
    np.testing.assert_array_equal(out, model(NOISE, RATE))


def test_it_turns_while_it_plays(file):
    effect = rt.Denoise(file, worker=False, dereverberation_percent=0.0)
    stream = effect.stream(RATE)
    before = stream.process(NOISE)
    effect.dereverberation_percent = 100.0
    after = stream.process(NOISE)
    assert np.square(before[-9600:]).mean() > 0.01
    assert np.square(after[-9600:]).mean() < 1e-9


def test_a_model_without_the_knob_is_refused_at_once_and_later(tmp_path):
    path = tmp_path / "plain.onnx"

    class Wire(StreamingModule):
        def initial_state(self, batch=1):
            return {}

        def forward(self, x, state):
            return x, {}

    export_model(OverlapAdd(Wire(), n_fft=960, hop=480).eval(), CARD, path)
    with pytest.raises(rt.ParameterError, match="no knob for the room"):
        rt.Denoise(path, dereverberation_percent=10.0)
    effect = rt.Denoise(path)
    with pytest.raises(rt.ParameterError, match="no knob for the room"):
        effect.set_live(ROOM, 10.0)
    assert effect.set_live(ROOM, USUAL_ROOM) == USUAL_ROOM


def test_every_shipped_denoiser_has_the_knob():
    for name in ("denoise", "denoise-low-latency"):
        [knob] = rt.Denoise(shipped_models()[name]).card.parameters
        assert (knob.name, knob.min, knob.max, knob.default) == (ROOM, 0, 100, USUAL_ROOM)
