"""Finding a codec: by its name or its files, or by the id in what it has written."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from rtaudio.catalogue import find_file
from rtaudio.codec.model import DECODER, ENCODER, CodecModel, read_codec
from rtaudio.errors import CodecError
from rtaudio.shipped import shipped_codecs

_ID_DIGITS = 16


def find_codec(name: str) -> CodecModel:
    """Return a codec.

    Parameters
    ----------
    name
        A shipped codec or a part of its name; or one of the two files of another, or their common
        start.

    Raises
    ------
    FileNotFoundError, ContractError
        As for `rtaudio.codec.model.read_codec`.

    Examples
    --------
    >>> find_codec("codec-voice").name                              # doctest: +SKIP
    'codec-voice'
    """
    if any(Path(name + ending).exists() for ending in (ENCODER, DECODER)):
        return read_codec(name)
    return read_codec(find_file(name, "codec"))


def model_id(codec: CodecModel) -> str:
    """Return the 16 hexadecimal digits by which a coded file names its codec."""
    return codec.id[:_ID_DIGITS].ljust(_ID_DIGITS, "0")


@cache
def codec_of(wanted: str) -> CodecModel:
    """Return the shipped codec with a `model_id`.

    Raises
    ------
    CodecError
        No shipped codec has it.
    """
    shipped = map(find_codec, shipped_codecs())
    found = next((codec for codec in shipped if model_id(codec) == wanted), None)
    if found is None:
        raise CodecError(
            f"was coded by the model {wanted}, which is not shipped; name one of its files: --model"
        )
    return found
