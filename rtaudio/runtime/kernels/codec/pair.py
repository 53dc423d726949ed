"""Both sides of a codec in one node, and between them a line that loses frames.

Frames are lost in bursts, after the two-state chain of E. N. Gilbert, "Capacity of a burst-noise
channel", Bell System Technical Journal 39 (1960): in the bad state every frame is lost. Random
numbers are those of the linear congruential generator of ISO C.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rtaudio.runtime.abi import Node, kernel, state_dtype
from rtaudio.runtime.jit import helper
from rtaudio.runtime.kernels.codec.decoder import PackedDecoder
from rtaudio.runtime.kernels.codec.encoder import PackedEncoder
from rtaudio.runtime.memory import Array, aligned
from rtaudio.runtime.words import address_of, call_process, f32_at, struct_at

BURST_FRAMES = 2.0
"""Mean length of a burst of lost frames."""

FACTOR, INCREMENT, MODULUS = 1103515245, 12345, 1 << 31

STATE = state_dtype(
    ("encode", "i8"),
    ("encoder", "i8"),
    ("decode", "i8"),
    ("decoder", "i8"),
    ("books", "i8"),
    ("wanted_books", "i8"),
    ("codes", "i8"),
    ("kbps", "f4"),
    ("random", "i8"),
    ("lost", "i8"),
)
"""``params`` are the bitrate and the share of lost frames in percent. ``wanted_books`` is the slot
that the encoder reads; ``kbps`` the bitrate of one book."""

_state_at = struct_at(STATE)


@helper
def _is_lost(s, percent):
    """Advance the line by a frame; tell whether it is lost."""
    s.random = (s.random * FACTOR + INCREMENT) % MODULUS
    uniform = np.float32(s.random) * np.float32(1 / MODULUS)
    loss = percent * np.float32(0.01)
    if s.lost:
        chance = np.float32(1.0 - 1.0 / BURST_FRAMES) if loss > 0.0 else np.float32(0.0)
    else:
        chance = loss / ((np.float32(1.0) - loss) * np.float32(BURST_FRAMES))
    s.lost = 1 if uniform < chance else 0
    return s.lost == 1


@kernel(STATE)
def code_in_place(state, src, dst, frames):
    """Encode a frame, lose it perhaps, and decode it."""
    s = _state_at(address_of(state))
    knobs, codes = f32_at(s.params), f32_at(s.codes)
    f32_at(s.wanted_books)[0] = knobs[0] / s.kbps
    code = call_process(s.encode, s.encoder, address_of(src), s.codes, frames)
    if _is_lost(s, knobs[1]):
        for number in range(s.books):
            codes[number] = -1.0
    if code == 0:
        code = call_process(s.decode, s.decoder, s.codes, address_of(dst), frames)
    return code


class PackedPair:
    """The weights of both sides, and the line between them; any number of nodes share them.

    Parameters
    ----------
    pair
        Anything with the attributes of `rtaudio.models.net.codec.CodecPair`.
    """

    def __init__(self, pair: Any) -> None:
        self._encoder, self._decoder = PackedEncoder(pair.encoder), PackedDecoder(pair.decoder)
        self._kbps = pair.kbps

    def node(self, params: Array, *, latency_samples: int) -> Node:
        """Make a node at the start of a stream, for calls of one hop of one channel.

        Parameters
        ----------
        params
            Float32 slots: bitrate in kbit/s, lost frames in percent.
        latency_samples
            Latency of both sides.
        """
        wanted = aligned(1)
        first, second = self._encoder.node(wanted), self._decoder.node()
        return Node(
            code_in_place,
            params=params,
            latency_samples=latency_samples,
            uncopied={"wanted_books": wanted},
            work={"codes": np.zeros(self._encoder.books, np.float32)},
            inner=[first, second],
            encode=first.kernel,
            encoder=first,
            decode=second.kernel,
            decoder=second,
            books=self._encoder.books,
            kbps=self._kbps,
            channels=1,
        )
