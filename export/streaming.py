"""A net that streams: one definition for training, export and live play."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor, nn

from rtaudio.models.contract.card import ModelParameter

__all__ = ["State", "StreamingModule"]

State = dict[str, Tensor]


class StreamingModule(nn.Module):
    """Base of every trainable net and every stateful layer.

    A subclass keeps nothing between calls: all memory goes in and comes out as ``state``, a
    dictionary of tensors that starts as `initial_state`. So a whole excerpt in one call and the
    same excerpt in blocks of any size give the same samples.

    Attributes
    ----------
    channels
        Audio channels in and out.
    hop
        Block length in samples that the net insists on; 0 if it takes any.
    latency_samples
        Delay of the output in samples at the net's own rate.
    prewarm_samples
        How much silence a host plays through the net in front of the first sample, for one that
        does not rest in its zero state.
    controls
        The knobs, if any. A net that has some takes them as third argument of `forward`,
        shape (batch, number of knobs), in natural units.
    task
        What the net is for, as in the card.
    """

    channels: tuple[int, int] = (1, 1)
    hop: int = 0
    latency_samples: int = 0
    prewarm_samples: int = 0
    controls: tuple[ModelParameter, ...] = ()
    task: Literal["", "denoise"] = ""

    def initial_state(self, batch: int = 1) -> State:
        """Start values, zeros by contract; a net with another start adds it inside `forward`."""
        raise NotImplementedError

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """One block: (output, following state). Shape: (batch, channels, samples) for a net."""
        raise NotImplementedError

    def folded(self) -> StreamingModule:
        """The same function of an evaluated net in fewer operations: what a file holds.

        For a net with frozen normalisation, say; others are it themselves.
        """
        return self

    def architecture(self) -> dict[str, Any]:
        """Type and sizes for the model card, by which a loader may pick a faster kernel."""
        return {"type": type(self).__name__.lower()}
