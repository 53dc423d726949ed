"""FramePlayer: frames as sound, with concealment where they are lost and noise in pauses."""

from __future__ import annotations

import numpy as np

from rtaudio.codec.codes import NOT_SENT, with_books
from rtaudio.codec.comfort_noise import ComfortNoise
from rtaudio.codec.concealment import Concealment
from rtaudio.codec.jitter import Frame
from rtaudio.codec.level_guard import LevelGuard
from rtaudio.codec.model import CodecModel, FrameDecoder
from rtaudio.codec.noise_floor import NoiseFloor
from rtaudio.runtime.memory import Floats


class FramePlayer:
    """Makes sound of frames, one by one, whether they arrived or not.

    After a pause the decoder begins anew, like the encoder of the sender; what a loss makes of its
    levels is kept from being loud.

    Parameters
    ----------
    codec
        The codec.
    decoder
        Its decoder at the start of a stream; None: a new one.

    Examples
    --------
    >>> FramePlayer(codec).play(None).shape                         # doctest: +SKIP
    (960,)
    """

    def __init__(self, codec: CodecModel, decoder: FrameDecoder | None = None) -> None:
        self.books = 0
        """Books of the last frame that came with codes."""
        self._codec, self._decoder = codec, decoder or FrameDecoder(codec)
        self._concealment = Concealment(codec.hop)
        self._floor, self._noise = NoiseFloor(), ComfortNoise(codec.hop)
        self._guard = LevelGuard()
        self._paused, self._silent = False, True
        self._number: int | None = None

    def play(self, frame: Frame | None) -> Floats:
        """Return the sound of the next frame.

        Parameters
        ----------
        frame
            None for a lost one.

        Returns
        -------
        numpy.ndarray
            float32 ``[codec.hop]``.
        """
        pause = frame is not None and frame.noise is not None
        codes = np.zeros((0, 1), np.int64) if frame is None or pause else frame.codes[:, None]
        follows, begins = True, False
        if frame is not None:  # a jitter buffer leaves frames out
            follows = self._number in (None, frame.number - 1)
            self._number, begins = frame.number, frame.begins
        if begins or (self._paused and not pause):
            self._decoder.clear()
        if begins:
            self._guard.agree()
        self._paused = pause
        decoded = self._decoder.decode(with_books(codes, self._codec.books))
        decoded = self._guard.step(decoded, trusted=codes.size > 0 and (follows or begins))
        if codes.size:
            self.books = int(np.count_nonzero(codes != NOT_SENT))
            self._floor.update(decoded)
        noise = self._floor.shape
        if frame is not None and frame.noise is not None:
            noise = self._floor.limited(frame.noise)
        gains = self._concealment.step(frame is None, pause)
        silent, self._silent = self._silent, not gains.noise.any()
        if self._silent:  # then the gain of the programme is 1
            return decoded
        if silent:  # the frame before, which reaches into this one
            self._noise.frame(noise)
        played = gains.programme * decoded + gains.noise * self._noise.frame(noise)
        return np.asarray(played, np.float32)
