"""Kinds of media files: their suffixes, how they are written, their tags, and their errors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from rtaudio.errors import AudioFileError

MEDIA_SUFFIXES = (
    ".3g2", ".3gp", ".aac", ".ac3", ".amr", ".asf", ".avi", ".flv", ".m2ts", ".m4a", ".m4b",
    ".m4v", ".mka", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ts", ".webm", ".wma", ".wmv",
)  # fmt: skip
"""Suffixes of files that only FFmpeg reads. The content decides, so others may play, too."""

DEMUXERS = "aac,ac3,amr,amrnb,amrwb,asf,avi,caf,eac3,flv,matroska,mov,mpeg,mpegts,webm"
"""Containers that are opened: those of sound and video, none that names other files."""

GAP_S = 0.1
"""Time stamps of cheap recorders jitter. A gap of at least this length is one, and is silence."""

MAX_GAP_S = 3600.0
"""A longer gap is a fault of the time stamps, and is passed over."""


class Target(NamedTuple):
    """How sound is written into files of a suffix.

    Attributes
    ----------
    muxer, encoder
        FFmpeg's names of the container and of the codec.
    subtype
        Name of the codec for messages.
    bits_per_s
        Bitrate of a channel.
    rates_hz
        Sample rates that the codec has; sound at another is resampled to 48 kHz.
    """

    muxer: str
    encoder: str
    subtype: str
    bits_per_s: int
    rates_hz: tuple[int, ...]

    def coded_hz(self, rate_hz: int) -> int:
        """Return the sample rate in the file for sound at a rate in hertz."""
        return rate_hz if rate_hz in self.rates_hz else _OTHER_HZ

    @property
    def has_edit_lists(self) -> bool:
        """Whether the container is one of the MP4 family."""
        return self.encoder == "aac"


_AAC_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
_OTHER_HZ = 48_000  # Opus is decoded at this rate, whatever it was made of

TARGETS = {
    suffix: Target(muxer, "aac", "AAC", 96_000, _AAC_HZ)
    for suffix, muxer in {".m4a": "ipod", ".m4b": "ipod", ".mp4": "mp4", ".m4v": "mp4",
                          ".mov": "mov"}.items()
} | {
    suffix: Target(muxer, "libopus", "OPUS", 64_000, (_OTHER_HZ,))
    for suffix, muxer in {".webm": "webm", ".mka": "matroska", ".mkv": "matroska"}.items()
}  # fmt: skip
"""Suffixes of the media files that are written. All of them keep time to the sample."""

_VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".webm", ".mkv")


class MediaSource(Protocol):
    """The sound of a media file while it is read.

    Attributes
    ----------
    rate_hz, channels
        Sample rate and number of channels.
    subtype
        Name of the codec.
    frames
        Expected number of frames, from the container.
    exact
        Whether the container states the length, so that a shorter sound is damaged.
    metadata
        Title, artist and the like.
    has_video
        Whether there are pictures beside the sound.
    fault
        Why a part could not be decoded; empty if all could.
    first_gap, missing
        First lost frame, and number of lost frames, which silence replaces; None and 0 if none is.
    """

    rate_hz: int
    channels: int
    subtype: str
    frames: int
    exact: bool
    metadata: dict[str, str]
    has_video: bool
    fault: str
    first_gap: int | None
    missing: int

    def read_into(self, buffer: Any) -> int:
        """Fill float32 ``[frames, channels]``; returns how many frames there were."""

    def close(self) -> None:
        """Close the file."""


class MediaTarget(Protocol):
    """A media file while its sound is written."""

    def write(self, frames: Any) -> None:
        """Append float ``[frames, channels]``."""

    def close(self) -> None:
        """Write what is left."""

    def discard(self) -> None:
        """Close the file, which will be removed."""


def is_media_name(path: str | Path) -> bool:
    """Return whether a path has the suffix of a file that FFmpeg reads."""
    return Path(path).suffix.lower() in MEDIA_SUFFIXES


def target_of(path: str | Path) -> Target | None:
    """Return how a media file of this name is written; None if it is none, or only read."""
    return TARGETS.get(Path(path).suffix.lower())


def keeps_video(path: str | Path) -> bool:
    """Return whether a new file of this name has the video of the file its sound comes from."""
    return Path(path).suffix.lower() in _VIDEO_SUFFIXES


def needs_ffmpeg(path: Path) -> AudioFileError:
    """Return the error of a machine without FFmpeg."""
    return AudioFileError(
        f"{path}: needs FFmpeg; pip install 'rtaudio[media]', or install the program ffmpeg"
    )


def no_audio(path: Path) -> AudioFileError:
    """Return the error of a file that nobody can read."""
    return AudioFileError(f"{path}: not an audio file; convert it to wav or flac")


LAYOUTS = ("mono", "stereo", "3.0", "4.0", "5.0", "5.1", "6.1", "7.1")
"""FFmpeg's names of the arrangements of 1, 2, 3 ... channels."""

TAGS = {"track": "tracknumber"}
"""FFmpeg's names of tags that libsndfile calls otherwise."""

KEPT_TAGS = (
    "title", "copyright", "software", "artist", "comment", "date", "album", "license",
    "tracknumber", "genre",
)  # fmt: skip


def tags_of(found: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that sound files share, by libsndfile's names.

    Parameters
    ----------
    found
        Tags by FFmpeg's names.

    Examples
    --------
    >>> tags_of({"TITLE": "Talk", "track": "3", "encoder": "Lavf"})
    {'title': 'Talk', 'tracknumber': '3'}
    """
    named = {TAGS.get(key.lower(), key.lower()): value for key, value in found.items()}
    return {key: value for key, value in named.items() if key in KEPT_TAGS}


def ffmpeg_tags(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return tags by FFmpeg's names.

    Examples
    --------
    >>> ffmpeg_tags({"title": "Talk", "tracknumber": "3"})
    {'title': 'Talk', 'track': '3'}
    """
    back = {theirs: ours for ours, theirs in TAGS.items()}
    return {back.get(key, key): value for key, value in metadata.items()}
