"""Exchange kernel: plays one buffer and keeps what comes in, sample by sample in step."""

from __future__ import annotations

from rtaudio.runtime.abi import kernel, state_dtype
from rtaudio.runtime.native import address_of, atomic_load, atomic_store, f32_at, struct_at

STATE = state_dtype(("played", "i8"), ("kept", "i8"), ("buffer_frames", "i8"), ("position", "i8"))
_state_at = struct_at(STATE)


@kernel(STATE)
def exchange(state, src, dst, frames):  # type: ignore[no-untyped-def]
    """Play ``played`` on the output, and store the input in ``kept`` at the same place.

    ``position`` is the address of an int64 that counts the samples; Python may read it.
    """
    s = _state_at(address_of(state))
    played, kept = f32_at(s.played), f32_at(s.kept)
    at = atomic_load(s.position)
    count = max(0, min(frames, s.buffer_frames - at))
    for i in range(count):
        dst[i] = played[at + i]
        kept[at + i] = src[i]
    for i in range(count, frames):
        dst[i] = 0.0
    atomic_store(s.position, at + count)
    return 0
