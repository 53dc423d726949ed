"""An open sound file played through a program, piece by piece, in time with the input."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rtaudio.audio.reader import Reader
from rtaudio.errors import AudioFileError
from rtaudio.runtime.memory import Floats
from rtaudio.runtime.offline import run
from rtaudio.runtime.program import Program
from rtaudio.view.words import counted

__all__ = ["Rendering"]

_PIECE_SAMPLES = 1 << 17


class Rendering:
    """Reads a file to its end and plays it; the latency of the program is taken away.

    Parameters
    ----------
    program
        The program, in its initial state.
    dry
        The file, at its start.
    salvage
        Go on after damage, with silence in place of NaN and infinite samples; otherwise such a file
        is refused.

    Attributes
    ----------
    in_peak
        Peak magnitude of what was read so far.
    """

    def __init__(self, program: Program, dry: Reader, salvage: bool = False) -> None:
        self._program, self._dry, self._salvage = program, dry, salvage
        # The widest side decides, so that many stems of a song need no more memory.
        widest = max(dry.channels, program.out_channels)
        self._piece = program.block * max(1, _PIECE_SAMPLES // (widest * program.block))
        self._bad, self._first_s = 0, 0.0
        self._spoilt = ""
        self.in_peak = 0.0

    @property
    def damage(self) -> str:
        """Where and why the file could not be read, or what was wrong with its samples."""
        return "; ".join(filter(None, (self._dry.damage(), self._spoilt)))

    def pieces(self) -> Iterator[tuple[Floats, Floats]]:
        """Yield what was read and what came out, ``[channels, frames]`` each.

        Together they are equally long; the pieces are not, as output is later by the latency.

        Raises
        ------
        AudioFileError
            The file has no frames, or is damaged.
        """
        late = skip = self._program.latency_samples
        ended = False
        while not ended:
            x = self._dry.read(self._piece)
            ended = x.shape[1] < self._piece
            self._mend(x)
            self.in_peak = max(self.in_peak, float(np.abs(x).max(initial=0.0)))
            # After the last piece, silence flushes the latency.
            wet = run(self._program, np.pad(x, ((0, 0), (0, late if ended else 0))))
            yield x, wet[:, skip:]
            skip = max(0, skip - wet.shape[1])
        path = self._dry.path
        if self._dry.position == 0:
            raise AudioFileError(self._dry.damage() or f"{path}: has no frames; record it again")
        if self._dry.fault and not self._salvage:
            raise AudioFileError(self._dry.damage())

    def _mend(self, x: Floats) -> None:
        """Replace NaN and infinite samples by silence, or refuse them."""
        bad = ~np.isfinite(x)
        if not bad.any():
            return
        path, rate_hz = self._dry.path, self._dry.rate_hz
        if not self._salvage:
            raise AudioFileError(f"{path}: holds NaN or infinite samples; repair it")
        x[bad] = 0.0
        if self._bad == 0:
            first = self._dry.position - x.shape[1] + int(bad.any(axis=0).argmax())
            self._first_s = first / rate_hz
        self._bad += int(bad.sum())
        self._spoilt = (
            f"{path}: holds {counted(self._bad, 'NaN or infinite sample')}, the first at "
            f"{self._first_s:.2f} s; replaced by silence"
        )
