"""The figures of a coded file."""

from __future__ import annotations

from typing import NamedTuple

_PCM_BYTES = 2


class Coded(NamedTuple):
    """A file that was encoded or decoded.

    Attributes
    ----------
    frames, channels, rate_hz
        Length, channels and sample rate in Hz of the sound.
    codec, books
        Name of the codec, and codes per frame and channel, or of the mid.
    payload_bytes, file_bytes
        Size of the codes, and of the whole coded file.
    gains_db
        By how much each channel, or mid and side, was raised before it was coded.
    clipped
        Number of samples that were cut off at full scale.
    seconds
        Processing time.
    damage
        Where the coded file is damaged; empty if it is whole.
    side_books
        Codes per frame of the side of two channels; None if each was coded on its own.

    Examples
    --------
    >>> minute = Coded(2_880_000, 1, 48_000, "codec-voice", 12, 45_000, 45_226, (0.0,), 0, 1.5, "")
    >>> minute.duration_s, minute.payload_kbps, minute.payload_ratio
    (60.0, 6.0, 128.0)
    """

    frames: int
    channels: int
    rate_hz: int
    codec: str
    books: int
    payload_bytes: int
    file_bytes: int
    gains_db: tuple[float, ...]
    clipped: int
    seconds: float
    damage: str
    side_books: int | None = None

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.frames / self.rate_hz

    @property
    def pcm_bytes(self) -> int:
        """Size of the sound with 16 bits a sample."""
        return self.frames * self.channels * _PCM_BYTES

    @property
    def payload_kbps(self) -> float:
        """Bitrate of the codes of all channels in kbit/s."""
        return 8e-3 * self.payload_bytes / self.duration_s

    @property
    def file_kbps(self) -> float:
        """Bitrate of the whole file in kbit/s."""
        return 8e-3 * self.file_bytes / self.duration_s

    @property
    def payload_ratio(self) -> float:
        """Size with 16 bits a sample, relative to that of the codes."""
        return self.pcm_bytes / self.payload_bytes

    @property
    def file_ratio(self) -> float:
        """Size with 16 bits a sample, relative to that of the whole file."""
        return self.pcm_bytes / self.file_bytes
