"""A speech denoiser on the waveform: dilated convolutions that see a second around a sample."""

from __future__ import annotations

import itertools
from typing import Annotated, Any, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from export.layers import CausalConv1d
from export.streaming import State, StreamingModule

__all__ = ["ContextNet"]

Norm = Literal["adaptive", "batch", "none"]

KERNEL = 3
SLOPE = 0.2
MAX_LAYERS = 16
_EPSILON = 1e-3


class ContextNet(StreamingModule):
    r"""Context-aggregation network: ``layers`` dilated convolutions, one undilated, one 1x1.

    ::

        audio -> conv 3, dilation 1 -> 2 -> 4 ... 2^(layers-1) -> conv 3 -> 1x1 -> audio
                       each: convolution, normalisation, leaky ReLU of slope 0.2

    No connection skips the layers: the output is that of the last one. The net has three forms,
    which differ in which layers look to both sides of a sample rather than only back. A layer that
    does is played late by its dilation, so the forms share their arithmetic; they differ in the
    latency they are trained for, and in what a layer hears of the time before the first sample::

        causal          centred_layers=0                     latency 0
        look-ahead      centred_layers=m [, centre_last]     latency 2^m - 1 [+ 1]
        original        centred_layers=13, centre_last       latency 8192

    Parameters
    ----------
    channels
        Channels of every layer.
    layers
        Dilated layers.
    norm
        Adaptive: ``w0 x + w1 batch_norm(x)``, from w0 = 1, w1 = 0; batch: batch normalisation
        alone; none: a bias instead. In training it is the batch that normalises, in evaluation the
        average seen while training, and `folded` makes it weights of the convolutions.
    centred_layers, centre_last
        How many of the dilated layers, from the first, look to both sides, and whether the
        undilated one after them does.

    Notes
    -----
    Untrained, the net is a delay by ``latency_samples`` (unless ``norm`` is batch): one pair of
    channels carries the sound to the output, the others start at random and do not reach it yet.

    A whole signal in one piece with zeros around every layer, as convolutions with padding compute
    it, comes out the same, later by the latency. So the output of the layers for the time before
    the first sample must not count as sound: a net that looks ahead counts the samples in the state
    ``position`` and keeps that time silent in every layer. A stream does not know its end: there
    the layers go on to hear silence, and the last samples, as many as the latency, differ from
    those that zeros around every layer would give.

    Germain, Chen, Koltun: Speech denoising with deep feature losses, Interspeech 2019, after
    Chen, Xu, Koltun: Fast image processing with fully-convolutional networks, ICCV 2017.

    Examples
    --------
    >>> net = ContextNet()
    >>> sum(p.numel() for p in net.parameters()), net.receptive_field_samples, net.latency_samples
    (40541, 16385, 0)
    >>> ContextNet(centred_layers=13, centre_last=True).latency_samples
    8192
    """

    task = "denoise"

    def __init__(
        self,
        channels: Annotated[int, Field(ge=2, le=256)] = 32,
        layers: Annotated[int, Field(ge=1, le=MAX_LAYERS)] = 13,
        norm: Norm = "adaptive",
        centred_layers: Annotated[int, Field(ge=0, le=MAX_LAYERS)] = 0,
        centre_last: bool = False,
    ) -> None:
        super().__init__()
        if centred_layers > layers:
            raise ValueError(f"centred_layers {centred_layers}: the net has {layers} layers")
        self.sizes: dict[str, Any] = {
            "channels": channels,
            "layers": layers,
            "norm": norm,
            "centred_layers": centred_layers,
            "centre_last": centre_last,
        }
        self.layers = nn.ModuleList(
            _Layer(channels if n else 1, channels, dilation, norm)
            for n, dilation in enumerate([*(1 << n for n in range(layers)), 1])
        )
        self.head = nn.Conv1d(channels, 1, 1)
        # By how much each layer's output is late.
        centred = [n < centred_layers for n in range(layers)] + [centre_last]
        own = [layer.dilation * side for layer, side in zip(self._stack(), centred, strict=True)]
        self.delays = list(itertools.accumulate(own))
        self.latency_samples = self.delays[-1]
        self._start_as_delay()

    @torch.no_grad()
    def _start_as_delay(self) -> None:
        """Let channels 0 and 1 carry x and -x: f(x) - f(-x) of a leaky ReLU is (1 + slope) x."""
        pair = torch.tensor([1.0, -1.0]) / (1 + SLOPE)
        for n, layer in enumerate(self._stack()):
            late = self.delays[n] > (self.delays[n - 1] if n else 0)
            weight = layer.conv.conv.weight
            nn.init.kaiming_normal_(weight, SLOPE)
            weight[:2] = 0
            weight[0, :2, 1 if late else 2] = pair if n else 1.0
            weight[1] = -weight[0]
            if layer.conv.conv.bias is not None:
                nn.init.zeros_(layer.conv.conv.bias)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(cast("Tensor", self.head.bias))
        self.head.weight[0, :2, 0] = pair

    def _stack(self) -> list[_Layer]:
        return cast("list[_Layer]", list(self.layers))

    @property
    def receptive_field_samples(self) -> int:
        """Samples of input that one output sample depends on, itself included."""
        return 1 + sum(layer.conv.past for layer in self._stack())

    @property
    def macs_per_sample(self) -> int:
        """Multiplications of weights for every sample; the folded normalisation costs none."""
        return sum(m.weight.numel() for m in self.modules() if isinstance(m, nn.Conv1d))

    @override
    def initial_state(self, batch: int = 1) -> State:
        state = {
            f"{n}.past": layer.conv.initial_state(batch)["past"]
            for n, layer in enumerate(self._stack())
        }
        if self.latency_samples:
            state["position"] = torch.zeros(1, dtype=torch.int64)
        return state

    @override
    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        following: State = {}
        if self.latency_samples:
            time = state["position"] + torch.arange(x.shape[-1], device=x.device)
            following["position"] = state["position"] + x.shape[-1]
        for n, (layer, delay) in enumerate(zip(self._stack(), self.delays, strict=True)):
            x, following[f"{n}.past"] = layer(x, state[f"{n}.past"])
            if delay:
                x = x * (time >= delay).to(x.dtype)
        y = self.head(x)
        if self.latency_samples:
            y = y * (time >= self.latency_samples).to(y.dtype)
        return y, following

    @override
    @torch.no_grad()
    def folded(self) -> ContextNet:
        """The net as it is in evaluation, the normalisation moved into weights and biases."""
        net = ContextNet(**{**self.sizes, "norm": "none"})
        for mine, its in zip(self._stack(), net._stack(), strict=True):
            mine.fold_into(its)
        net.head.load_state_dict(self.head.state_dict())
        return net.eval()

    @override
    def architecture(self) -> dict[str, Any]:
        """Sizes, and the cost per sample; there is no kernel but the graph."""
        return {"type": "context", **self.sizes, "macs_per_sample": self.macs_per_sample}


class _Layer(nn.Module):
    def __init__(self, inputs: int, outputs: int, dilation: int, norm: Norm) -> None:
        super().__init__()
        self.dilation = dilation
        self.conv = CausalConv1d(inputs, outputs, KERNEL, dilation=dilation, bias=norm == "none")
        self.norm = None if norm == "none" else _Norm(outputs, adaptive=norm == "adaptive")

    @override
    def forward(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        y, following = self.conv(x, {"past": past})
        if self.norm is not None:
            y = self.norm(y)
        return functional.leaky_relu(y, SLOPE), following["past"]

    def fold_into(self, other: _Layer) -> None:
        """Give a layer without normalisation the weights that make it equal to this one."""
        mine, its = self.conv.conv, other.conv.conv
        assert its.bias is not None
        if self.norm is None:
            its.load_state_dict(mine.state_dict())
            return
        scale, offset = self.norm.scale_and_offset()
        its.weight.copy_(mine.weight * scale[:, None, None])
        its.bias.copy_(offset)


class _Norm(nn.Module):
    """Batch normalisation with an offset, and if adaptive the signal itself beside it."""

    def __init__(self, channels: int, *, adaptive: bool) -> None:
        super().__init__()
        self.batch = nn.BatchNorm1d(channels, eps=_EPSILON, affine=False)
        self.offset = nn.Parameter(torch.zeros(channels))
        self.w0 = nn.Parameter(torch.ones(())) if adaptive else None
        self.w1 = nn.Parameter(torch.zeros(())) if adaptive else None

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.batch(x) + self.offset[:, None]
        if self.w0 is not None and self.w1 is not None:
            y = self.w0 * x + self.w1 * y
        return y

    def scale_and_offset(self) -> tuple[Tensor, Tensor]:
        """Scale and offset of each channel in evaluation: ``scale * x + offset``."""
        mean, variance = self.batch.running_mean, self.batch.running_var
        assert mean is not None
        assert variance is not None
        scale = torch.rsqrt(variance + self.batch.eps)
        offset = self.offset - mean * scale
        if self.w0 is None or self.w1 is None:
            return scale, offset
        return self.w0 + self.w1 * scale, self.w1 * offset
