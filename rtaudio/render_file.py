"""Rendering of files: any length in little memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rtaudio.audio_file import AudioFileError, clips, created, opened, suited_subtype
from rtaudio.effects.base import Effect
from rtaudio.render import run

_PIECE_FRAMES = 1 << 16


class Rendered(NamedTuple):
    """What was written: its size, storage, peak magnitude, and how many samples were clipped."""

    frames: int
    channels: int
    rate_hz: int
    subtype: str
    peak: float
    clipped: int
    latency_samples: int
    faults: dict[str, int]


def render_file(
    effect: Effect,
    source: str | Path,
    target: str | Path,
    *,
    block: int = 512,
    progress: Callable[[float], None] = lambda share: None,
) -> Rendered:
    """Render a file through an effect or chain.

    Parameters
    ----------
    effect
        What to play; it starts from its initial state.
    source
        A mono or stereo file. Its rate is kept, and its storage too if that is exact.
    target
        The new file, as long as ``source`` and aligned with it. It appears when it is complete.
    block
        Frames per call of the program; the result does not depend on it.
    progress
        Called now and then with the share that is done, 0 .. 1.

    Raises
    ------
    AudioFileError
        ``source`` is not audio that can be played, or ``target`` names no format.
    OSError
        A file cannot be read or written.
    """
    if Path(source).exists() and Path(target).exists() and Path(source).samefile(target):
        raise AudioFileError(f"{target}: is the file that is read; choose another name")
    with opened(source) as dry:
        subtype = suited_subtype(target, dry.subtype)
        rate_hz = int(dry.samplerate)
        program = effect.compile(rate_hz, block, in_channels=dry.channels, offline=True)
        piece = block * -(-_PIECE_FRAMES // block)
        limit = 1.0 if clips(subtype) else np.inf
        done, skip, peak, clipped = 0, program.latency_samples, 0.0, 0
        with created(target, rate_hz, program.out_channels, subtype) as wet_file:
            last = False
            while not last:
                x = dry.read(piece, dtype="float32", always_2d=True).T
                if not np.isfinite(x).all():
                    raise AudioFileError(f"{source}: holds NaN or infinite samples; repair it")
                done += x.shape[1]
                last = x.shape[1] < piece
                if last:
                    x = np.pad(x, ((0, 0), (0, program.latency_samples)))
                wet = run(program, x)[:, skip:]
                skip = max(0, skip - x.shape[1])
                if wet.size:
                    peak = max(peak, float(np.abs(wet).max()))
                    clipped += int(np.count_nonzero(np.abs(wet) > limit))
                wet_file.write(wet.T)
                progress(min(1.0, done / dry.frames))
            if done == 0:
                raise AudioFileError(f"{source}: has no frames; record it again")
        return Rendered(
            done, program.out_channels, rate_hz, subtype, peak, clipped,
            program.latency_samples, program.faults,
        )  # fmt: skip
