"""Windows that see far back and answer early."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from export.spectral import OverlapAdd, cross_fade_windows, low_latency_windows  # noqa: E402
from export.streaming import StreamingModule  # noqa: E402


class _Wire(StreamingModule):
    def initial_state(self, batch=1):
        return {}

    def forward(self, x, state):
        return x, state


@pytest.mark.parametrize(("n_fft", "kept", "hop"), [(64, 16, 8), (64, 16, 4), (48, 48, 24)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_wire_is_a_delay_of_what_the_synthesis_window_needs(n_fft, kept, hop, channels):
    windows = low_latency_windows(n_fft, kept)
    assert not windows[1][: n_fft - kept].any()
    net = OverlapAdd(
        _Wire(), n_fft=n_fft, hop=hop, windows=windows, channels=(channels,) * 2, n_synthesis=kept
    )
    x = torch.randn(2, channels, 40 * hop)
    y, _ = net(x, net.initial_state(2))
    assert net.latency_samples == kept - hop
    torch.testing.assert_close(y[..., kept - hop :], x[..., : x.shape[-1] - kept + hop])


@pytest.mark.parametrize(
    ("n_fft", "kept", "hop", "fade"),
    [(64, 32, 16, 4), (64, 64, 16, 48), (64, 48, 16, 32), (48, 25, 24, 1)],
)
def test_a_wire_is_the_same_delay_however_short_the_fade(n_fft, kept, hop, fade):
    windows = cross_fade_windows(n_fft, kept, hop=hop, fade=fade)
    heard = np.flatnonzero(windows[1])
    assert n_fft - kept < heard[0] <= heard[-1] < n_fft - kept + hop + fade
    net = OverlapAdd(_Wire(), n_fft=n_fft, hop=hop, windows=windows, n_synthesis=kept)
    x = torch.randn(1, 1, 40 * hop)
    y, _ = net(x, net.initial_state())
    assert net.latency_samples == kept - hop
    torch.testing.assert_close(y[..., kept - hop :], x[..., : x.shape[-1] - kept + hop])


@pytest.mark.parametrize(("kept", "fade"), [(32, 0), (32, 17), (16, 1), (65, 4)])
def test_impossible_fades_are_refused(kept, fade):
    with pytest.raises(ValueError, match=r"fade|n_synthesis"):
        cross_fade_windows(64, kept, hop=16, fade=fade)


@pytest.mark.parametrize("kept", [0, 7, 80])
def test_impossible_windows_are_refused(kept):
    with pytest.raises(ValueError, match="n_synthesis"):
        low_latency_windows(64, kept)


def test_a_window_that_answers_too_early_is_refused():
    with pytest.raises(ValueError, match="n_synthesis = 32"):
        OverlapAdd(_Wire(), n_fft=64, hop=16, windows=(np.ones(64), np.ones(64)), n_synthesis=32)
