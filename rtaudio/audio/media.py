"""Media files: the sound of the containers that phones, cameras and meetings make.

libsndfile reads none of them, so FFmpeg does: through PyAV (the extra ``media``) or, without it,
through an installed program ``ffmpeg``::

    file --> demuxer --> decoder --> placed by its time stamps --> float32 frames
    float32 frames --> encoder --> muxer --> file
                     video packets of the source, untouched --^
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Mapping
from pathlib import Path

from rtaudio.audio.media_format import (
    LAYOUTS,
    TARGETS,
    MediaSource,
    MediaTarget,
    is_media_name,
    needs_ffmpeg,
    no_audio,
)
from rtaudio.errors import AudioFileError


def has_library() -> bool:
    """Return whether PyAV is installed."""
    return importlib.util.find_spec("av") is not None


def program() -> str | None:
    """Return the path of the program ``ffmpeg``, if there is one."""
    return shutil.which("ffmpeg")


def open_media(path: Path) -> MediaSource:
    """Open the sound of a media file.

    Parameters
    ----------
    path
        The file; its content decides its format.

    Raises
    ------
    AudioFileError
        It holds no sound that FFmpeg can decode, or there is no FFmpeg.
    """
    if has_library():
        from rtaudio.audio.av_source import LibrarySource

        return LibrarySource(path)
    if found := program():
        from rtaudio.audio.ffmpeg_program import ProgramSource

        return ProgramSource(found, path)
    raise needs_ffmpeg(path) if is_media_name(path) else no_audio(path)


def create_media(
    path: Path,
    temporary: Path,
    rate_hz: int,
    channels: int,
    metadata: Mapping[str, str],
    video: Path | None,
) -> MediaTarget:
    """Open a new media file for writing.

    Parameters
    ----------
    path
        The file, for messages; its suffix chooses the format.
    temporary
        The file that is written.
    rate_hz, channels
        Sample rate and channels of the sound.
    metadata
        Title, artist and the like.
    video
        A file whose video is copied beside the sound; None: there is none.

    Raises
    ------
    AudioFileError
        The format cannot hold this sound or this video, or there is no FFmpeg.
    """
    target = TARGETS[path.suffix.lower()]
    if channels > len(LAYOUTS):
        raise AudioFileError(f"{path}: cannot hold {channels} channels; use .wav")
    if has_library():
        from rtaudio.audio.av_target import LibraryTarget

        return LibraryTarget(target, path, temporary, rate_hz, channels, metadata, video)
    if found := program():
        from rtaudio.audio.ffmpeg_program import ProgramTarget

        return ProgramTarget(found, target, path, temporary, rate_hz, channels, metadata, video)
    raise needs_ffmpeg(path)
