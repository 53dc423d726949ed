"""A causal net over frames: matrix products with the frame itself and one earlier frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from export.streaming import State, StreamingModule

__all__ = ["FrameNet"]


class FrameNet(StreamingModule):
    """A linear path from input to output, and a stack of causal residual blocks beside it.

    A block is ``x(t) + W2 silu(W1 [n(t - d), n(t)])`` with n, the layer norm of x, and the dilation
    d. The linear path may be set to something that works before any training.

    Parameters
    ----------
    inputs, outputs
        Size of a frame in and out.
    width, hidden
        Size of a frame between the blocks, and inside of them.
    dilations
        Distance in frames that each block looks back; one block each.

    Examples
    --------
    >>> net = FrameNet(5, 3, width=4, hidden=8, dilations=(1, 2))
    >>> y, state = net(torch.zeros(1, 10, 5), net.initial_state())
    >>> tuple(y.shape), [tuple(past.shape) for past in state.values()], net.reach_frames
    ((1, 10, 3), [(1, 1, 4), (1, 2, 4)], 3)
    """

    def __init__(
        self, inputs: int, outputs: int, *, width: int, hidden: int, dilations: Sequence[int]
    ) -> None:
        super().__init__()
        self.inputs = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(_Block(width, hidden, dilation) for dilation in dilations)
        self.norm = nn.LayerNorm(width)
        self.outputs = nn.Linear(width, outputs)
        self.skip = nn.Linear(inputs, outputs)
        # The linear path speaks first.
        with torch.no_grad():
            self.outputs.weight.mul_(0.1)
            self.outputs.bias.zero_()

    def _stack(self) -> list[_Block]:
        return cast("list[_Block]", list(self.blocks))

    @property
    def dilations(self) -> tuple[int, ...]:
        """Distance in frames that each block looks back."""
        return tuple(block.dilation for block in self._stack())

    @property
    def reach_frames(self) -> int:
        """Number of earlier frames that an output depends on."""
        return sum(self.dilations)

    def weight_names(self, name: str) -> dict[str, Any]:
        """Return the names of the weights in the graph of a codec, in which this net is ``name``.

        Matrices are named by where they are used, all others by where they are kept.
        """

        def linear(path: str, key: str) -> dict[str, Any]:
            return {key: f"{path}.{key}.weight", f"{key}_bias": f"codec.{path}.{key}.bias"}

        def norm(path: str) -> dict[str, Any]:
            kept = f"codec.{path}.norm"
            return {"norm": f"{kept}.weight", "norm_bias": f"{kept}.bias"}

        blocks = [f"{name}.blocks.{n}" for n in range(len(self.blocks))]
        return {
            "blocks": [norm(b) | linear(b, "up") | linear(b, "down") for b in blocks],
            **norm(name),
            **linear(name, "inputs"),
            **linear(name, "outputs"),
            **linear(name, "skip"),
        }

    @override
    def initial_state(self, batch: int = 1) -> State:
        weight = self.norm.weight
        return {
            str(n): weight.new_zeros(batch, block.dilation, len(weight))
            for n, block in enumerate(self._stack())
        }

    @override
    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Process frames (batch, frames, inputs); returns (batch, frames, outputs) and state."""
        inner, following = self.inputs(x), {}
        for n, block in enumerate(self._stack()):
            inner, following[str(n)] = block(inner, state[str(n)])
        return self.outputs(self.norm(inner)) + self.skip(x), following


class _Block(nn.Module):
    def __init__(self, width: int, hidden: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(2 * width, hidden)
        self.down = nn.Linear(hidden, width)
        # Near the identity at the start.
        with torch.no_grad():
            self.down.weight.mul_(0.3)
            self.down.bias.zero_()

    @override
    def forward(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        now = self.norm(x)
        seen = torch.cat([past, now], dim=1)
        pairs = torch.cat([seen[:, : now.shape[1]], now], dim=2)
        return x + self.down(functional.silu(self.up(pairs))), seen[:, -self.dilation :]
