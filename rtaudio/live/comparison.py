"""Comparison: the same frames of a call in three versions, switched while they play.

::

    frame n --> encoder --> network --> decoder ------------> delay --+
       |                       |                                      +--> heard
       +--> kept --------------|----> read at the same place ---------+
       |                       v                                      |
       +--> Opus encoder --> lost? --> Opus decoder --------> delay --+

All versions of a frame are chosen by its number, so they stay in line whatever the jitter buffer
does. What the codecs add differs (here 10 ms, Opus 6.5 ms); the faster ones are delayed.
"""

from __future__ import annotations

import threading
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from rtaudio.audio.opus import LEAST_KBPS, RATE_HZ, OpusDecoder, OpusEncoder
from rtaudio.codec.codes import NOT_SENT
from rtaudio.codec.jitter import Frame
from rtaudio.codec.model import CodecModel
from rtaudio.errors import ParameterError
from rtaudio.runtime.memory import Floats

FADE_MS = 10.0
"""A switch, and a leap of the jitter buffer, is a cross-fade."""

WARM_UP_FRAMES = 5
"""Frames that a new Opus hears before it is heard."""

MAX_AHEAD_FRAMES = 500
"""Frames that are kept for the receiver; more than any delay of a jitter buffer."""


class Version(StrEnum):
    """What can be heard of a call."""

    ORIGINAL = "original"
    CODEC = "codec"
    OPUS = "opus"


class _Sent(NamedTuple):
    audio: Floats
    books: int


class _Opus:
    """Encoder and decoder at one bitrate, in one place: only the losses come from the network."""

    def __init__(self, kbps: float) -> None:
        self.kbps = kbps
        self._encoder, self._decoder = OpusEncoder(kbps), OpusDecoder()
        self.lookahead_samples = self._encoder.lookahead_samples

    def step(self, audio: Floats, lost: bool = False) -> Floats:
        """Return the next frame as it is decoded."""
        packet = self._encoder.encode(audio)
        return self._decoder.decode(None if lost else packet)

    def conceal(self) -> Floats:
        """Return a frame of time for which there is no packet."""
        return self._decoder.decode(None)


class _Delay:
    """Delays frames by a constant number of samples."""

    def __init__(self, samples: int) -> None:
        self._past = np.zeros(samples, np.float32)

    def step(self, sound: Floats) -> Floats:
        both = np.concatenate([self._past, sound])
        self._past = both[sound.size :]
        return both[: sound.size]


class Comparison:
    """Plays one of three versions of each frame of a call on this machine.

    Give :meth:`keep` to :class:`~rtaudio.live.outgoing.Outgoing` as ``on_frame``, and :meth:`play`
    to :class:`~rtaudio.live.incoming.Incoming` as ``through``.

    Opus runs at constant bitrate, as near to the codec's as it goes, and loses the same frames. A
    packet that a narrow link cuts is lost for Opus, which cannot be cut.

    Parameters
    ----------
    codec
        The codec of the call.
    opus
        Whether to play Opus beside it; it needs PyAV, and a codec at 48 kHz.

    Attributes
    ----------
    heard
        The version that plays; may be assigned at any time.

    Raises
    ------
    MetricsError
        PyAV is not installed.
    ParameterError
        The codec does not run at 48 kHz, in frames of 20 ms.

    Examples
    --------
    >>> comparison = Comparison(codec)                              # doctest: +SKIP
    >>> comparison.heard = Version.ORIGINAL                         # doctest: +SKIP
    """

    def __init__(self, codec: CodecModel, *, opus: bool = True) -> None:
        if opus and (codec.rate_hz, codec.hop) != (RATE_HZ, RATE_HZ // 50):
            raise ParameterError(
                f"Opus plays frames of 20 ms at {RATE_HZ} Hz, and the codec {codec.name} "
                f"{codec.hop} samples at {codec.rate_hz} Hz"
            )
        self.heard = Version.CODEC
        self._codec, self._playing = codec, self.heard
        self._lock = threading.Lock()
        self._sent: dict[int, _Sent] = {}
        self._books = codec.least_books
        self._opus = _Opus(LEAST_KBPS) if opus else None
        self._number: int | None = None
        ramp = np.arange(1, codec.hop + 1) / (FADE_MS / 1000.0 * codec.rate_hz)
        self._ramp = np.minimum(1.0, ramp).astype(np.float32)
        lookahead = self._opus.lookahead_samples if self._opus else 0
        self._late = max(codec.latency_samples, lookahead)
        self._delays = {
            Version.CODEC: _Delay(self._late - codec.latency_samples),
            Version.OPUS: _Delay(self._late - lookahead),
        }

    @property
    def versions(self) -> tuple[Version, ...]:
        """The versions that can be heard."""
        return tuple(Version) if self._opus else (Version.ORIGINAL, Version.CODEC)

    @property
    def opus_kbps(self) -> float:
        """Bitrate at which Opus plays."""
        return 0.0 if self._opus is None else self._opus.kbps

    @property
    def latest(self) -> int:
        """Number of the last frame that was sent; 0 if there is none."""
        with self._lock:
            return max(self._sent, default=0)

    def keep(self, number: int, audio: Floats, books: int) -> None:
        """Take a frame that is sent.

        Parameters
        ----------
        number
            Its place by the sender's clock.
        audio
            float32 ``[codec.hop]``.
        books
            Books of it that are sent.
        """
        with self._lock:
            self._sent[number] = _Sent(audio.copy(), books)
            self._books = books
            if len(self._sent) > MAX_AHEAD_FRAMES:
                del self._sent[min(self._sent)]

    def play(self, number: int | None, frame: Frame | None, decoded: Floats) -> Floats:
        """Return what is heard of the next frame.

        Parameters
        ----------
        number
            Its place by the sender's clock: the same as before where the jitter buffer waits; None
            while nothing plays.
        frame
            What arrived of it; None if it is lost.
        decoded
            float32 ``[codec.hop]``, the codec's version of it.

        Returns
        -------
        numpy.ndarray
            float32 ``[codec.hop]``.
        """
        if number is None:
            self._number = None
            return decoded
        versions = {
            Version.ORIGINAL: self._original(number),
            Version.CODEC: self._delays[Version.CODEC].step(decoded),
        }
        if self._opus is not None:
            versions[Version.OPUS] = self._delays[Version.OPUS].step(self._coded(number, frame))
        self._number = number
        former, self._playing = self._playing, self.heard
        return self._faded(versions[former], versions[self._playing])

    def _faded(self, one: Floats, other: Floats) -> Floats:
        """Return the cross-fade from one to the other; they are in line, so it is linear."""
        return one + self._ramp * (other - one)

    def _original(self, number: int) -> Floats:
        """Return what the microphone heard; where the buffer leaps, faded from where it was."""
        there = self._read(number)
        if self._number is None:
            return self._ramp * there
        if number == self._number + 1:
            return there
        return self._faded(self._read(self._number + 1), there)

    def _read(self, number: int) -> Floats:
        """Return the samples of a frame, as late as the codec's; silence where there are none."""
        hop = self._codec.hop
        back = -(-self._late // hop)
        numbers = range(number - back, number + 1)
        with self._lock:
            kept = [self._sent.get(n) for n in numbers]
        sound = np.concatenate([np.zeros(hop, np.float32) if k is None else k.audio for k in kept])
        start = back * hop - self._late
        return sound[start : start + hop]

    def _coded(self, number: int, frame: Frame | None) -> Floats:
        """Return the version of Opus; frames that the buffer leaves out are coded, too."""
        opus = self._opus
        assert opus is not None
        last = number - 1 if self._number is None else self._number
        if number <= last:
            return opus.conceal()
        with self._lock:
            first = max(last + 1, number - WARM_UP_FRAMES)
            missed = [self._sent[n].audio for n in range(first, number) if n in self._sent]
            sent = self._sent.get(number)
            before = range(number - WARM_UP_FRAMES, number)
            past = [self._sent[n].audio for n in before if n in self._sent]
            kbps = max(LEAST_KBPS, self._codec.kbps(self._books))
        for audio in missed:
            opus.step(audio)
        if sent is None:
            return opus.conceal()
        lost = frame is None or (frame.noise is None and _books(frame) < sent.books)
        sound = opus.step(sent.audio, lost)
        if kbps == opus.kbps:
            return sound
        self._opus = _Opus(kbps)
        for audio in past:
            self._opus.step(audio)
        return self._faded(sound, self._opus.step(sent.audio, lost))


def _books(frame: Frame) -> int:
    return int(np.count_nonzero(frame.codes != NOT_SENT))
