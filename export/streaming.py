"""A net that streams: one definition for training, export and live play."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from torch import Tensor, nn

from rtaudio.models.contract.card import ModelParameter

__all__ = ["State", "StreamingModule"]

State = dict[str, Tensor]


class StreamingModule(nn.Module):
    """Base of every trainable net and every stateful layer.

    A subclass keeps nothing between calls: all memory goes in and out as ``state``, a dictionary of
    tensors that starts as `initial_state`. So an excerpt in one call and the same excerpt in blocks
    of any size give the same samples.

    Attributes
    ----------
    channels
        Audio channels in and out.
    hop
        Samples per call, for a net that needs whole hops; 0: any number.
    latency_samples
        Delay of the output, in samples at the net's own rate.
    prewarm_samples
        Samples of silence that a host plays through the net before the first sample, for a net that
        does not rest in its zero state.
    controls
        The knobs. A net with knobs takes them as third argument of `forward`, float32 (batch,
        knobs), in natural units.
    task, stems
        What the net is for, and the stems of a separator, as in the card.
    kind
        What the net turns into what, as in the card. An encoder returns codes, int64 (batch,
        codebooks, frames) with a frame per hop, a decoder takes them; the side of the codes has 0
        channels.
    codebooks, entries
        Codes of a frame, and how many values one has, for an encoder or a decoder. A code of -1 was
        not sent.

    Examples
    --------
    >>> class Halved(StreamingModule):
    ...     def initial_state(self, batch=1):
    ...         return {}
    ...     def forward(self, x, state):
    ...         return 0.5 * x, state
    """

    channels: tuple[int, int] = (1, 1)
    hop: int = 0
    latency_samples: int = 0
    prewarm_samples: int = 0
    controls: tuple[ModelParameter, ...] = ()
    task: Literal["", "denoise", "separate"] = ""
    stems: tuple[str, ...] = ()
    kind: Literal["effect", "encoder", "decoder"] = "effect"
    codebooks: int = 0
    entries: int = 0

    def initial_state(self, batch: int = 1) -> State:
        """Return the state before the first block: zeros. Add another start inside `forward`."""
        raise NotImplementedError

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Process one block.

        Parameters
        ----------
        x
            For a net float32 (batch, channels, samples).
        state
            As `initial_state` or the last call returned it.

        Returns
        -------
        y, following
            Output, of the same form as ``x``, and the state for the next block.
        """
        raise NotImplementedError

    def folded(self) -> StreamingModule:
        """Return a net that computes the same in fewer operations, for export.

        A net in evaluation mode can fold its normalisation into its weights, for example.
        """
        return self

    def parts(self) -> Mapping[str, StreamingModule]:
        """Return the nets to write, by the names of their files; a net is one file, by default.

        A name is put before the suffix of a file; an empty one leaves the file name as it is.
        """
        return {"": self}

    def architecture(self) -> dict[str, Any]:
        """Return type and sizes for the card, by which a loader may choose a faster kernel."""
        return {"type": type(self).__name__.lower()}
