"""Songs that arrive: decoded under limits, so that no back end ever reads what a visitor sent."""

from __future__ import annotations

import resource
from typing import Any

import numpy as np

from rtaudio.audio.file import STEREO
from rtaudio.audio.reader import open_audio
from rtaudio.audio.writer import create_audio
from rtaudio.errors import AudioFileError

MEMORY_BYTES = 1 << 30
"""Of the address space of a process that decodes; a damaged header may ask for any."""
CPU_S = 120
"""Of its time."""
_PIECE_FRAMES = 1 << 16
_BYTES_PER_SAMPLE = 4


def check_song(source: str, target: str, minutes: float) -> dict[str, Any]:
    """Decode a file into a WAV file of floats; for a process of its own, which it limits.

    Parameters
    ----------
    source
        The file as it came.
    target
        The WAV file.
    minutes
        Longest song.

    Returns
    -------
    dict
        ``seconds``, ``bytes`` and ``damage``, which says where the file could not be read.

    Raises
    ------
    AudioFileError
        It holds no sound, too much of it, or more than two channels.
    """
    _limit(resource.RLIMIT_AS, MEMORY_BYTES)
    _limit(resource.RLIMIT_CPU, CPU_S)
    _limit(resource.RLIMIT_CORE, 0)
    with open_audio(source, STEREO) as song:
        most = int(minutes * 60.0 * song.rate_hz)
        _limit(resource.RLIMIT_FSIZE, (most + song.rate_hz) * song.channels * _BYTES_PER_SAMPLE)
        with create_audio(target, song.rate_hz, song.channels, "FLOAT") as writer:
            while True:
                piece = song.read(_PIECE_FRAMES)
                if song.position > most:
                    raise AudioFileError(f"{source}: is longer than {minutes:g} minutes; cut it")
                writer.write(np.nan_to_num(piece, nan=0.0, posinf=0.0, neginf=0.0).T)
                if piece.shape[1] < _PIECE_FRAMES:
                    break
            if song.position == 0:
                raise AudioFileError(song.damage() or f"{source}: has no frames; record it again")
        size = song.position * song.channels * _BYTES_PER_SAMPLE
        return {
            "seconds": song.position / song.rate_hz, "bytes": size, "damage": song.damage()
        }  # fmt: skip


def _limit(what: int, most: int) -> None:
    """Limit something of this process, for good."""
    _, hard = resource.getrlimit(what)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(what, (most, most))
