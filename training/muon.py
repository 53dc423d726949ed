"""Muon: orthogonal steps for matrices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from typing_extensions import override

__all__ = ["Muon"]

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the polynomial that pulls all singular values towards 1."""
BETAS, EPSILON = (0.9, 0.999), 1e-8


class Muon(Optimizer):
    """Steps whose singular values are alike, for the matrices of a net; Adam for the rest.

    The weights of convolutions (outputs by all else) and linear layers are matrices, those of
    recurrent layers one for each gate. The rest are biases, norms, what a net learns beside its
    layers, and the layer named ``head``, whose outputs have a scale each. A step is as long as one
    of AdamW at the same learning rate.

    Parameters
    ----------
    net
        The net to train.
    lr
        The learning rate.
    momentum
        Share of the former gradients in their running mean.
    weight_decay
        Share of a weight that a step of learning rate 1 takes away.

    Notes
    -----
    Jordan et al.: Muon: an optimizer for hidden layers in neural networks, 2024; the length of a
    step after Liu et al.: Muon is scalable for LLM training, 2025. `torch.optim.Muon` takes
    matrices only, neither the weights of convolutions nor the gates of recurrent layers.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> net = nn.Linear(4, 4, bias=False)
    >>> optimizer = Muon(net, lr=0.1, weight_decay=0.0)
    >>> before = net.weight.detach().clone()
    >>> net(torch.eye(4)).square().sum().backward()
    >>> optimizer.step()
    >>> step = torch.linalg.svdvals(before - net.weight)  # 0.1 * 0.2 * sqrt(4) each, nearly
    >>> bool(0.025 < step.min() and step.max() < 0.05)
    True
    """

    def __init__(
        self, net: nn.Module, lr: float, *, momentum: float = 0.95, weight_decay: float = 0.01
    ) -> None:
        matrices = dict(_matrices(net))
        by_gates: dict[int, list[Tensor]] = {}
        for parameter, gates in matrices.items():
            by_gates.setdefault(gates, []).append(parameter)
        groups: list[dict[str, Any]] = [
            {"params": parameters, "gates": gates} for gates, parameters in by_gates.items()
        ]
        rest = [p for p in net.parameters() if p not in matrices]
        if rest:
            groups.append({"params": rest, "gates": 0})
        super().__init__(groups, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @override
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move all weights by their gradients; a closure is not called."""
        for group in self.param_groups:
            move = self._move_matrix if group["gates"] else self._move_other
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    move(parameter, group)

    def _move_matrix(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state, gradient = self.state[parameter], parameter.grad
        assert gradient is not None
        if not state:
            state["mean"] = torch.zeros_like(parameter)
        mean = state["mean"].lerp_(gradient, 1 - group["momentum"])
        update = gradient.lerp(mean, group["momentum"])  # Nesterov
        gates = group["gates"]
        update = _orthogonal(update.reshape(gates, parameter.shape[0] // gates, -1))
        length = 0.2 * max(update.shape[-2:]) ** 0.5
        parameter.add_(update.reshape(parameter.shape), alpha=-group["lr"] * length)

    def _move_other(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state, gradient = self.state[parameter], parameter.grad
        assert gradient is not None
        if not state:
            state["step"] = torch.zeros(())
            state["mean"], state["square"] = (torch.zeros_like(parameter) for _ in range(2))
        state["step"] += 1
        first, second = (1 - beta ** float(state["step"]) for beta in BETAS)
        state["mean"].lerp_(gradient, 1 - BETAS[0])
        state["square"].lerp_(gradient.square(), 1 - BETAS[1])
        scale = (state["square"] / second).sqrt_().add_(EPSILON)
        parameter.addcdiv_(state["mean"], scale, value=-group["lr"] / first)


def _matrices(net: nn.Module) -> Iterator[tuple[Tensor, int]]:
    """Return the weights of layers that are matrices, and the number of matrices in each."""
    for name, layer in net.named_modules():
        if name.rpartition(".")[2] == "head":
            continue
        if isinstance(layer, nn.GRU | nn.LSTM):
            gates = 3 if isinstance(layer, nn.GRU) else 4
            yield from ((w, gates) for k, w in layer.named_parameters() if k.startswith("weight"))
        elif isinstance(layer, nn.Linear | nn.modules.conv._ConvNd):
            yield layer.weight, 1


def _orthogonal(x: Tensor) -> Tensor:
    """Return about the nearest matrices with orthogonal rows or columns: 5 Newton-Schulz steps."""
    a, b, c = COEFFICIENTS
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x.mT if tall else x
