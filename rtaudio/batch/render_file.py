"""Rendering of a file of any length, in little memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rtaudio.audio.file import STEREO
from rtaudio.audio.reader import open_audio
from rtaudio.audio.writer import clips, create_audio, suited_subtype
from rtaudio.batch.rendering import Rendering
from rtaudio.effects.base import Effect
from rtaudio.errors import AudioFileError
from rtaudio.view.words import counted


class Rendered(NamedTuple):
    """The written file.

    Attributes
    ----------
    frames, channels, rate_hz, subtype
        Its length, channels, sample rate in Hz and libsndfile subtype.
    in_peak, peak
        Peak magnitudes of the source and of the new file.
    clipped
        Number of samples that were cut off at full scale.
    latency_samples
        Latency of the effect, which was compensated.
    faults
        How often each effect was silenced and reset, by its name.
    seconds
        Rendering time, without building the program.
    metadata
        What was copied besides the sound: title, artist ..., and names of WAV chunks.
    damage
        Where and why the source could not be read, or what was wrong with its samples; empty if it
        was intact.
    """

    frames: int
    channels: int
    rate_hz: int
    subtype: str
    in_peak: float
    peak: float
    clipped: int
    latency_samples: int
    faults: dict[str, int]
    seconds: float
    metadata: list[str]
    damage: str


def render_file(
    effect: Effect,
    source: str | Path,
    target: str | Path,
    *,
    block: int = 512,
    max_channels: int = STEREO,
    keep_channels: bool = False,
    salvage: bool = False,
    progress: Callable[[float], None] = lambda share: None,
    listen: Callable[[Any, Any], None] = lambda dry, wet: None,
) -> Rendered:
    """Render a file through an effect or chain.

    Parameters
    ----------
    effect
        The effect; it starts from its initial state.
    source
        A sound file. Sample rate and tags are kept, so is the sample format if the new file type
        has it, and from WAV to WAV every chunk.
    target
        The new file, as long as ``source`` and aligned with it. It appears when it is complete.
    block
        Frames per call of the program; the result does not depend on it.
    max_channels
        Maximum number of channels of ``source``.
    keep_channels
        Refuse an effect that changes the number of channels.
    salvage
        Render what can be read of a damaged file, with silence in place of NaN and infinite
        samples, and describe it in ``damage``; otherwise such a file is refused.
    progress
        Called regularly with the share that is done, 0 .. 1.
    listen
        Called with each piece that was read and the piece that was written, both
        ``[channels, frames]``. The latter are later by the latency, so their lengths differ at the
        start and at the end.

    Raises
    ------
    AudioFileError
        ``source`` cannot be played, or the suffix of ``target`` is not that of a sound file.
    OSError
        A file cannot be read or written.

    Examples
    --------
    >>> done = render_file(load_preset("crunch"), "dry.wav", "wet.wav")         # doctest: +SKIP
    >>> done.latency_samples                                                    # doctest: +SKIP
    0
    """
    source, target = Path(source), Path(target)
    if source.exists() and target.exists() and source.samefile(target):
        raise AudioFileError(f"{target}: is the file that is read; choose another name")
    with open_audio(source, max_channels) as dry:
        program = effect.compile(dry.rate_hz, block, in_channels=dry.channels, offline=True)
        if keep_channels and program.out_channels != dry.channels:
            raise AudioFileError(
                f"{source}: has {counted(dry.channels, 'channel')}, and "
                f"{effect.name or effect.kind} makes {program.out_channels} of them; "
                "choose another model"
            )
        subtype = suited_subtype(target, dry.subtype)
        with create_audio(
            target, dry.rate_hz, program.out_channels, subtype,
            frames=dry.frames, beside=dry,
        ) as wet:  # fmt: skip
            begin = time.perf_counter()
            stream = Rendering(program, dry, salvage)
            limit, peak, clipped = 1.0 if clips(wet.subtype) else np.inf, 0.0, 0
            for x, y in stream.pieces():
                magnitude = np.abs(y)
                peak = max(peak, float(magnitude.max(initial=0.0)))
                clipped += int(np.count_nonzero(magnitude > limit))
                wet.write(y.T)
                listen(x, y)
                progress(min(1.0, dry.position / dry.frames))
        return Rendered(
            dry.position, program.out_channels, dry.rate_hz, subtype, stream.in_peak, peak,
            clipped, program.latency_samples, program.faults, time.perf_counter() - begin,
            wet.kept, stream.damage,
        )  # fmt: skip
