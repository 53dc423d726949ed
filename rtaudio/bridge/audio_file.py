"""AudioFile: sound files with the calls of ``pedalboard.io``, read and written by rtaudio."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from rtaudio.audio.reader import Reader, open_audio
from rtaudio.audio.resampler import Resampler
from rtaudio.audio.samples import samples
from rtaudio.audio.writer import Writer, create_audio
from rtaudio.errors import AudioFileError
from rtaudio.runtime.limits import MAX_CHANNELS
from rtaudio.runtime.memory import Floats

_STEP = 65536


class AudioFile:
    """A sound file that is read or written piece by piece; a file that is written appears whole.

    Parameters
    ----------
    filename
        The file; every format that rtaudio reads or writes.
    mode
        ``"r"`` or ``"w"``.
    samplerate, num_channels
        Of a file to write; a file to read has its own.

    Raises
    ------
    AudioFileError, FileNotFoundError
        It cannot be read or written.

    Examples
    --------
    >>> with AudioFile("tone.wav", "w", 48000, 2) as file:
    ...     file.write(np.zeros((2, 480), np.float32))
    >>> with AudioFile("tone.wav") as file:
    ...     file.samplerate, file.num_channels, file.frames, file.read(100).shape
    (48000, 2, 480, (2, 100))
    """

    def __init__(
        self,
        filename: str | Path,
        mode: Literal["r", "w"] = "r",
        samplerate: float | None = None,
        num_channels: int = 1,
    ) -> None:
        self.name = str(filename)
        self._stack = ExitStack()
        self._reader: Reader | None = None
        self._writer: Writer | None = None
        self._resampler: Resampler | None = None
        self._ready = np.zeros((0, 0), np.float32)
        self._position = 0
        self._ended = False
        self.closed = False
        if mode == "r":
            self._reader = self._stack.enter_context(open_audio(filename, MAX_CHANNELS))
            self.samplerate: float = self._reader.rate_hz
            self.num_channels = self._reader.channels
            self._ready = np.zeros((self.num_channels, 0), np.float32)
            return
        if samplerate is None or samplerate != int(samplerate):
            raise AudioFileError(
                f"{filename}: samplerate = {samplerate} is no whole number of Hz; a file needs one"
            )
        self.samplerate, self.num_channels = int(samplerate), num_channels
        self._writer = self._stack.enter_context(
            create_audio(filename, int(samplerate), num_channels)
        )

    @property
    def frames(self) -> int:
        """Number of frames: of the file to read, or written so far."""
        if self._reader is None:
            return self._position
        if self._resampler is None:
            return self._reader.frames
        return -(-self._reader.frames * int(self.samplerate) // self._reader.rate_hz)

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.frames / self.samplerate

    def resampled_to(self, target_sample_rate: float) -> Self:
        """Read at another rate from now on; only before the first :meth:`read`."""
        reader = self._to_read()
        if self._position or target_sample_rate != int(target_sample_rate):
            raise AudioFileError(
                f"{self.name}: is resampled to a whole number of Hz, before it is read"
            )
        self.samplerate = int(target_sample_rate)
        if self.samplerate != reader.rate_hz:
            self._resampler = Resampler(reader.rate_hz, self.samplerate)
        return self

    def read(self, num_frames: int = -1) -> Floats:
        """Return the next frames, float32 ``[channels, frames]``; fewer only at the end.

        A negative number reads everything that is left.
        """
        reader = self._to_read()
        wanted = self.frames if num_frames < 0 else int(num_frames)
        while self._ready.shape[1] < wanted and not self._ended:
            piece = reader.read(_STEP)
            last = piece.shape[1] < _STEP
            if self._resampler is not None:
                piece = self._resampler.process(piece, last)
            self._ready = np.concatenate([self._ready, piece], axis=1)
            self._ended = last
        out, self._ready = self._ready[:, :wanted], self._ready[:, wanted:]
        self._position += out.shape[1]
        return out

    def write(self, sound: ArrayLike) -> None:
        """Append ``[channels, frames]`` or ``[frames, channels]``: the longer side is time."""
        if self._writer is None:
            raise AudioFileError(f"{self.name}: was opened for reading")
        planar = np.asarray(sound)
        if planar.ndim == 2 and planar.shape[0] > planar.shape[1]:
            planar = planar.T
        x = samples(planar, "the audio", self.num_channels)
        self._writer.write(x.T)
        self._position += x.shape[1]

    def tell(self) -> int:
        """Return the number of frames read or written so far."""
        return self._position

    def close(self) -> None:
        """Close the file; one that was written now has its name."""
        self.closed = True
        self._stack.close()

    def _to_read(self) -> Reader:
        if self._reader is None or self.closed:
            raise AudioFileError(f"{self.name}: is not open for reading")
        return self._reader

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.closed = True
        self._stack.__exit__(kind, error, traceback)
