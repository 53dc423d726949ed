"""Samples: arrays as users have them, as the planar float32 that plays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rtaudio.errors import AudioError
from rtaudio.runtime.limits import LOUDEST, MAX_CHANNELS
from rtaudio.runtime.memory import Array, Floats

_FULL_SCALE = {"int16": 2.0**15, "int32": 2.0**31, "uint8": 2.0**7}
"""The kinds of integers that files and devices have, as scipy, soundfile and PyAudio read them."""


def samples(x: ArrayLike, what: str = "the audio", channels: int | None = None) -> Floats:
    """Return sound as planar float32.

    float16, float32 and float64 are taken as they are, 1 is full scale. int16, int32 and uint8
    (where 128 is silence) are scaled to that. The full scale of other integers is unknown, and
    bool, complex and objects are no sound; they are refused.

    Parameters
    ----------
    x
        ``[frames]`` or ``[channels, frames]``.
    what
        Its name, for the message.
    channels
        Number of channels that are needed; None: any.

    Returns
    -------
    numpy.ndarray
        float32 ``[channels, frames]``; there may be no frames.

    Raises
    ------
    AudioError
        It is no sound: a wrong kind or shape, samples that are not finite or beyond +60 dBFS.

    Examples
    --------
    >>> samples(np.array([0, 16384, -32768], np.int16))
    array([[ 0. ,  0.5, -1. ]], dtype=float32)
    """
    array = _array(x, what)
    planar = np.atleast_2d(array) if array.ndim else array
    _check_shape(planar, what, channels)
    scale = _FULL_SCALE.get(array.dtype.name)
    with np.errstate(over="ignore"):  # becomes infinite, which is refused
        sound: Floats = planar.astype(np.float32, copy=False)
    if scale is not None:
        offset = 128.0 if array.dtype.kind == "u" else 0.0
        return ((planar - offset) / scale).astype(np.float32)
    if sound.size and not float(peak := np.max(np.abs(sound))) <= LOUDEST:
        if not np.isfinite(peak):
            raise AudioError(f"{what} holds NaN or infinite samples; repair it first")
        raise AudioError(
            f"{what} has a peak of {peak:g}, and 1 is full scale; "
            "divide integers by theirs (by 32768 for 16 bit)"
        )
    return sound


def _array(x: ArrayLike, what: str) -> Array:
    """Return an array of a kind that can be sound."""
    if isinstance(x, (bytes, bytearray, memoryview)):
        raise AudioError(f"{what} is bytes; say what they hold: np.frombuffer(x, np.int16)")
    try:
        array: Array = np.asarray(x)
    except (ValueError, TypeError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise AudioError(f"{what} cannot be made an array of numbers: {reason}") from None
    kind = array.dtype.name
    if array.dtype.kind == "f" or kind in _FULL_SCALE:
        return array
    remedy = {
        "b": "is true and false; give samples from -1 to 1",
        "c": "is complex; take its .real, or transform a spectrum back",
        "i": f"is {kind}, whose full scale is unknown; divide by it, as x / 32768 for 16 bit",
        "u": f"is {kind}, whose full scale is unknown; make it floats from -1 to 1",
    }
    words = remedy.get(array.dtype.kind, f"is {_kind(x, array)}; give an array of numbers")
    raise AudioError(f"{what} {words}")


def _kind(x: Any, array: Array) -> str:
    return type(x).__name__ if array.ndim == 0 else f"an array of {array.dtype.name}"


def _check_shape(planar: Array, what: str, channels: int | None) -> None:
    shape = planar.shape
    wanted = "[frames] or [channels, frames]" if channels is None else f"[{channels}, frames]"
    if planar.ndim != 2 or shape[0] == 0:
        raise AudioError(f"{what} must be {wanted}, not {shape}")
    if channels not in (None, shape[0]):
        remedy = "; turn it with .T" if shape[1] == channels else ""
        raise AudioError(f"{what} must be {wanted}, not {shape}{remedy}")
    if shape[0] > MAX_CHANNELS:
        raise AudioError(
            f"{what} must be {wanted}, not {shape}: at most {MAX_CHANNELS} channels; "
            "turn what soundfile read with .T"
        )
