"""Headers that were never finished, and chunks without a pad byte: the sound is read all the same.

The oracle is the same file with its header intact.
"""

from __future__ import annotations

import struct

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from rtaudio.audio.reader import open_audio, read_audio
from rtaudio.audio.unfinished import mended
from rtaudio.errors import AudioFileError

FRAMES = 2400
SOUND = np.random.default_rng(0).uniform(-0.5, 0.5, (FRAMES, 2))
LIST = b"LIST" + struct.pack("<I", 26) + b"INFOISFT" + struct.pack("<I", 14) + b"Recorder 1.0\0\0"
MARK = b"MARK" + struct.pack(">I", 2) + b"\0\0"

KINDS = {
    "wav 16": ("WAV", "PCM_16"),
    "wav 24": ("WAV", "PCM_24"),
    "wav float": ("WAV", "FLOAT"),
    "rf64": ("RF64", "PCM_16"),
    "aiff 16": ("AIFF", "PCM_16"),
    "aiff 24": ("AIFF", "PCM_24"),
    "aifc float": ("AIFF", "FLOAT"),
}


@pytest.fixture(params=[*KINDS.values()], ids=[*KINDS])
def whole(request, tmp_path):
    """Return a file that ends with its sound, and its samples."""
    kind, subtype = request.param
    path = tmp_path / f"take.{kind.lower()}"
    soundfile.write(path, SOUND, 48000, subtype, format=kind)
    data = path.read_bytes()
    expected, _ = read_audio(path)
    start = data.index(b"SSND" if kind == "AIFF" else b"data") + 8
    size = FRAMES * 2 * {"PCM_16": 2, "PCM_24": 3, "FLOAT": 4}[subtype] + 8 * (kind == "AIFF")
    path.write_bytes(data[: start + size])  # without what may stand behind it
    return path, expected


def forget(path, frames, behind=b""):
    """Write the sizes that a header had after ``frames``, and chunks behind the sound."""
    data = bytearray(path.read_bytes())
    big = data[:4] == b"FORM"
    start = data.index(b"SSND" if big else b"data") + 8
    size = frames * (len(data) - start - 8 * big) // FRAMES + 8 * big * (frames > 0)
    if data[:4] == b"RF64":
        at = data.index(b"ds64") + 8
        struct.pack_into("<QQQ", data, at, 0 if not frames else start + size - 8, size, frames)
    else:
        whole = start + size - 8 if frames else 0
        struct.pack_into(">I" if big else "<I", data, 4, whole)
        struct.pack_into(">I" if big else "<I", data, start - 4, size)
    if big:
        struct.pack_into(">I", data, data.index(b"COMM") + 10, frames)
    path.write_bytes(bytes(data) + behind)


@pytest.mark.parametrize("frames", [0, 1, 1000])
def test_sound_behind_the_stated_size_is_read(whole, frames):
    path, expected = whole
    forget(path, frames)
    found, rate_hz = read_audio(path)
    np.testing.assert_array_equal(found, expected)
    assert rate_hz == 48000


@pytest.mark.parametrize("frames", [0, 1000])
def test_chunks_behind_such_sound_are_no_sound(whole, frames):
    path, expected = whole
    forget(path, frames, MARK if path.suffix == ".aiff" else LIST)
    np.testing.assert_array_equal(read_audio(path)[0], expected)


def test_a_finished_header_is_believed(whole):
    path, expected = whole
    assert mended(path) is None
    for tail in (LIST, b"TAG" + bytes(125), b"ID3\x04" + bytes(100)):
        if path.suffix != ".aiff":
            path.write_bytes(path.read_bytes() + tail)
            assert mended(path) is None
            np.testing.assert_array_equal(read_audio(path)[0], expected)


def test_an_empty_file_stays_empty(tmp_path):
    path = tmp_path / "empty.wav"
    soundfile.write(path, np.zeros(0), 48000)
    for tail in (b"", LIST):
        path.write_bytes(path.read_bytes() + tail)
        with pytest.raises(AudioFileError, match="has no frames"):
            read_audio(path)


@pytest.mark.parametrize("name", [b"bext", b"LIST", b"iXML"])
@pytest.mark.parametrize("size", [1, 17, 603])
def test_a_chunk_of_odd_size_may_lack_its_pad_byte(tmp_path, name, size):
    path = tmp_path / "old.wav"
    soundfile.write(path, SOUND, 48000, "PCM_16")
    expected, _ = read_audio(path)
    data = path.read_bytes()
    start = data.index(b"data")
    chunk = name + struct.pack("<I", size) + b"INFO".ljust(size, b"x")[:size]
    path.write_bytes(data[:start] + chunk + data[start:])
    np.testing.assert_array_equal(read_audio(path)[0], expected)
    padded = chunk + b"\0"
    path.write_bytes(data[:start] + padded + data[start:])
    assert mended(path) is None
    np.testing.assert_array_equal(read_audio(path)[0], expected)


def test_the_file_itself_stays_as_it_is(whole):
    path, _ = whole
    forget(path, 0)
    before = path.read_bytes()
    with open_audio(path) as file:
        assert file.frames == FRAMES
        assert file.damage() == "" or file.position == 0
    assert path.read_bytes() == before


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([b"RIFF", b"FORM", b"RF64"]), st.binary(max_size=200))
def test_no_bytes_make_it_fail(tmp_path_factory, form, content):
    path = tmp_path_factory.mktemp("bytes") / "a.wav"
    kind = b"AIFF" if form == b"FORM" else b"WAVE"
    path.write_bytes(form + b"\0\0\0\0" + kind + content)
    file = mended(path)
    if file is not None:
        assert file.read(4) in (b"RIFF", b"FORM")
        file.close()
