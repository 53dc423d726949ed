"""The coded file ``.rtc``: a header, and blocks of bit-packed codes with a checksum each.

All numbers are big-endian, codes 10 bits each, frame by frame, in a frame channel by channel::

    header    0  4  89 52 54 43: 0x89, "RTC"
              4  1  version, 1 or 2
              5  1  channels, 1 .. 64
              6  1  books, 1 .. 24, in version 2 1 .. 48
              7  1  bits of a code; in version 2 books of the side, or ff: there is no side
              8  8  model id: the first bytes of its SHA-256
             16  4  rate of the codec in Hz
             20  2  hop: samples of a frame
             22  2  delay in samples at that rate
             24  4  rate of the original in Hz
             28  4  frames, or ff ff ff ff: the trailer says it
             32  8  samples of the original, or ff ..: the trailer says it
             40  2c gain of each channel, signed, in dB / 256
                 4  CRC-32 of the header
    block     0  2  frames in it: 100, in the last one fewer
                 .. codes
                 4  CRC-32 of the block, started with that of the header plus the block's number
    trailer   0  2  0
              2  4  frames
              6  8  samples of the original
                 4  CRC-32, as that of a block

The trailer is there only if the header does not know the length, as in a pipe. All blocks but the
last have the same size, so a frame is found by arithmetic, without an index.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from rtaudio.atomic import replacing
from rtaudio.codec.codes import Codes
from rtaudio.codec.rtc_header import RtcHeader
from rtaudio.codec.rtc_reader import RtcReader
from rtaudio.codec.rtc_writer import RtcWriter
from rtaudio.errors import CodecFileError


def write_rtc(path: str | Path, header: RtcHeader, codes: Codes) -> None:
    """Write a coded file; an existing one is replaced only once the new one is complete.

    Parameters
    ----------
    path
        The file.
    header
        Its header, with ``original_samples``.
    codes
        int64 ``[channels, books, frames]``.

    Raises
    ------
    ParameterError
        Codes and header do not fit each other.
    OSError
        The file cannot be written.

    Examples
    --------
    >>> header = RtcHeader("00" * 8, 48_000, 960, 3, 1, 480, 44_100, original_samples=100)
    >>> write_rtc("short.rtc", header, np.ones((1, 3, 1), np.int64))
    >>> read_rtc("short.rtc")[1].shape
    (1, 3, 1)
    """
    with replacing(path) as temporary, temporary.open("wb") as stream:
        writer = RtcWriter(stream, header)
        writer.write(codes)
        writer.close()


def read_rtc(
    path: str | Path, model_id: str | None = None, *, salvage: bool = False
) -> tuple[RtcHeader, Codes]:
    """Read a whole coded file.

    Parameters
    ----------
    path
        The file.
    model_id
        The model that will decode it; None: any.
    salvage
        Return everything up to the damage; the header then has the ``original_samples`` that are
        left.

    Returns
    -------
    header, codes
        The header, and int64 ``[channels, books, frames]``.

    Raises
    ------
    CodecFileError
        The file is foreign, cut, altered, or of another model.
    OSError
        The file cannot be read.
    """
    with Path(path).open("rb") as stream:
        reader = RtcReader(stream, str(path), salvage=salvage)
        check_model(reader.header, model_id, str(path))
        header = reader.header
        pieces = [np.zeros((header.channels, header.books, 0), np.int64), *reader.blocks()]
    codes = np.concatenate(pieces, axis=2)
    header = reader.header
    if reader.damage is not None:
        header = replace(header, original_samples=header.samples_in(codes.shape[2]))
    return header, codes


def check_model(header: RtcHeader, model_id: str | None, name: str) -> None:
    """Refuse a file of another model.

    Parameters
    ----------
    header
        Header of the file.
    model_id
        The model that will decode it; None: any.
    name
        What the error calls the file.

    Raises
    ------
    CodecFileError
        It is of another model.
    """
    if model_id is not None and header.model_id != model_id:
        raise CodecFileError(
            f"{name}: was coded by the model {header.model_id}, and this one is {model_id}; "
            "give the other model"
        )
