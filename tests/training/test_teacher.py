"""The teacher against the formulas, sample by sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from hypothesis import given, settings
from hypothesis import strategies as st

from rtaudio.models.nam import (
    LstmNet,
    NamCapture,
    WaveNet,
    WaveNetArray,
    WaveNetLayer,
)
from training.teacher import Teacher


def random_net(seed, taps=3):
    generator = np.random.default_rng(seed)

    def draw(*shape):
        return (0.5 * generator.standard_normal(shape)).astype(np.float32)

    def layer(rows, dilation):
        return WaveNetLayer(draw(rows, rows, taps), draw(rows), draw(rows, 1), draw(rows, rows),
                            draw(rows), dilation)

    first = WaveNetArray(draw(4, 1), (layer(4, 1), layer(4, 3)), draw(2, 4), None, "Tanh")
    second = WaveNetArray(draw(2, 4), (layer(2, 2), layer(2, 5)), draw(1, 2), draw(1), "ReLU")
    return WaveNet((first, second), 0.3)


def brute_force(net, dry):
    """One sample after the other, one tap after the other, after a long silence."""
    past = net.receptive_field - 1
    x = np.concatenate([np.zeros(2 * past + 1), dry.astype(np.float64)])
    y, head = x[None, :], None
    for array in net.arrays:
        y = array.rechannel @ y
        for layer in array.layers:
            taps = layer.conv_weight.shape[2]
            z = np.zeros_like(y)
            for n in range(len(x)):
                total = layer.conv_bias + layer.mixer[:, 0] * x[n]
                for tap in range(taps):
                    at = n - (taps - 1 - tap) * layer.dilation
                    if at >= 0:
                        total = total + layer.conv_weight[:, :, tap] @ y[:, at]
                z[:, n] = np.tanh(total) if array.activation == "Tanh" else np.maximum(total, 0)
            head = z if head is None else head + z
            y = y + layer.out_weight @ z + layer.out_bias[:, None]
        head = array.head_weight @ head
        if array.head_bias is not None:
            head = head + array.head_bias[:, None]
    return net.head_scale * head[0, 2 * past + 1 :]


def capture(net):
    return NamCapture(Path("test.nam"), "0.5.0", 48000, {}, net)


@pytest.mark.parametrize("seed", range(3))
def test_the_teacher_keeps_the_formulas(seed):
    net = random_net(seed)
    dry = np.random.default_rng(9).standard_normal(80).astype(np.float32)
    np.testing.assert_allclose(Teacher(capture(net))(dry), brute_force(net, dry), atol=2e-6)


@settings(max_examples=40, deadline=None)
@given(chunk=st.integers(1, 300), length=st.integers(1, 300))
def test_the_chunk_size_changes_nothing(chunk, length):
    dry = np.random.default_rng(length).standard_normal(length).astype(np.float32)
    teacher = Teacher(capture(random_net(0)))
    np.testing.assert_allclose(teacher(dry, chunk=chunk), teacher(dry), atol=1e-6)


def test_an_lstm_capture_is_no_teacher():
    net = LstmNet((), np.zeros(1, np.float32), 0.0)
    with pytest.raises(ValueError, match=r"test\.nam: an LSTM capture"):
        Teacher(capture(net))
