"""Payloads: what goes in comes out, a cut loses the least significant books, garbage one error."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rtaudio.codec.codes import NOT_SENT, deinterleave, interleave, to_bits, with_books
from rtaudio.codec.noise_shape import NoiseShape
from rtaudio.codec.packets import Copy, pack, pack_noise, unpack
from rtaudio.errors import PacketError, ParameterError


@st.composite
def codes_of(draw, channels=1):
    shape = (channels, draw(st.integers(1, 24)), draw(st.integers(1, 16)))
    return interleave(draw(arrays(np.int64, shape, elements=st.integers(0, 1023))))


@st.composite
def packets(draw):
    codes = draw(codes_of(draw(st.integers(1, 2))))
    if not draw(st.booleans()):
        return codes, None
    books = draw(st.integers(1, len(codes)))
    return codes, Copy(codes[:books, ::-1] ^ 1, draw(st.integers(1, 4)))


def bits_of(data):
    """The bits of a payload behind its header, as text: the slow reader."""
    start = 2 if data[0] & 0x20 else 1
    return "".join(f"{byte:08b}" for byte in data[start:])


def same(one, other):
    np.testing.assert_array_equal(one, other)


@settings(deadline=None)
@given(packets())
def test_what_is_packed_is_unpacked(packet):
    codes, copy = packet
    found = unpack(pack(codes, copy))
    same(found.codes, codes)
    assert found.noise is None
    assert (found.copy is None) == (copy is None)
    if copy is not None:
        same(found.copy.codes, copy.codes)
        assert found.copy.packets_back == copy.packets_back


@settings(deadline=None)
@given(packets())
def test_the_bytes_are_those_of_the_drawing(packet):
    """An independent reader: text of bits, ten at a time, in the order that is documented."""
    codes, copy = packet
    data = pack(codes, copy)
    assert data[0] == 0x40 | (copy is not None) << 5 | codes.shape[1] - 1
    text = bits_of(data)
    read = [int(text[at : at + 10], 2) for at in range(0, len(text) - 9, 10)]
    first = 0 if copy is None else len(copy.codes)
    expected = [*codes[:first].flat, *([] if copy is None else copy.codes.flat)]
    assert read == [*expected, *codes[first:].flat]
    assert set(text[10 * len(read) :]) <= {"0"}
    if copy is not None:
        assert data[1] == copy.packets_back - 1 << 6 | first


@settings(deadline=None)
@given(packets(), st.data())
def test_a_cut_behind_any_byte_loses_the_least_significant_books(packet, data):
    codes, copy = packet
    whole = pack(codes, copy)
    left = unpack(whole[: data.draw(st.integers(1, len(whole)))])
    frames = codes.shape[1]
    assert left.codes.shape[1] == frames
    kept = left.codes != NOT_SENT
    same(left.codes[kept], codes[: len(left.codes)][kept])
    assert np.all(np.diff(kept.reshape(-1).astype(int)) <= 0), "a hole before the cut"
    per_frame = kept.sum(0)
    assert per_frame.max() - per_frame.min() <= 1
    if left.copy is not None:
        there = left.copy.codes != NOT_SENT
        same(left.copy.codes[there], copy.codes[: len(there)][there])
        assert kept.sum() >= there.sum(), "the packet's own books come first"
    if left.copy is None:  # the remains are codes of a packet again
        same(unpack(pack(left.codes)).codes, left.codes)


@settings(deadline=None)
@given(codes_of(), st.integers(0, 60))
def test_every_cut_code_costs_ten_bits(codes, cut):
    data = pack(codes)
    assert len(data) == 1 + -(-10 * codes.size // 8)
    cut = min(cut, len(data) - 1)
    left = unpack(data[: len(data) - cut])
    assert np.count_nonzero(left.codes != NOT_SENT) == 8 * (len(data) - 1 - cut) // 10


def test_a_voice_of_six_kilobits_takes_sixteen_bytes():
    assert len(pack(np.zeros((12, 1), np.int64))) == 16
    assert len(pack(np.zeros((3, 1), np.int64))) == 5


@settings(deadline=None)
@given(st.binary(max_size=1500))
def test_garbage_raises_one_declared_error_or_is_bounded(data):
    try:
        found = unpack(data)
    except PacketError:
        return
    assert found.codes.shape[0] <= 48
    assert 1 <= found.codes.shape[1] <= 16
    assert np.all((found.codes >= -1) & (found.codes < 1024))


@settings(deadline=None)
@given(packets(), st.integers(0, 10**6))
def test_a_flipped_bit_changes_one_code_or_the_header(packet, place):
    codes, copy = packet
    data = bytearray(pack(codes, copy))
    place %= 8 * len(data)
    data[place // 8] ^= 0x80 >> place % 8
    start = 8 * (1 if copy is None else 2)
    if place < start:
        with suppress(PacketError):
            unpack(bytes(data))
        return
    found = unpack(bytes(data))
    wrong = np.count_nonzero(found.codes != codes)
    if copy is not None:
        wrong += np.count_nonzero(found.copy.codes != copy.codes)
    assert wrong == (place - start < 10 * (codes.size + (0 if copy is None else copy.codes.size)))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "it is empty"),
        (b"\x00abc", "version 0; this rtaudio reads version 1"),
        (b"\x80abc", "version 2"),
        (b"\x51\x46", "neither a copy nor frames"),
        (b"\x70\x46", "neither a copy nor frames"),
        (b"\x50", "0 bytes; a description has 1 .. 17"),
        (b"\x50" + 18 * b"\x46", "18 bytes"),
        (b"\x60\x00" + 9 * b"x", "a copy of 0 books"),
        (b"\x60\x31" + 9 * b"x", "a copy of 49 books"),
        (b"\x40" + 63 * b"x", "50 codes; 48 are possible"),
    ],
)
def test_faults_are_told_in_one_line(data, words):
    with pytest.raises(PacketError, match=words):
        unpack(data)


@pytest.mark.parametrize(
    ("codes", "copy", "words"),
    [
        (np.zeros((3, 0), int), None, "frames of a packet = 0 is out of range 1 .. 16"),
        (np.zeros((3, 17), int), None, "frames of a packet = 17"),
        (np.zeros((49, 1), int), None, "books of a packet = 49"),
        (np.array([[1, -1], [1, 1]]), None, "-1 before a code"),
        (np.array([[1024]]), None, "a code = 1024 is out of range 0 .. 1023"),
        (np.array([[-2]]), None, "a code = -2"),
        (np.zeros((3, 2), int), Copy(np.zeros((2, 1), int)), "needs whole books of 2 frames"),
        (np.zeros((3, 1), int), Copy(np.zeros((4, 1), int)), "no more than the packet"),
        (np.zeros((3, 1), int), Copy(np.zeros((3, 1), int), 5), "packets_back = 5"),
    ],
)
def test_what_cannot_be_packed_is_refused(codes, copy, words):
    with pytest.raises(ParameterError, match=words):
        pack(codes, copy)


@settings(deadline=None)
@given(st.integers(-127, 0), st.lists(st.integers(-127, 127), max_size=16))
def test_a_comfort_noise_is_that_of_rfc_3389(level, steps):
    data = pack_noise(NoiseShape(level, tuple(steps)))
    assert data[1] == -level
    assert [byte - 127 for byte in data[2:]] == steps
    found = unpack(data)
    assert found.noise == (level, tuple(steps))
    assert found.codes.shape == (0, 1)


@settings(deadline=None)
@given(codes_of(2))
def test_channels_are_told_apart_again(rows):
    codes = deinterleave(rows, 2)
    same(codes[0], rows[::2])
    same(interleave(codes), rows)


@settings(deadline=None)
@given(arrays(np.int64, st.integers(0, 200), elements=st.integers(0, 1023)))
def test_bits_are_those_of_text(codes):
    text = "".join(f"{code:010b}" for code in codes)
    text += "0" * (-len(text) % 8)
    assert to_bits(codes) == bytes(int(text[at : at + 8], 2) for at in range(0, len(text), 8))


def test_a_decoder_gets_all_its_books():
    codes = np.arange(6).reshape(3, 2)
    same(with_books(codes, 2), codes[:2])
    same(with_books(codes, 5), np.concatenate([codes, np.full((2, 2), -1)]))
    same(with_books(codes[:0], 2), np.full((2, 2), -1))
