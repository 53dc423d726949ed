"""NaN, Inf and runaway levels anywhere in a real chain: it plays on, and the fault is named."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rtaudio.effects.base import Effect
from rtaudio.preset.load import load_preset
from rtaudio.runtime.abi import Node, kernel, state_dtype
from rtaudio.runtime.offline import run
from rtaudio.runtime.words import address_of, struct_at

RATE, BLOCK = 48000, 64
FRAMES = RATE // BLOCK * BLOCK
TONE = (0.2 * np.sin(2 * np.pi * 196 / RATE * np.arange(FRAMES))).astype(np.float32)[None]

STATE = state_dtype(("left", "i8"), ("value", "f4"))
_state_at = struct_at(STATE)


@kernel(STATE)
def spoil(state, src, dst, frames):
    """Copy; write ``value`` over the sample that comes after ``left`` others."""
    s = _state_at(address_of(state))
    for channel in range(s.channels):
        for i in range(frames):
            at = channel * s.stride + i
            dst[at] = s.value if i == s.left else src[at]
    s.left -= frames
    return 0


class Spoil(Effect):
    """A wire that makes one bad sample; after a reset it would make it again."""

    at: int = 0
    value: str = "nan"

    def build(self, builder, x, slots):
        return builder.run(Node(spoil, left=self.at, value=float(self.value)), x)


@settings(max_examples=40, deadline=None)
@given(
    place=st.integers(0, 7),
    inside=st.sampled_from([None, 0, 1]),
    at=st.integers(3000, 12000),
    value=st.sampled_from(["nan", "inf", "-inf", "1e30", "1500"]),
)
def test_a_bad_sample_anywhere_is_contained(place, inside, at, value):
    chain = load_preset("crunch-stereo")
    clean = run(chain.compile(RATE, BLOCK, offline=True), TONE)
    spoiler = Spoil(name="culprit", at=at, value=value)
    parallel = next(effect for effect in chain.effects if effect.kind == "parallel")
    target = chain if inside is None else parallel.branches[inside]
    target.effects.insert(min(place, len(target.effects)), spoiler)
    program = chain.compile(RATE, BLOCK, offline=True)
    out = run(program, TONE)
    assert np.isfinite(out).all()
    assert np.max(np.abs(out)) <= 1.0
    assert set(program.faults) == {"culprit"}
    # the culprit is reset, so the fault comes back with its period; in between the sound returns
    late = program.latency_samples
    untouched = slice(0, at - late - BLOCK)
    np.testing.assert_array_equal(out[:, untouched], clean[:, untouched])
