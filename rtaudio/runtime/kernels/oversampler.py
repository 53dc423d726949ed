r"""A net above its own rate: as many copies of it as the factor, each plays every M-th sample.

::

                 +- phase 0 -> copy 0 -> phase 0 -+
    src -> low-pass to M times the rate           low-pass back -> dst
                 +- phase 1 -> copy 1 -> phase 1 -+
                          ...

A net knows one rate: run faster, its time constants would shrink. So each copy plays one phase of
the oversampled signal at the net's own rate, and the copies take turns: at the high rate, each
sample sees the state of M samples ago, and a dilation or a feedback spans as much time as it was
trained to (the recurrent case: A. Carson et al., arXiv 2406.06293). What a copy folds about its
Nyquist frequency has another sign in each phase, and the sum of the phases cancels it. What it does
not fold is the same in all, and stays what it was: the sound changes by the aliases alone.

Both low-passes are one linear-phase filter whose delays together are a whole number of samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rtaudio.runtime.abi import Node, kernel, state_dtype
from rtaudio.runtime.kernels.resampler import dot, low_pass, move_down, polyphase
from rtaudio.runtime.words import address_of, call_process, copy_bytes, f32_at, i64_at, struct_at

STATE = state_dtype(
    ("factor", "i8"),
    ("processes", "i8"),
    ("copies", "i8"),
    ("taps", "i8"),
    ("split", "i8"),
    ("join", "i8"),
    ("past", "i8"),
    ("asked", "i8"),
    ("asked_floats", "i8"),
    ("answer", "i8"),
    ("answer_floats", "i8"),
)
"""``processes``, ``copies``: [factor] addresses. ``split``, ``join``: [factor][taps].
``past``: taps - 1 past samples, then the block. ``asked``: [factor][asked_floats] input of the
copies. ``answer``: [factor][answer_floats], each taps past samples, then the output of a copy."""

_state_at = struct_at(STATE)


def oversampled_node(copies: Sequence[Node], rate_hz: int, block: int) -> Node:
    """Return a node that plays equal nodes of one channel as one net, ``len(copies)`` times faster.

    Parameters
    ----------
    copies
        The nodes, each with its own state; they are called with up to ``block`` frames.
    rate_hz
        Rate of the copies, and of the result.
    block
        Largest number of frames per call of the result.
    """
    factor = len(copies)
    taps = low_pass(rate_hz, factor * rate_hz, half_multiple=factor // 2)
    split = polyphase(taps, factor)
    count = split.shape[1]
    asked_floats = -(-block // 16) * 16
    answer_floats = count + asked_floats
    for copy in copies:
        copy.record["channels"], copy.record["stride"] = 1, asked_floats
    return Node(
        oversampled,
        latency_samples=(len(taps) - 1) // factor + copies[0].latency_samples,
        out_channels=1,
        work={
            "past": np.zeros(count - 1 + block, np.float32),
            "asked": np.zeros((factor, asked_floats), np.float32),
            "answer": np.zeros((factor, answer_floats), np.float32),
        },
        constants={
            "processes": [copy.kernel for copy in copies],
            "copies": list(copies),
            "split": split,
            "join": split[-np.arange(factor)] / factor,
        },
        factor=factor,
        taps=count,
        asked_floats=asked_floats,
        answer_floats=answer_floats,
        inner=copies,
    )


@kernel(STATE)
def oversampled(state, src, dst, frames):
    """Split into phases, call each copy on its own, join."""
    s = _state_at(address_of(state))
    taps = s.taps
    copy_bytes(s.past + 4 * (taps - 1), address_of(src), 4 * frames)
    code = np.int32(0)
    for i in range(frames):
        dst[i] = 0.0
    for phase in range(s.factor):
        filter_ = s.split + 4 * phase * taps
        asked_at = s.asked + 4 * phase * s.asked_floats
        asked = f32_at(asked_at)
        for i in range(frames):
            asked[i] = dot(filter_, s.past + 4 * i, taps)
        answer = s.answer + 4 * phase * s.answer_floats
        process, copy = i64_at(s.processes)[phase], i64_at(s.copies)[phase]
        code = max(code, call_process(process, copy, asked_at, answer + 4 * taps, frames))
        filter_ = s.join + 4 * phase * taps
        # Phase 0 lies at the time of an output sample, the others after it: the next sample gets
        # them.
        first = answer + 4 * (1 if phase == 0 else 0)
        for i in range(frames):
            dst[i] += dot(filter_, first + 4 * i, taps)
        move_down(answer, frames, taps)
    move_down(s.past, frames, taps - 1)
    return code
