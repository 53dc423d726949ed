"""The recordings that codecs are measured on, by group."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from rtaudio.bench.coder import Signal
from rtaudio.errors import MetricsError

GROUPS = {
    "heard": "Sentences never heard, of voices that were heard in training",
    "unheard": "Voices never heard in training",
    "music": "Music",
    "stereo": "Music in stereo",
}
"""Group -> title."""

LONGEST_S = 5.0
"""Length of a clip."""

QUICK_STEP = 6
"""A quick measurement takes one clip of this many."""

_VOICES = {
    "heard": (
        "kathleen_36", "kathleen_37", "kathleen_38", "nathalie_37", "nathalie_38", "nathalie_39",
        "flemishguy_21", "flemishguy_22", "flemishguy_23", "kerstin_14", "kerstin_15", "kerstin_16",
    ),
    "unheard": (
        "ptdb_f2", "ptdb_m2", "nsd_f1", "nsd_f3", "nsd_m2", "nsd_m3", "magphase_hvd_589",
        "magphase_hvd_590", "magphase_hvd_591", "magphase_hvd_593", "librispeech_f_3331",
        "librispeech_f_367", "librispeech_m_2414", "librispeech_m_3005",
    ),
}  # fmt: skip
"""Recordings by which no training chose anything, either: others choose its checkpoints."""


@dataclass(frozen=True)
class CodecClip:
    """A recording to be coded.

    Attributes
    ----------
    group
        One of `GROUPS`.
    file
        The sound file.
    """

    group: str
    file: Path

    @property
    def name(self) -> str:
        """Name in its group."""
        return self.file.stem

    @property
    def music(self) -> bool:
        """Whether it is music, not speech."""
        return self.group in ("music", "stereo")

    def read(self) -> tuple[Signal, int]:
        """Return float64, at most 5 s, without DC, and the rate in Hz.

        The shape is ``[frames]``, channels mixed; of the group "stereo" ``[2, frames]``.

        Raises
        ------
        MetricsError
            The file is no sound file, or is silent.
        """
        try:
            with soundfile.SoundFile(self.file) as sound:
                rate_hz = sound.samplerate
                x = sound.read(int(LONGEST_S * rate_hz), dtype="float64", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise MetricsError(f"{self.file}: cannot be read: {error}") from None
        sound = x.T if self.group == "stereo" else x.mean(axis=1)
        if not np.all(np.any(sound, axis=-1)):
            raise MetricsError(f"{self.file}: is silent or empty; replace it by a recording")
        return sound - sound.mean(axis=-1, keepdims=True), int(rate_hz)


def codec_clips(data: Path, *, quick: bool = False) -> list[CodecClip]:
    """List the recordings to measure with.

    Parameters
    ----------
    data
        Folder with the subfolders ``speech/test`` and ``music/excerpts``; one may be missing.
    quick
        Take only every sixth of each group.

    Raises
    ------
    MetricsError
        There are no recordings in that folder.

    Examples
    --------
    >>> clips = codec_clips(Path("data"), quick=True)                       # doctest: +SKIP
    >>> sound, rate_hz = clips[0].read()                                    # doctest: +SKIP
    """
    speech = data / "speech" / "test"
    groups = {
        group: [file for name in names if (file := speech / f"{name}.flac").is_file()]
        for group, names in _VOICES.items()
    }
    groups["music"] = sorted((data / "music" / "excerpts").glob("*.flac"))
    groups["stereo"] = [file for file in groups["music"] if soundfile.info(file).channels == 2]
    found = [
        CodecClip(group, file)
        for group, files in groups.items()
        for file in files[:: QUICK_STEP if quick else 1]
    ]
    if not found:
        raise MetricsError(
            f"{data}: holds no recordings to measure on (speech/test, music/excerpts); "
            "name another folder: --data or RTAUDIO_DATA"
        )
    return found
