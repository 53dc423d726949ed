"""What gains do to speech and noise apart: known gains are found again."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from export.spectral import OverlapAdd  # noqa: E402
from export.streaming import StreamingModule  # noqa: E402
from training.denoise.gains import _apart, measure_gains  # noqa: E402
from training.models.denoiser import Denoiser  # noqa: E402
from training.models.fine_denoiser import FineDenoiser  # noqa: E402
from training.models.overlap_net import OverlapNet  # noqa: E402

RATE_HZ = 48000


class Weighed(StreamingModule):
    """Multiplies the bins of each frame, by turns of frames."""

    def __init__(self, *gains):
        super().__init__()
        self.gains = [torch.as_tensor(each, dtype=torch.float32) for each in gains]

    def initial_state(self, batch=1):
        return {}

    def forward(self, x, state):
        by_frame = [self.gains[t % len(self.gains)] + torch.zeros(721) for t in range(x.shape[2])]
        return x * torch.stack(by_frame), state


def net_of(*gains):
    return OverlapNet(OverlapAdd(Weighed(*gains), n_fft=1440, hop=480)).eval()


@pytest.fixture
def sounds():
    """A second of pauses and bursts of a voice of white noise, twice; and noise at -20 dB."""
    torch.manual_seed(0)
    speech = torch.randn(2, 1, RATE_HZ)
    speech *= (torch.arange(RATE_HZ) // 12000 % 2 > 0) * 1.0
    return speech, 0.1 * torch.randn(2, 1, RATE_HZ)


@pytest.mark.parametrize("gain", [0.1, 0.5, 1.0])
def test_one_gain_for_all_is_found_again(sounds, gain):
    speech, noise = sounds
    found = measure_gains(net_of(gain), speech + noise, speech, RATE_HZ)
    left_db = 20 * math.log10(gain)
    assert found["noise_in_speech_db"] == pytest.approx(left_db, abs=0.01)
    assert found["noise_in_pauses_db"] == pytest.approx(left_db, abs=0.01)
    error_db = 20 * math.log10(1 - gain) if gain < 1 else -math.inf
    assert found["speech_error_db"] == pytest.approx(error_db, abs=0.01) or (
        gain == 1 and found["speech_error_db"] < -100
    )
    assert found["fine_structure_db"] < 0.01


def test_an_excerpt_without_pauses_says_nothing_of_them(sounds):
    speech, noise = sounds
    speech = torch.stack([speech[0], torch.randn(1, RATE_HZ)])
    net = net_of(0.5)
    both = measure_gains(net, speech + noise, speech, RATE_HZ)
    assert both["noise_in_pauses_db"] == pytest.approx(20 * math.log10(0.5), abs=0.01)
    alone = measure_gains(net, (speech + noise)[1:], speech[1:], RATE_HZ)
    assert math.isnan(alone["noise_in_pauses_db"])
    assert math.isfinite(alone["noise_in_speech_db"])


def test_a_comb_is_fine_structure_and_a_slope_is_none(sounds):
    speech, noise = sounds
    bins = torch.arange(721)
    slope, comb = torch.exp(-bins / 100), torch.where(bins % 6 < 3, 1.0, 0.25)
    smooth, fine = (
        measure_gains(net_of(gains), speech + noise, speech, RATE_HZ)["fine_structure_db"]
        for gains in (slope, comb)
    )
    assert smooth < 1.0
    assert fine > 3 * smooth


@pytest.mark.parametrize("heard", [1440, 960])
def test_the_parts_add_up_to_the_output(sounds, heard):
    torch.manual_seed(0)
    net = FineDenoiser(hidden=16, n_synthesis=heard).eval()
    torch.nn.init.normal_(net.stream.net.head.weight, std=0.5)
    speech, noise = sounds
    with torch.no_grad():
        whole = net(speech + noise, net.initial_state(2))[0][..., net.latency_samples :]
        parts = _apart(net, speech + noise, speech)
    torch.testing.assert_close(sum(parts), whole, atol=1e-5, rtol=0)
    assert (parts[0] - speech[..., : whole.shape[-1]]).std() > 0.05


@pytest.mark.parametrize("look_ahead", [0, 1])
def test_filters_over_frames_are_heard_in_their_place(look_ahead, sounds):
    """A net that looks ahead, and leaves all as it is, has no error."""
    speech, noise = sounds
    net = Denoiser(look_ahead=look_ahead, hidden=8, channels=(4, 4, 4)).eval()
    core = net.stream.net
    torch.nn.init.zeros_(core.head.weight)
    torch.nn.init.zeros_(core.head.bias)
    core.band_head.data[0], core.band_head.data[1] = 0.0, 30.0
    found = measure_gains(net, speech + noise, speech, RATE_HZ)
    assert found["speech_error_db"] < -60
    assert found["noise_in_pauses_db"] == pytest.approx(0, abs=0.1)
    assert net.stream.net is core
