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

__all__ = ["Fourier", "OverlapAdd"]


class OverlapAdd(StreamingModule):
    r"""A net over spectral frames as a net over audio, delayed by exactly ``latency_samples``.

    Frames are not centred. Each hop of samples makes one frame of the newest ``n_fft`` samples, and
    completes the oldest ``hop`` samples of the overlapping sum::

        state.history [batch, 1, n_fft - hop] | x [batch, 1, hop]
        \________________________________________________________/
              * analysis window -> rfft -> net -> irfft -> * synthesis window
        /--------------------------------------------------------\
        + state.overlap [batch, 1, n_fft - hop]
        = y [batch, 1, hop]               | next.overlap

    Parameters
    ----------
    net
        From frames, float32 (batch, 2, frames, n_fft // 2 + 1) with real part first, and its state
        to as many frames and the state. Its state appears as ``net.<name>``.
    n_fft, hop
        Length of a frame, and its distance to the next one, in samples.
    windows
        Analysis and synthesis window, [n_fft] each. Their products must add up to a constant over
        the hops, which is divided out. None: the square root of a Hann window, twice.
    look_ahead
        The net's look-ahead: frame t of its output belongs to frame t - ``look_ahead`` of its
        input.

    Raises
    ------
    ValueError
        The windows do not add up at this hop, or a size is out of range.

    Notes
    -----
    Allen, Rabiner: A unified approach to short-time Fourier analysis and synthesis, Proceedings of
    the IEEE 65(11), 1977. The latency is ``n_fft - hop + look_ahead * hop``; a host whose block
    is no multiple of the hop adds ``hop - gcd(hop, block)``.

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
        self.net = net
        self.n_fft = n_fft
        self.hop = hop
        self.latency_samples = n_fft - hop + look_ahead * hop
        self.fourier = Fourier(*normalised_windows(windows, n_fft, hop))

    @override
    def initial_state(self, batch: int = 1) -> State:
        rest = self.fourier.analysis.new_zeros(batch, 1, self.n_fft - self.hop)
        inner = {f"net.{name}": value for name, value in self.net.initial_state(batch).items()}
        return (
            inner
            if self.hop == self.n_fft
            else {
                "history": rest,
                "overlap": rest.clone(),
                **inner,
            }
        )

    @override
    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        if x.shape[-1] % self.hop:
            raise ValueError(f"{x.shape[-1]} samples are not a multiple of the hop, {self.hop}")
        rest = self.n_fft - self.hop
        seen = torch.cat([state["history"], x], dim=-1) if rest else x
        inner = {
            name.removeprefix("net."): value
            for name, value in state.items()
            if name.startswith("net.")
        }
        spectra, inner = self.net(self.fourier(self._frames(seen)), inner)
        following: State = {f"net.{name}": value for name, value in inner.items()}
        summed = self._overlap_add(self.fourier.inverse(spectra))
        if not rest:
            return summed, following
        head = summed[..., :rest] + state["overlap"]
        summed = torch.cat([head, summed[..., rest:]], dim=-1)
        following = {"history": seen[..., -rest:], "overlap": summed[..., -rest:], **following}
        return summed[..., :-rest], following

    def _frames(self, seen: Tensor) -> Tensor:
        """Cut (batch, 1, samples) into overlapping frames (batch, frames, n_fft)."""
        if seen.shape[-1] == self.n_fft:  # one hop, as in a graph: one frame
            return seen
        return seen[:, 0].unfold(-1, self.n_fft, self.hop)

    def _overlap_add(self, frames: Tensor) -> Tensor:
        """Add up frames (batch, frames, n_fft) to (batch, 1, samples)."""
        count = frames.shape[1]
        if count == 1:
            return frames
        length = self.n_fft + (count - 1) * self.hop
        columns = frames.transpose(1, 2)
        return functional.fold(columns, (1, length), (1, self.n_fft), stride=(1, self.hop))[:, 0]


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
