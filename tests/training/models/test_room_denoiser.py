"""The denoiser with a knob for the room: in the middle it is the denoiser, at 100 % rooms fade."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from export.exporter import export_model  # noqa: E402
from rtaudio.effects.model import Model  # noqa: E402
from training.models.fine_denoiser import FineDenoiser  # noqa: E402
from training.models.room_denoiser import RoomDenoiser  # noqa: E402

CARD = {"name": "test", "sample_rate": 48000, "license": "Apache-2.0", "provenance": {}}
SMALL = {"channels": (4, 4, 4), "hidden": 8, "least_gain_db": -20.0}
NOISE = torch.from_numpy(np.random.default_rng(0).uniform(-0.5, 0.5, (1, 1, 24000))).float()


def plain():
    """A denoiser of random weights and random statistics, as training might leave it."""
    torch.manual_seed(0)
    net = FineDenoiser(**SMALL)
    torch.nn.init.normal_(net.stream.net.head.weight, std=0.5)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    return net.eval()


def with_knob(denoiser=None):
    """A room denoiser whose second gain has an opinion of its own."""
    net = RoomDenoiser(**SMALL)
    torch.manual_seed(1)
    torch.nn.init.normal_(net.stream.net.room.head.weight, std=0.1)
    net.adopt(denoiser or plain())
    return net.eval()


def played(net, x, percent=None, blocks=None):
    """The output of a net for a sound, in blocks."""
    knobs = [] if percent is None else [torch.tensor([[float(percent)]])]
    state, out = net.initial_state(), []
    with torch.no_grad():
        for block in x.split(blocks or [x.shape[-1]], dim=-1):
            y, state = net(block, state, *knobs)
            out.append(y)
    return torch.cat(out, dim=-1)[0, 0].numpy()


def test_in_the_middle_it_is_the_denoiser_and_learning_leaves_that_alone():
    denoiser = plain()
    net = with_knob(denoiser)
    wanted = played(denoiser, NOISE)
    np.testing.assert_allclose(played(net, NOISE, 50), wanted, atol=1e-5)
    np.testing.assert_array_equal(played(net, NOISE), played(net, NOISE, 50))
    net.train()
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    for percent in (0.0, 100.0):
        before = played(net, NOISE, percent)
        y, _ = net(NOISE, net.initial_state(), torch.tensor([[percent]]))
        y.square().sum().backward()
        optimizer.step()
        assert np.abs(played(net, NOISE, percent) - before).max() > 1e-3
    np.testing.assert_allclose(played(net.eval(), NOISE, 50), wanted, atol=1e-5)


def test_the_knob_turns_from_much_of_the_room_to_little_of_it():
    net = with_knob()
    levels = [np.square(played(net, NOISE, percent)).sum() for percent in (0, 25, 50, 75, 100)]
    assert levels == sorted(levels, reverse=True)
    assert levels[0] < np.square(NOISE.numpy()).sum()


@pytest.mark.parametrize("blocks", [[480] * 50, [960, 480, 4800, 17760]])
def test_blocks_equal_the_whole(blocks):
    net = with_knob()
    np.testing.assert_allclose(
        played(net, NOISE, 70, blocks), played(net, NOISE, 70), rtol=0, atol=1e-5
    )


def test_before_training_100_percent_takes_from_a_tail_and_not_from_what_made_it():
    """Noise, then what a room of RT60 0.5 s leaves of it, by a net that lets all pass before it."""
    net = with_knob()
    core = net.stream.net
    for weight in (core.head.weight, core.slope, core.room.head.weight):
        torch.nn.init.zeros_(weight)
    core.head.bias.data[0] = 20.0
    rng = np.random.default_rng(1)
    fade = np.concatenate([np.ones(14400), 10 ** (-3 * np.arange(33600) / 24000)])
    x = torch.from_numpy(rng.normal(0, 0.1, 48000) * fade).float()[None, None]
    dry, wet = (played(net, x, percent)[net.latency_samples :] for percent in (50, 100))

    def change_db(part):
        return 10 * np.log10(np.square(wet[part]).sum() / np.square(dry[part]).sum())

    assert change_db(slice(4800, 14400)) > -1.0
    assert change_db(slice(21600, 40000)) < -3.0
    assert change_db(slice(21600, 40000)) < change_db(slice(4800, 14400)) - 3.0


def test_silence_stays_silence():
    assert not played(with_knob(), torch.zeros(1, 1, 9600), 100).any()


def test_its_file_has_the_knob_and_plays_as_the_net_does(tmp_path):
    net = with_knob()
    export_model(net, CARD, tmp_path / "room.onnx")
    x = NOISE[0, 0].numpy()
    for percent in (0, 50, 90):
        effect = Model(tmp_path / "room.onnx", parameters={"dereverberation_percent": percent})
        out = np.asarray(effect(x, 48000)).reshape(-1)[: x.size]
        wanted = played(net, torch.nn.functional.pad(NOISE, (0, 960)), percent)[960:]
        np.testing.assert_allclose(out, wanted[: x.size], atol=2e-4)
