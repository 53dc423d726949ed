"""The coded file against a reader of its own, written from the table of bytes; and damage."""

from __future__ import annotations

import io
import os
import threading
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtaudio.codec.container import read_rtc, write_rtc
from rtaudio.codec.rtc_header import BLOCK_FRAMES, RtcHeader
from rtaudio.codec.rtc_reader import RtcReader
from rtaudio.codec.rtc_writer import RtcWriter
from rtaudio.errors import CodecFileError, ParameterError

MODEL = "0123456789abcdef"


def header_for(samples, *, books=3, channels=1, rate_hz=48_000, hop=960, original_hz=44_100):
    gains_db = tuple(1.5 * channel - 0.75 for channel in range(channels))
    return RtcHeader(MODEL, rate_hz, hop, books, channels, 480, original_hz, samples, gains_db)


def codes_for(header, seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 1024, (header.channels, header.books, header.frames))
    if header.side_books is not None:
        codes[1, header.side_books :] = -1
    return codes


@st.composite
def files(draw):
    header = header_for(
        draw(st.integers(0, 400_000)),
        books=draw(st.integers(1, 24)),
        channels=draw(st.sampled_from([1, 2, 6])),
        rate_hz=draw(st.sampled_from([16_000, 48_000])),
        hop=draw(st.sampled_from([320, 960])),
        original_hz=draw(st.sampled_from([8_000, 44_100, 48_000, 192_000])),
    )
    if draw(st.booleans()):
        header = replace(header, books=draw(st.integers(1, 48)))
    if header.channels == 2 and draw(st.booleans()):
        header = replace(header, side_books=draw(st.integers(0, header.books)))
    return header, codes_for(header, draw(st.integers(0, 99)))


def written(header, codes, *, piped=False):
    """Return the bytes of a file, written in pieces if the header does not know its length."""
    stream = io.BytesIO()
    if not piped:
        writer = RtcWriter(stream, header)
        writer.write(codes)
        writer.close()
        return stream.getvalue()
    writer = RtcWriter(stream, replace(header, original_samples=None))
    for start in range(0, codes.shape[2], 37):
        writer.write(codes[..., start : start + 37])
    writer.close(header.original_samples)
    return stream.getvalue()


def read(data, **options):
    reader = RtcReader(io.BytesIO(data), "a.rtc", **options)
    pieces = list(reader.blocks())
    empty = np.zeros((reader.header.channels, reader.header.books, 0), np.int64)
    return reader, np.concatenate([empty, *pieces], axis=2)


class ByHand:
    """Reads a file as the table describes it, with nothing of the reader's own."""

    def __init__(self, data):
        self.data, self.at = data, 0
        assert self.take(4) == b"\x89RTC"
        self.version = self.number(1)
        self.channels, self.books, last = self.number(1), self.number(1), self.number(1)
        self.bits = last if self.version == 1 else 10
        self.side = None if self.version == 1 or last == 255 else last
        self.model = self.take(8).hex()
        self.rate_hz, self.hop, self.delay = self.number(4), self.number(2), self.number(2)
        self.original_hz, self.frames, self.samples = (self.number(size) for size in (4, 4, 8))
        self.gains_db = [
            int.from_bytes(self.take(2), "big", signed=True) / 256 for _ in range(self.channels)
        ]
        crc = self.crc = zlib.crc32(data[: self.at])
        assert self.number(4) == crc
        piped = self.frames == 0xFFFF_FFFF
        assert piped == (self.samples == 0xFFFF_FFFF_FFFF_FFFF)
        frames, block = [], 0
        while piped or len(frames) < self.frames:
            start = self.at
            count = self.number(2)
            if count == 0:
                self.frames, self.samples = self.number(4), self.number(8)
            else:
                frames += self.codes(count)
            seed = (crc + block) % (1 << 32)
            expected = zlib.crc32(data[start : self.at], seed)
            assert self.number(4) == expected
            block += 1
            if count == 0:
                break
        assert self.at == len(data)
        self.rows = np.array(frames, np.int64).reshape(-1, self.size())

    def size(self):
        """Return the codes of a frame."""
        return self.channels * self.books if self.side is None else self.books + self.side

    def take(self, size):
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "big")

    def codes(self, count):
        total = count * self.size()
        text = "".join(f"{byte:08b}" for byte in self.take(-(-total * self.bits // 8)))
        values = [int(text[self.bits * i :][: self.bits], 2) for i in range(total)]
        size = self.size()
        return [values[size * i :][:size] for i in range(count)]


@settings(max_examples=30, deadline=None)
@given(files(), st.booleans())
def test_what_is_written_is_read_and_the_bytes_are_those_of_the_table(file, piped):
    header, codes = file
    data = written(header, codes, piped=piped)
    reader, found = read(data)
    np.testing.assert_array_equal(found, codes)
    assert found.dtype == np.int64
    assert reader.header == header
    assert reader.damage is None
    if codes.size > 20_000:
        return
    told = ByHand(data)
    rows = codes.reshape(header.channels * header.books, -1)
    if header.side_books is not None:
        rows = rows[: header.books + header.side_books]
    np.testing.assert_array_equal(told.rows, rows.T)
    assert told.version == (1 if header.side_books is None and header.books <= 24 else 2)
    assert told.side == header.side_books
    assert (told.model, told.rate_hz, told.hop) == (MODEL, header.rate_hz, header.hop)
    assert (told.delay, told.original_hz) == (480, header.original_rate_hz)
    assert told.samples == header.original_samples
    assert told.frames == header.frames == codes.shape[2]
    assert told.bits == 10
    assert tuple(told.gains_db) == header.gains_db


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("frames", [0, 1, 99, 100, 101, 200])
def test_the_size_is_that_of_the_bits_and_a_known_overhead(channels, frames):
    samples = max(0, frames * 960 - 480)
    header = header_for(samples, channels=channels, original_hz=48_000)
    assert header.frames == frames
    sizes = [min(100, frames - start) for start in range(0, frames, 100)]
    bits = sum(-(-size * 3 * 10 * channels // 8) for size in sizes)
    expected = 44 + 2 * channels + bits + 6 * len(sizes)
    assert len(written(header, codes_for(header))) == expected


@settings(deadline=None)
@given(st.integers(0, 1 << 36), st.sampled_from([8000, 44_100, 48_000]), st.integers(0, 2000))
def test_the_frames_hold_the_whole_original_and_no_frame_is_for_nothing(samples, rate_hz, delay):
    header = replace(header_for(samples, original_hz=rate_hz), delay_samples=delay)
    coded = header.frames * 960 - delay
    if samples:
        assert coded * rate_hz >= samples * 48_000
        assert (coded - 960) * rate_hz < samples * 48_000
    else:
        assert header.frames == 0


@pytest.fixture
def file():
    header = header_for(300_000, channels=2)
    assert header.frames == 341
    return header, codes_for(header)


def test_a_block_is_found_without_reading_what_is_before_it(file):
    header, codes = file
    data = bytearray(written(header, codes))
    data[60] ^= 1  # the first block is damaged, and nobody notices
    reader = RtcReader(io.BytesIO(bytes(data)))
    for frame, first in ((340, 300), (100, 100), (299, 200), (341, 300), (10**9, 300)):
        assert reader.seek(frame) == first
        np.testing.assert_array_equal(next(reader.blocks()), codes[..., first : first + 100])
    assert reader.seek(0) == 0
    with pytest.raises(CodecFileError, match="damaged at frame 0"):
        next(reader.blocks())


def test_a_file_of_whole_blocks_can_be_sought_to_its_end():
    header = header_for(200 * 960 - 480, original_hz=48_000)
    reader = RtcReader(io.BytesIO(written(header, codes_for(header))))
    assert reader.seek(200) == 200
    assert list(reader.blocks()) == []


def test_it_passes_through_a_pipe(file):
    header, codes = file
    source, target = os.pipe()

    def write():
        with os.fdopen(target, "wb", buffering=0) as stream:
            data = written(header, codes, piped=True)
            for start in range(0, len(data), 7):  # in pieces smaller than a block
                stream.write(data[start : start + 7])

    thread = threading.Thread(target=write)
    thread.start()
    with os.fdopen(source, "rb", buffering=0) as stream:
        reader = RtcReader(stream)
        assert reader.header.original_samples is None
        found = np.concatenate(list(reader.blocks()), axis=2)
    thread.join()
    np.testing.assert_array_equal(found, codes)
    assert reader.header == header


@pytest.mark.parametrize("piped", [False, True])
@pytest.mark.parametrize("salvage", [False, True])
def test_a_file_cut_anywhere_is_told_or_saved_up_to_there(file, piped, salvage):
    header, codes = file
    data = written(header, codes, piped=piped)
    for stop in [*range(60), *range(60, len(data), 41), len(data) - 1]:
        cut = data[:stop]
        if not salvage or stop < 48:
            with pytest.raises(CodecFileError, match=r"^a.rtc: is cut at (its header|frame \d+); "):
                read(cut, salvage=salvage)
            continue
        reader, found = read(cut, salvage=True)
        assert "is cut at frame" in reader.damage
        assert found.shape[2] % BLOCK_FRAMES == 0 or found.shape[2] == 341
        np.testing.assert_array_equal(found, codes[..., : found.shape[2]])
        assert found.shape[2] >= (stop - 48) // 756 * 100 - 100


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**9), st.booleans())
def test_every_flipped_bit_is_noticed(place, piped):
    header = header_for(120_000, books=2, original_hz=48_000)
    codes = codes_for(header)
    data = bytearray(written(header, codes, piped=piped))
    place %= 8 * len(data)
    data[place // 8] ^= 1 << place % 8
    with pytest.raises(CodecFileError) as error:
        read(bytes(data))
    assert str(error.value).startswith("a.rtc: ")
    assert "\n" not in str(error.value)
    if place // 8 >= 46:
        reader, found = read(bytes(data), salvage=True)
        assert reader.damage == str(error.value)
        np.testing.assert_array_equal(found, codes[..., : found.shape[2]])


def test_blocks_that_changed_places_or_files_are_noticed(file):
    header, codes = file
    data = written(header, codes)
    size = 2 + 750 + 4
    first, second = data[48 : 48 + size], data[48 + size : 48 + 2 * size]
    swapped = data[:48] + second + first + data[48 + 2 * size :]
    with pytest.raises(CodecFileError, match="damaged at frame 0"):
        read(swapped)
    other = written(replace(header, model_id="f" * 16), codes)
    with pytest.raises(CodecFileError, match="damaged at frame 0"):
        read(data[:48] + other[48:])


@pytest.mark.parametrize(("frames", "samples"), [(341, 0), (341, (1 << 64) - 1), (340, 300_000)])
def test_a_trailer_that_contradicts_the_blocks_is_told(file, frames, samples):
    data = written(*file, piped=True)
    crc = int.from_bytes(data[44:48], "big")
    body = bytes(2) + frames.to_bytes(4, "big") + samples.to_bytes(8, "big")
    false = data[:-18] + body + zlib.crc32(body, crc + 4).to_bytes(4, "big")
    with pytest.raises(CodecFileError, match=f"tells {frames} frames and {samples} samples"):
        read(false)


def test_a_short_block_before_the_last_is_refused(file):
    """With it no block behind it would be where arithmetic expects it."""
    header, codes = file
    stream = io.BytesIO()
    writer = RtcWriter(stream, replace(header, original_samples=None))
    for frames in (100, 50, 100, 91):
        writer._block(codes.reshape(-1, codes.shape[2]).T[:frames])
    writer.close(header.original_samples)
    with pytest.raises(CodecFileError, match="damaged at frame 150"):
        read(stream.getvalue())


def test_what_follows_the_end_is_told(file):
    for piped in (False, True):
        data = written(*file, piped=piped) + b"x"
        with pytest.raises(CodecFileError, match="something behind its end"):
            read(data)
        reader, found = read(data, salvage=True)
        assert reader.damage is not None
        np.testing.assert_array_equal(found, file[1])


def sealed(data):
    """Give an altered header its checksum, as a program with a fault would."""
    return data + zlib.crc32(data).to_bytes(4, "big")


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (0, b"RIFF", "is not a coded file of rtaudio"),
        (4, b"\x03", "has version 3; this rtaudio reads versions 1 and 2"),
        (4, b"\x02", r"side_books = 10 is out of range 0 \.\. 3"),
        (6, b"\x19", "has a header that contradicts itself"),
        (5, b"\x00", "channels = 0 is out of range 1 .. 64"),
        (5, b"\xff", "channels = 255 is out of range 1 .. 64"),
        (6, b"\x00", "books = 0 is out of range 1 .. 48"),
        (7, b"\x0b", "contradicts itself"),
        (16, b"\xff\xff\xff\xff", "rate_hz = 4294967295 is out of range"),
        (20, b"\x00\x00", "hop = 0 is out of range"),
        (24, b"\x00\x00\x00\x00", "original_rate_hz = 0 is out of range"),
        (28, b"\x7f\xff\xff\xff", "contradicts itself"),
        (32, b"\x7f" + 7 * b"\xff", "original_samples = 9"),
        (32, b"\x00\x00\xff" + 5 * b"\xff", "too long for one file"),
    ],
)
def test_headers_that_no_version_writes_are_refused_before_anything_is_allocated(
    place, value, words
):
    data = bytearray(written(header_for(1000), codes_for(header_for(1000)))[:42])
    data[place : place + len(value)] = value
    with pytest.raises(CodecFileError, match=words) as error:
        read(sealed(bytes(data)))
    assert "\n" not in str(error.value)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.booleans(), st.booleans())
def test_garbage_is_no_file(data, headed, salvage):
    if headed:
        header = header_for(1000, original_hz=48_000)
        data = written(header, codes_for(header))[:46] + data
    try:
        reader, found = read(data, salvage=salvage)
    except CodecFileError as error:
        assert str(error).startswith("a.rtc: ")  # noqa: PT017
    else:
        assert reader.damage is not None
        assert found.shape[2] <= 2


def test_files_on_the_disk(tmp_path, file):
    header, codes = file
    path = tmp_path / "a.rtc"
    write_rtc(path, header, codes)
    for model in (None, MODEL):
        told, found = read_rtc(path, model)
        assert told == header
        np.testing.assert_array_equal(found, codes)
    with pytest.raises(
        CodecFileError, match=f"was coded by the model {MODEL}, and this one is f+;"
    ):
        read_rtc(path, "f" * 16)
    with pytest.raises(ParameterError):
        write_rtc(path, header, codes[..., :-1])
    assert read_rtc(path)[0] == header, "the old file is still there"
    data = path.read_bytes()
    path.write_bytes(data[:2000])
    told, found = read_rtc(path, salvage=True)
    assert found.shape[2] == 200
    assert told.frames == 200
    assert told.original_samples == (200 * 960 - 480) * 44_100 // 48_000
    with pytest.raises(FileNotFoundError):
        read_rtc(tmp_path / "none.rtc")


def test_what_does_not_fit_the_header_is_refused():
    header = header_for(1000, original_hz=48_000)
    writer = RtcWriter(io.BytesIO(), header)
    for wrong in (np.zeros((2, 3, 1), int), np.zeros((1, 4, 1), int), np.zeros((3, 1), int)):
        with pytest.raises(ParameterError, match=r"the file has \[1, 3, frames\]"):
            writer.write(wrong)
    writer.write(np.zeros((1, 3, 1), int))
    with pytest.raises(ParameterError, match="needs 2 frames, and 1 were written"):
        writer.close()
    writer = RtcWriter(io.BytesIO(), header)
    writer.write(np.full((1, 3, 2), -1))
    with pytest.raises(ParameterError, match="a code = -1 is out of range"):
        writer.close()
    writer = RtcWriter(io.BytesIO(), header)
    writer.write(np.zeros((1, 3, 2), int))
    with pytest.raises(ParameterError, match="original_samples = 999, and the header has 1000"):
        writer.close(999)
    writer = RtcWriter(io.BytesIO(), replace(header, original_samples=None))
    with pytest.raises(ParameterError, match="original_samples is missing"):
        writer.close()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_id": "0123"}, "needs 16 hexadecimal digits"),
        ({"model_id": "G" * 16}, "needs 16 hexadecimal digits"),
        ({"gains_db": (0.0, 0.0)}, "needs 1 of -128 .. 127 dB"),
        ({"gains_db": (128.0,)}, "needs 1 of"),
        ({"gains_db": (float("nan"),)}, "needs 1 of"),
        ({"books": 49}, "books = 49 is out of range 1 .. 48"),
        ({"side_books": 3}, "channels = 1: a side needs 2"),
        (
            {"channels": 2, "gains_db": (), "side_books": 4},
            r"side_books = 4 is out of range 0 \.\. 3",
        ),
        ({"original_samples": -1}, "original_samples = -1"),
    ],
)
def test_impossible_headers_are_refused(changes, words):
    with pytest.raises(ParameterError, match=words):
        replace(header_for(1000), **changes)


@settings(deadline=None)
@given(st.floats(-128, 127.99))
def test_gains_are_exact_to_a_five_hundredth_of_a_decibel(gain_db):
    header = replace(header_for(1000), gains_db=(gain_db,))
    assert abs(header.gains_db[0] - gain_db) <= 1 / 256
    assert RtcHeader.from_bytes(header.to_bytes()) == header
