"""Deep features of sound, and a loss that compares sounds by them."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from training.checkpoint import CheckpointError, read_plain
from training.config import ConfigError

__all__ = ["FeatureLoss", "FeatureNet", "load_features"]

LAYERS = 14
KERNEL = 3
SLOPE = 0.2
_BASE_CHANNELS, _BLOCK = 32, 5
_EPSILON = 1e-3


class FeatureNet(nn.Module):
    """Fourteen convolutions whose activations describe a sound.

    Kernel 3; each but the last halves the samples; 32 channels, doubled in layers 5 and 10; batch
    normalisation with an offset; leaky ReLU of slope 0.2. A layer's padding makes its output
    ``ceil(n / 2)`` long: one zero after an even number of samples, one on each side of an odd one.

    Notes
    -----
    Germain, Chen, Koltun: Speech denoising with deep feature losses, Interspeech 2019.

    Examples
    --------
    >>> activations = FeatureNet().eval()(torch.zeros(1, 1, 16384))
    >>> [tuple(a.shape[1:]) for a in (activations[0], activations[5], activations[13])]
    [(32, 8192), (64, 256), (128, 2)]
    """

    def __init__(self) -> None:
        super().__init__()
        self.channels = [_BASE_CHANNELS << n // _BLOCK for n in range(LAYERS)]
        self.convs = nn.ModuleList(
            nn.Conv1d(inputs, outputs, KERNEL, 2 if n < LAYERS - 1 else 1, bias=False)
            for n, (inputs, outputs) in enumerate(itertools.pairwise([1, *self.channels]))
        )
        self.norms = nn.ModuleList(
            nn.BatchNorm1d(width, eps=_EPSILON, affine=False) for width in self.channels
        )
        self.offsets = nn.ParameterList(torch.zeros(width, 1) for width in self.channels)
        for conv in self.convs:
            nn.init.kaiming_normal_(cast("nn.Conv1d", conv).weight, SLOPE)

    @override
    def forward(self, x: Tensor, layers: int = LAYERS) -> list[Tensor]:
        """Return the activations of the first ``layers`` layers; x: (batch, 1, samples)."""
        found = []
        for n in range(layers):
            conv = cast("nn.Conv1d", self.convs[n])
            ahead = 0 if conv.stride[0] == 2 and x.shape[-1] % 2 == 0 else 1
            y = self.norms[n](conv(functional.pad(x, (ahead, 1)))) + self.offsets[n]
            x = functional.leaky_relu(y, SLOPE)
            found.append(x)
        return found


class FeatureLoss(nn.Module):
    """Sum over the first ``layers`` of mean |activation of output - of target| / weight.

    The feature net is frozen and stays in evaluation mode. The weights start at 1. At the end of
    epoch ``balance_after_epochs`` each weight becomes the mean distance of its layer while training
    in that epoch, so that from then on every layer contributes about 1.

    Parameters
    ----------
    features
        The trained net.
    layers
        Number of layers to compare, from the first.
    balance_after_epochs
        Number of epochs after which the weights are set; None: never.

    Examples
    --------
    >>> loss = FeatureLoss(FeatureNet(), layers=3)
    >>> total, terms = loss(torch.zeros(2, 1, 64), torch.zeros(2, 1, 64))
    >>> total.item(), tuple(terms.shape)
    (0.0, (3,))
    """

    weights: Tensor
    _sums: Tensor
    _count: Tensor
    _epochs: Tensor

    def __init__(
        self, features: FeatureNet, *, layers: int = 6, balance_after_epochs: int | None = 10
    ) -> None:
        super().__init__()
        if not 1 <= layers <= LAYERS:
            raise ValueError(f"layers {layers}: the feature net has {LAYERS}")
        self.features = features.eval().requires_grad_(False)
        self.layers = layers
        self.balance_after_epochs = balance_after_epochs
        self.register_buffer("weights", torch.ones(layers))
        self.register_buffer("_sums", torch.zeros(layers))
        self.register_buffer("_count", torch.zeros(()))
        self.register_buffer("_epochs", torch.zeros((), dtype=torch.int64))

    @override
    def train(self, mode: bool = True) -> FeatureLoss:
        """Set the mode, except that of the feature net, which stays in evaluation."""
        super().train(mode)
        self.features.eval()
        return self

    @override
    def forward(self, output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return (total, terms of the layers) for two sounds, each (batch, 1, samples)."""
        with torch.no_grad():
            wanted = self.features(target, self.layers)
        found = self.features(output, self.layers)
        distances = torch.stack([(a - b).abs().mean() for a, b in zip(found, wanted, strict=True)])
        if self.training:
            self._sums += distances.detach()
            self._count += 1
        terms = distances / self.weights
        return terms.sum(), terms

    @property
    def balanced(self) -> bool:
        """Whether the weights have been set."""
        after = self.balance_after_epochs
        return after is not None and int(self._epochs) >= after

    def end_epoch(self) -> None:
        """Count an epoch of training; set the weights after epoch ``balance_after_epochs``."""
        self._epochs += 1
        if int(self._epochs) == self.balance_after_epochs and int(self._count):
            # A layer without any distance keeps its weight.
            mean = self._sums / self._count
            self.weights.copy_(torch.where(mean > 0, mean, self.weights))
        self._sums.zero_()
        self._count.zero_()


def load_features(path: str | Path) -> FeatureNet:
    """Read the ``features.pt`` that a run of `training.denoise.scene_task` has written.

    Raises
    ------
    ConfigError
        No such file, or none of this kind.
    """
    path = Path(path)
    remedy = "train it: rtaudio train training/configs/denoise-features.yaml"
    if not path.is_file():
        raise ConfigError(f"{path}: no feature net; {remedy}")
    net = FeatureNet()
    try:
        net.load_state_dict(read_plain(path)["features"])
    except (CheckpointError, RuntimeError, LookupError, TypeError, AttributeError):
        raise ConfigError(f"{path}: not a feature net, or cut short; {remedy}") from None
    return net.eval()
