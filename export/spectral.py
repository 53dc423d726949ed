"""Spectral streaming: windowed Fourier frames and overlap-add around any net over frames."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from export.streaming import State, StreamingModule
from rtaudio.models.graph.fourier import FourierStages, normalised_windows
from rtaudio.runtime.memory import Array

__all__ = ["Fourier", "OverlapAdd", "cross_fade_windows", "low_latency_windows"]


class OverlapAdd(StreamingModule):
    r"""A net over spectral frames as a net over audio, delayed by exactly ``latency_samples``.

    Frames are not centred. Each hop of samples makes one frame of the newest ``n_fft`` samples, and
    completes the oldest ``hop`` samples of the overlapping sum of the newest ``n_synthesis``::

        state.history [batch, in, n_fft - hop] | x [batch, in, hop]
        \__________________________________________________________/
              * analysis window -> rfft -> net -> irfft -> * synthesis window
              /----------------------------------------------------\
              + state.overlap [batch, out, n_synthesis - hop]
              = y [batch, out, hop]       | next.overlap

    Parameters
    ----------
    net
        From frames, float32 (batch, 2, frames, n_fft // 2 + 1) with real part first, and its state
        to as many frames and the state. Its state appears as ``net.<name>``. All frames of a
        channel come before those of the next one: (batch, 2, channels * frames, bins). A net with
        knobs gets them as third argument.
    n_fft, hop
        Length of a frame, and its distance to the next one, in samples.
    windows
        Analysis and synthesis window, [n_fft] each. Their products must add up to a constant over
        the hops, which is divided out. None: the square root of a Hann window, twice.
    look_ahead
        The net's look-ahead: frame t of its output belongs to frame t - ``look_ahead`` of its
        input.
    channels
        Audio channels in and out.
    n_synthesis
        Newest samples of a frame that the synthesis window keeps; it is 0 before them. None: all.
        See `low_latency_windows` and `cross_fade_windows`.

    Raises
    ------
    ValueError
        The windows do not add up at this hop, or a size is out of range.

    Notes
    -----
    Allen, Rabiner: A unified approach to short-time Fourier analysis and synthesis, Proceedings of
    the IEEE 65(11), 1977. The latency is ``n_synthesis - hop + look_ahead * hop``; a host whose
    block is no multiple of the hop adds ``hop - gcd(hop, block)``.

    In a graph the transform is a product with fixed matrices in two stages (`Fourier`). From 512
    samples on that is cheaper than dense matrices or the operator DFT (see
    ``python -m benchmarks.spectral``). Elsewhere it is ``torch.fft``; the exporter proves that both
    give the same samples.

    Examples
    --------
    >>> class Halved(StreamingModule):
    ...     def initial_state(self, batch=1):
    ...         return {}
    ...     def forward(self, x, state):
    ...         return 0.5 * x, state
    >>> net = OverlapAdd(Halved(), n_fft=512, hop=128)
    >>> y, state = net(torch.ones(1, 1, 1280), net.initial_state())
    >>> net.latency_samples, round(float(y[0, 0, -1]), 3)
    (384, 0.5)
    """

    def __init__(
        self,
        net: StreamingModule,
        *,
        n_fft: int,
        hop: int,
        windows: tuple[Array, Array] | None = None,
        look_ahead: int = 0,
        channels: tuple[int, int] = (1, 1),
        n_synthesis: int | None = None,
    ) -> None:
        super().__init__()
        if not 1 <= hop <= n_fft:
            raise ValueError(
                f"hop = {hop} is out of range 1 .. {n_fft} samples, the length of a frame"
            )
        if look_ahead < 0:
            raise ValueError(f"look_ahead = {look_ahead} is out of range: 0 frames or more")
        if windows is None:
            root = np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft))
            windows = (root, root)
        kept = n_fft if n_synthesis is None else n_synthesis
        if not hop <= kept <= n_fft or np.any(windows[1][: n_fft - kept]):
            raise ValueError(
                f"n_synthesis = {kept}: wanted {hop} .. {n_fft}, and a window of 0 before"
            )
        self.net = net
        self.n_fft = n_fft
        self.hop = hop
        self.channels = channels
        self.n_synthesis = kept
        self.latency_samples = kept - hop + look_ahead * hop
        self.fourier = Fourier(*normalised_windows(windows, n_fft, hop))

    @override
    def initial_state(self, batch: int = 1) -> State:
        inner = {f"net.{name}": value for name, value in self.net.initial_state(batch).items()}
        zeros = self.fourier.analysis.new_zeros
        sizes = {
            "history": (batch, self.channels[0], self.n_fft - self.hop),
            "overlap": (batch, self.channels[1], self.n_synthesis - self.hop),
        }
        return {name: zeros(size) for name, size in sizes.items() if size[-1]} | inner

    @override
    def forward(self, x: Tensor, state: State, *knobs: Tensor) -> tuple[Tensor, State]:
        if x.shape[-1] % self.hop:
            raise ValueError(f"{x.shape[-1]} samples are not a multiple of the hop, {self.hop}")
        past, rest = self.n_fft - self.hop, self.n_synthesis - self.hop
        seen = torch.cat([state["history"], x], dim=-1) if past else x
        inner = {
            name.removeprefix("net."): value
            for name, value in state.items()
            if name.startswith("net.")
        }
        spectra, inner = self.net(self.fourier(self._frames(seen)), inner, *knobs)
        following: State = {f"net.{name}": value for name, value in inner.items()}
        if past:
            following = {"history": seen[..., -past:], **following}
        frames = self.fourier.inverse(spectra)
        summed = self._overlap_add(frames[..., self.n_fft - self.n_synthesis :])
        if not rest:
            return summed, following
        head = summed[..., :rest] + state["overlap"]
        summed = torch.cat([head, summed[..., rest:]], dim=-1)
        return summed[..., :-rest], {"overlap": summed[..., -rest:], **following}

    def _frames(self, seen: Tensor) -> Tensor:
        """Cut (batch, in, samples) into overlapping frames (batch, in * frames, n_fft)."""
        if seen.shape[-1] == self.n_fft:  # one hop, as in a graph: one frame
            return seen
        return seen.unfold(-1, self.n_fft, self.hop).flatten(1, 2)

    def _overlap_add(self, frames: Tensor) -> Tensor:
        """Add up frames (batch, out * frames, n_synthesis) to (batch, out, samples)."""
        outputs = self.channels[1]
        count = frames.shape[1] // outputs
        if count == 1:
            return frames
        length = self.n_synthesis + (count - 1) * self.hop
        columns = frames.reshape(-1, count, self.n_synthesis).transpose(1, 2)
        summed = functional.fold(columns, (1, length), (1, self.n_synthesis), stride=(1, self.hop))
        return summed.reshape(-1, outputs, length)


def low_latency_windows(n_fft: int, n_synthesis: int) -> tuple[Array, Array]:
    """Return a long analysis and a short synthesis window: fine in frequency, early in time.

    The analysis window rises over the whole frame and falls over its last ``n_synthesis / 2``
    samples. The synthesis window is 0 before the newest ``n_synthesis`` samples; the product is a
    Hann window of those, which adds up at hops of a half, a quarter ... of it.

    Parameters
    ----------
    n_fft
        Samples of a frame.
    n_synthesis
        Samples that the synthesis window keeps: an even number, at most ``n_fft``.

    Returns
    -------
    analysis, synthesis
        float64 [n_fft] each.

    Raises
    ------
    ValueError
        ``n_synthesis`` is odd or out of range.

    Notes
    -----
    Mauler, Martin: A low delay, variable resolution, perfect reconstruction spectral
    analysis-synthesis system for speech enhancement, EUSIPCO 2007.

    Examples
    --------
    >>> analysis, synthesis = low_latency_windows(16, 4)
    >>> (analysis * synthesis)[-4:].round(3)
    array([0. , 0.5, 1. , 0.5])
    """
    if n_synthesis % 2 or not 2 <= n_synthesis <= n_fft:
        raise ValueError(f"n_synthesis = {n_synthesis}: wanted an even number, 2 .. {n_fft}")
    half = n_synthesis // 2

    def root(length: int) -> Array:
        return np.asarray(np.sin(np.pi * np.arange(length) / length))  # of a Hann window

    analysis = np.concatenate([root(2 * (n_fft - half))[: n_fft - half], root(n_synthesis)[half:]])
    product = root(n_synthesis) ** 2
    kept = analysis[-n_synthesis:]
    short = np.divide(product, kept, out=np.zeros(n_synthesis), where=kept > 0)
    return analysis, np.concatenate([np.zeros(n_fft - n_synthesis), short])


def cross_fade_windows(n_fft: int, n_synthesis: int, *, hop: int, fade: int) -> tuple[Array, Array]:
    """Return windows of which frames share no more than a cross-fade, however short.

    The analysis window is half a sine over the frame. The product of both is 1 over a hop, faded in
    and out, and 0 before the newest ``n_synthesis`` samples and after the fade::

        0 ........ 0 | in: fade | 1: hop - fade | out: fade | 0 ........ 0
                     |<-------------- n_synthesis ---------------------->|

    The delay is that of any ``n_synthesis``. But where each sample is the mean of frames that
    overlap by half, the older of these has seen next to nothing of what follows; with a short fade
    all of it comes from a frame that has seen ``n_synthesis - hop - fade`` newer samples or more.

    Parameters
    ----------
    n_fft
        Samples of a frame.
    n_synthesis
        Samples from the first that a frame makes heard to its newest, at most ``n_fft``.
    hop
        Samples from one frame to the next.
    fade
        Samples over which one frame gives way to the next, at most ``n_synthesis - hop``.

    Returns
    -------
    analysis, synthesis
        float64 [n_fft] each.

    Raises
    ------
    ValueError
        ``n_synthesis`` or ``fade`` is out of range.

    Examples
    --------
    >>> analysis, synthesis = cross_fade_windows(16, 8, hop=4, fade=2)
    >>> (analysis * synthesis)[-8:].round(3)
    array([0. , 0.5, 1. , 1. , 1. , 0.5, 0. , 0. ])
    """
    if not hop < n_synthesis <= n_fft:
        raise ValueError(f"n_synthesis = {n_synthesis}: wanted {hop + 1} .. {n_fft}")
    if not 1 <= fade <= n_synthesis - hop:
        raise ValueError(f"fade = {fade} is out of range 1 .. {n_synthesis - hop} samples")
    analysis = np.sin(np.pi * np.arange(n_fft) / n_fft)
    kernel = np.sin(np.pi * (np.arange(fade) + 0.5) / fade)
    product = np.zeros(n_fft)
    heard = np.convolve(np.ones(hop), kernel / kernel.sum())
    start = n_fft - n_synthesis
    product[start + 1 : start + 1 + heard.size] = heard
    synthesis = np.divide(product, analysis, out=np.zeros(n_fft), where=product > 0)
    return analysis, synthesis


class Fourier(nn.Module):
    """Windowed Fourier transform of real frames, and its windowed inverse.

    In a graph it is two products with fixed matrices (`rtaudio.models.graph.fourier`).

    Parameters
    ----------
    analysis, synthesis
        Windows, [n] each.
    """

    analysis: Tensor
    synthesis: Tensor
    first: Tensor
    second: Tensor
    second_inverse: Tensor
    order: Tensor
    places: Tensor

    def __init__(self, analysis: Array, synthesis: Array) -> None:
        super().__init__()
        stages = FourierStages.of(len(analysis))
        self.n, self.bins = stages.n, stages.bins
        self.rows, self.columns, self.kept = stages.rows, stages.columns, stages.kept
        constants = {
            "analysis": analysis,
            "synthesis": synthesis,
            "first": stages.first,
            "second": stages.second,
            "order": stages.order,
            "second_inverse": stages.second_inverse,
            "places": stages.places,
        }
        for name, value in constants.items():
            dtype = torch.int64 if value.dtype.kind == "i" else torch.float32
            self.register_buffer(name, torch.tensor(value, dtype=dtype), persistent=False)

    @override
    def forward(self, frames: Tensor) -> Tensor:
        """Transform frames (batch, frames, n) to spectra (batch, 2, frames, bins)."""
        windowed = frames * self.analysis
        if not torch.onnx.is_in_onnx_export():
            return torch.view_as_real(torch.fft.rfft(windowed)).permute(0, 3, 1, 2)
        inner = self.first @ windowed.reshape(-1, self.rows, self.columns)
        spectra = inner.reshape(-1, self.kept, 1, 2 * self.columns) @ self.second
        flat = spectra.reshape(1, -1, 2 * self.kept * self.columns)
        ordered = flat.index_select(2, self.order).reshape(1, -1, 2, self.bins)
        return ordered.transpose(1, 2)

    def inverse(self, spectra: Tensor) -> Tensor:
        """Transform spectra (batch, 2, frames, bins) to frames (batch, frames, n)."""
        if not torch.onnx.is_in_onnx_export():
            values = torch.complex(spectra[:, 0], spectra[:, 1])
            frames: Tensor = torch.fft.irfft(values, self.n)
            return frames * self.synthesis
        flat = spectra.transpose(1, 2).reshape(1, -1, 2 * self.bins)
        placed = flat.index_select(2, self.places).reshape(-1, self.kept, 1, 2 * self.columns)
        inner = (placed @ self.second_inverse).reshape(-1, 2 * self.kept, self.columns)
        frames = self.first.T @ inner
        return frames.reshape(1, -1, self.n) * self.synthesis
