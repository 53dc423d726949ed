"""The teacher against the formulas, sample by sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from rtaudio.models.contract.card import ModelParameter  # noqa: E402
from rtaudio.models.formats.foreign_net import ForeignNet  # noqa: E402
from rtaudio.models.net.types import (  # noqa: E402
    Activation,
    Conv,
    Dense,
    Gru,
    Stack,
    WaveNet,
    WaveNetArray,
    WaveNetLayer,
)
from training.guitar.teacher import Teacher  # noqa: E402


def random_net(seed, taps=3):
    generator = np.random.default_rng(seed)

    def draw(*shape):
        return (0.5 * generator.standard_normal(shape)).astype(np.float32)

    def layer(rows, dilation, activation):
        return WaveNetLayer(
            conv=Conv(draw(rows, rows, taps), draw(rows), dilation),
            mixer=Conv(draw(rows, 1, 1)),
            activation=Activation(activation),
            out=Conv(draw(rows, rows, 1), draw(rows)),
        )

    first = WaveNetArray(
        Conv(draw(4, 1, 1)), (layer(4, 1, "tanh"), layer(4, 3, "tanh")), Conv(draw(2, 4, 1))
    )
    second = WaveNetArray(
        Conv(draw(2, 4, 1)),
        (layer(2, 2, "relu"), layer(2, 5, "relu")),
        Conv(draw(1, 2, 1), draw(1)),
    )
    return WaveNet((first, second), 0.3)


def brute_force(net, dry):
    """One sample after the other, one tap after the other, after a long silence."""
    past = net.receptive_field - 1
    x = np.concatenate([np.zeros(2 * past + 1), dry.astype(np.float64)])
    y, head = x[None, :], None
    for array in net.arrays:
        y = array.rechannel.weight[:, :, 0] @ y
        for layer in array.layers:
            taps = layer.conv.weight.shape[2]
            z = np.zeros_like(y)
            for n in range(len(x)):
                total = layer.conv.bias + layer.mixer.weight[:, 0, 0] * x[n]
                for tap in range(taps):
                    at = n - (taps - 1 - tap) * layer.conv.dilation
                    if at >= 0:
                        total = total + layer.conv.weight[:, :, tap] @ y[:, at]
                relu = layer.activation.name == "relu"
                z[:, n] = np.maximum(total, 0) if relu else np.tanh(total)
            head = z if head is None else head + z
            y = y + layer.out.weight[:, :, 0] @ z + layer.out.bias[:, None]
        head = array.head.weight[:, :, 0] @ head
        if array.head.bias is not None:
            head = head + array.head.bias[:, None]
    return net.head_scale * head[0, 2 * past + 1 :]


def capture(net):
    return ForeignNet(
        Path("test.nam"), "nam", "0.5.0", 48000, net, prewarm_samples=net.receptive_field
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_teacher_keeps_the_formulas(seed):
    net = random_net(seed)
    dry = np.random.default_rng(9).standard_normal(80).astype(np.float32)
    np.testing.assert_allclose(Teacher(capture(net))(dry), brute_force(net, dry), atol=2e-6)


def test_a_recurrent_capture_is_a_teacher_too():
    random = np.random.default_rng(5)

    def draw(*shape):
        return (0.5 * random.standard_normal(shape)).astype(np.float32)

    layer = Gru(draw(9, 2), draw(9, 3), draw(9), draw(9))
    net = Stack((layer, Dense(draw(1, 3), draw(1))), inputs=2)
    knob = ModelParameter(name="drive", min=0.0, max=1.0, default=0.5)
    teacher = Teacher(ForeignNet(Path("test.json"), "guitarml", "", 44100, net, parameters=(knob,)))
    dry = random.uniform(-1, 1, 100).astype(np.float32)
    module = torch.nn.GRU(2, 3).double()
    for name, array in zip(
        ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"),
        (layer.weight_ih, layer.weight_hh, layer.bias_ih, layer.bias_hh),
        strict=True,
    ):
        getattr(module, name).data = torch.from_numpy(array).double()
    x = torch.tensor(np.stack([dry, np.full_like(dry, knob.default)], 1)).double()
    hidden = module(x)[0].detach().numpy()
    wanted = hidden @ net.layers[1].weight[0] + net.layers[1].bias
    np.testing.assert_allclose(teacher(dry), wanted, atol=2e-6)
