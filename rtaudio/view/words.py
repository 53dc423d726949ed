"""Words of messages: counted nouns, and names of the ways in which sound is stored."""

from __future__ import annotations

_STORAGE = {
    "PCM_S8": "8 bit",
    "PCM_U8": "8 bit",
    "PCM_16": "16 bit",
    "PCM_24": "24 bit",
    "PCM_32": "32 bit",
    "FLOAT": "32 bit float",
    "DOUBLE": "64 bit float",
    "VORBIS": "Vorbis",
    "OPUS": "Opus",
    "AAC": "AAC",
    "MPEG_LAYER_III": "MP3",
    "ULAW": "mu-law",
    "ALAW": "A-law",
}


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, which takes an s unless the number is 1.

    Parameters
    ----------
    number
        The count.
    noun
        The noun in the singular; its plural must end in s.

    Examples
    --------
    >>> counted(1, "file"), counted(0, "file"), counted(12, "sample")
    ('1 file', '0 files', '12 samples')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def speed_words(factor: float) -> str:
    """Return how many seconds of sound were made in a second.

    Parameters
    ----------
    factor
        Their number.

    Examples
    --------
    >>> speed_words(123.4), speed_words(1.26), speed_words(0.0312)
    ('123 x real time', '1.3 x real time', '0.031 x real time')
    """
    return f"{factor:.0f} x real time" if factor >= 10 else f"{factor:.2g} x real time"


def storage_name(subtype: str) -> str:
    """Return the usual name of a libsndfile subtype.

    Examples
    --------
    >>> storage_name("PCM_24"), storage_name("MPEG_LAYER_III"), storage_name("IMA_ADPCM")
    ('24 bit', 'MP3', 'IMA ADPCM')
    """
    return _STORAGE.get(subtype, subtype.replace("_", " "))
