"""Dither: the word length of a file, made shorter without distortion.

S. P. Lipshitz, R. A. Wannamaker, J. Vanderkooy, "Quantization and Dither: A Theoretical Survey",
JAES 40(5), 1992: the sum of two uniform random numbers, of one step each, makes mean and power of
the error independent of the sound.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable
from pydantic import Field

from rtaudio.effects.base import Effect
from rtaudio.runtime.abi import Bus, Node, kernel, state_dtype
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.limits import LOUDEST
from rtaudio.runtime.slots import Slots
from rtaudio.runtime.words import address_of, i64_at, struct_at

BLANK_S = 0.1


class Dither(Effect):
    """Round to a number of bits, after triangular dither: noise in place of distortion.

    For the end of a chain that is rendered to a file of 16 or 24 bits; the file then keeps the
    samples as they are. The noise is white, at -96.3 dBFS RMS with 16 bits, of its own in every
    channel, and the same in every render. After 0.1 s of digital silence the output is digital
    silence, too. What exceeds full scale is clipped.

    Parameters
    ----------
    bits
        Word length, 8 .. 24.

    Examples
    --------
    >>> steps = Dither(bits=16)(0.1 * np.ones(100, np.float32), 48000) * 2**15
    >>> bool((steps == steps.round()).all())
    True
    """

    bits: int = Field(16, ge=8, le=24, description="word length")

    def build(self, builder: Builder, x: Bus, slots: Slots) -> Bus:
        """Append one node."""
        blank = round(BLANK_S * builder.rate_hz)
        seeds = np.random.SeedSequence(0).generate_state(x.channels, np.uint64) >> np.uint64(2)
        node = Node(
            dither,
            work={
                "seeds": seeds.astype(np.int64) | 1,
                "silent": np.full(x.channels, blank, np.int64),
            },
            steps=2.0 ** (self.bits - 1),
            blank=blank,
        )
        return builder.run(node, x)


STATE = state_dtype(("steps", "f8"), ("blank", "i8"), ("seeds", "i8"), ("silent", "i8"))
"""``seeds``: [channels] states of the random numbers; ``silent``: [channels] samples of silence
so far, up to ``blank``."""

_state_at = struct_at(STATE)

_RANDOM_BITS = 24


@register_jitable
def _shuffled(seed):
    """Return the next state of a xorshift generator (Marsaglia, 2003)."""
    seed = np.uint64(seed)
    seed ^= seed << np.uint64(13)
    seed ^= seed >> np.uint64(7)
    seed ^= seed << np.uint64(17)
    return seed


@kernel(STATE)
def dither(state, src, dst, frames):
    """Add noise and round, sample by sample."""
    s = _state_at(address_of(state))
    seeds, silent = i64_at(s.seeds), i64_at(s.silent)
    scale = 1.0 / (1 << _RANDOM_BITS)
    for channel in range(s.channels):
        at = channel * s.stride
        seed, quiet = np.uint64(seeds[channel]), silent[channel]
        for i in range(frames):
            x = float(src[at + i])
            quiet = 0 if x != 0.0 else min(s.blank, quiet + 1)
            seed = _shuffled(seed)
            first = float(seed >> np.uint64(64 - _RANDOM_BITS)) * scale
            second = float((seed >> np.uint64(8)) & np.uint64((1 << _RANDOM_BITS) - 1)) * scale
            y = np.rint(x * s.steps + (first - second))
            y = max(-s.steps, min(s.steps - 1.0, y))
            y = 0.0 if quiet == s.blank else y / s.steps
            # NaN, Inf and runaway levels pass, so that they are silenced and counted, not clipped.
            dst[at + i] = y if abs(x) < LOUDEST else x
        seeds[channel], silent[channel] = np.int64(seed), quiet
    return 0
