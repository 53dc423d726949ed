"""What the gains of a denoiser are like, and what they do to speech and to noise apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from export.spectral import OverlapAdd
from export.streaming import State, StreamingModule
from training.models.overlap_net import OverlapNet
from training.task import Row

__all__ = ["measure_gains"]

BANDS_HZ = ((100, 300), (300, 1000), (1000, 4000), (4000, 8000))
ACTIVE_DB = -30.0
"""Level of a frame below the loud ones of a voice, down to which it is speech."""
VOICED_HZ = (200, 2000)
NEIGHBOURS_HZ = 340
"""Width over which a gain is averaged to see what is fine about it."""
LEAST_GAIN, LARGEST_GAIN = 0.01, 3.0
TINY = 1e-12


@torch.no_grad()
def measure_gains(net: OverlapNet, noisy: Tensor, clean: Tensor, rate_hz: int) -> Row:
    """Apply the gains that a denoiser chooses for mixtures to their speech and their noise apart.

    A net whose gains are smooth over frequency leaves noise between the harmonics of a voice; one
    that is too eager damages the voice. The score of the output hides which.

    Parameters
    ----------
    net
        The denoiser.
    noisy, clean
        float32 (batch, 1, samples), a multiple of the hop; each with both speech and noise.
    rate_hz
        Their sample rate.

    Returns
    -------
    dict
        ``fine_structure_db``: standard deviation of the gains around their mean over 340 Hz, from
        200 to 2,000 Hz where the voice is loud. ``noise_in_speech_db``, ``noise_in_pauses_db``:
        what is left of the noise. ``speech_error_db``: error of the speech, relative to it. The
        last three are means of four bands from 100 to 8,000 Hz; NaN if there is nothing to measure.

    Notes
    -----
    Gains per bin are applied as they are. Those of a filter over frames are its output over its
    input. Gustafsson et al.: A new method for objective assessment of noise reduction ("shadow
    filtering"), IWAENC 1996.

    Examples
    --------
    >>> from training.models.fine_denoiser import FineDenoiser
    >>> speech, noise = torch.randn(2, 1, 1, 48000)
    >>> found = measure_gains(FineDenoiser().eval(), speech + noise, speech, 48000)
    >>> sorted(found)
    ['fine_structure_db', 'noise_in_pauses_db', 'noise_in_speech_db', 'speech_error_db']
    """
    speech, noise = _apart(net, noisy, clean)
    samples = noisy.shape[-1] - net.latency_samples
    noisy, clean = noisy[..., :samples], clean[..., :samples]
    active = _active(clean, rate_hz)

    def level_db(part: Tensor, whole: Tensor, when: Tensor) -> float:
        over, under = (_band_energies(x, when, rate_hz) for x in (part, whole))
        there = under > 0  # an excerpt without pauses has no level in them
        return float((10 * ((over + TINY) / (under + TINY)).log10())[there].mean())

    return {
        "fine_structure_db": _fine_structure_db(noisy, speech + noise, clean, rate_hz),
        "noise_in_speech_db": level_db(noise, noisy - clean, active),
        "noise_in_pauses_db": level_db(noise, noisy - clean, ~active),
        "speech_error_db": level_db(speech - clean, clean, active),
    }


def _apart(net: OverlapNet, noisy: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
    """Return speech and noise with the gains that the mixture gets, without the latency."""
    stream = net.stream
    fixed = _Fixed(_gains(stream, noisy), _look_ahead(stream))
    with _replaced(stream, fixed):
        speech, noise = (
            stream(part, stream.initial_state(len(part)))[0][..., net.latency_samples :]
            for part in (clean, noisy - clean)
        )
    return speech, noise


class _Fixed(StreamingModule):
    """Gains that are known, complex (batch, frames, bins), in place of a net."""

    def __init__(self, gains: Tensor, look_ahead: int) -> None:
        super().__init__()
        self.gains, self.look_ahead = gains, look_ahead

    @override
    def initial_state(self, batch: int = 1) -> State:
        return {}

    @override
    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        weighed = _late(torch.complex(x[:, 0], x[:, 1]), self.look_ahead) * self.gains
        return torch.stack([weighed.real, weighed.imag], dim=1), state


def _gains(stream: OverlapAdd, noisy: Tensor) -> Tensor:
    """Return what the net inside multiplies each bin with: complex (batch, frames, bins)."""
    seen: list[Tensor] = []

    def watch(_: object, given: tuple[Tensor, State], answer: tuple[Tensor, State]) -> None:
        seen.extend(torch.complex(x[:, 0], x[:, 1]) for x in (given[0], answer[0]))

    handle = stream.net.register_forward_hook(watch)
    try:
        stream(noisy, stream.initial_state(len(noisy)))
    finally:
        handle.remove()
    heard, played = _late(seen[0], _look_ahead(stream)), seen[1]
    gains = played * heard.conj() / (heard.abs().square() + TINY)
    return gains * (LARGEST_GAIN / gains.abs().clamp(min=LARGEST_GAIN))


def _look_ahead(stream: OverlapAdd) -> int:
    return (stream.latency_samples - stream.n_synthesis + stream.hop) // stream.hop


def _late(frames: Tensor, count: int) -> Tensor:
    """Return frames (batch, frames, bins) ``count`` frames later; silence comes first."""
    return functional.pad(frames, (0, 0, count, 0))[:, : frames.shape[1]]


@contextmanager
def _replaced(stream: OverlapAdd, net: StreamingModule) -> Iterator[None]:
    original = stream.net
    stream.net = net
    try:
        yield
    finally:
        stream.net = original


def _spectra(x: Tensor, size: int, hop: int) -> Tensor:
    """Return the spectra of (batch, 1, samples), (batch, frames, bins)."""
    window = torch.hann_window(size, device=x.device)
    spectra: Tensor = torch.fft.rfft(x[:, 0].unfold(-1, size, hop) * window.sqrt())
    return spectra


def _sizes(rate_hz: int) -> tuple[int, int]:
    """Return frame and hop of 50 and 10 ms: bins of 20 Hz."""
    return rate_hz // 20, rate_hz // 100


def _band_energies(x: Tensor, when: Tensor, rate_hz: int) -> Tensor:
    """Return the energy of each of `BANDS_HZ` in some of the frames, (bands, batch)."""
    size, hop = _sizes(rate_hz)
    power = _spectra(x, size, hop).abs().square() * when[..., None]
    hz = torch.arange(power.shape[-1], device=x.device) * rate_hz / size
    bands = [(hz >= low) & (hz < high) for low, high in BANDS_HZ]
    return torch.stack([power[..., band].sum((1, 2)) for band in bands])


def _active(clean: Tensor, rate_hz: int) -> Tensor:
    """Return where there is speech, bool (batch, frames)."""
    size, hop = _sizes(rate_hz)
    power = clean[:, 0].unfold(-1, size, hop).square().mean(-1)
    loud = power.quantile(0.95, dim=1, keepdim=True)
    return power > loud * 10 ** (ACTIVE_DB / 10)


def _fine_structure_db(noisy: Tensor, heard: Tensor, clean: Tensor, rate_hz: int) -> float:
    size, hop = _sizes(rate_hz)
    before, after, voice = (_spectra(x, size, hop).abs() for x in (noisy, heard, clean))
    low, high = (hz * size // rate_hz for hz in VOICED_HZ)
    gain_db = 20 * (after / (before + TINY)).clamp(LEAST_GAIN, LARGEST_GAIN).log10()
    width = NEIGHBOURS_HZ * size // rate_hz
    rough = functional.avg_pool1d(gain_db, width, 1, width // 2, count_include_pad=False)
    fine = (gain_db - rough)[..., low:high]
    power = voice[..., low:high].square().sum(-1)
    voiced = power > power.quantile(0.7, dim=1, keepdim=True)
    return float(fine[voiced].std())
