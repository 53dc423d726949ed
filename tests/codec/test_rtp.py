"""RTP: headers against a reader written from the RFC, counters against brute force."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtaudio.codec.rtp import Counter, Extension, InterarrivalJitter, RtpPacket
from rtaudio.errors import PacketError, ParameterError

WORD = st.integers(0, (1 << 32) - 1)


@st.composite
def packets(draw):
    words = draw(st.integers(-1, 5))
    extension = None
    if words >= 0:
        data = draw(st.binary(min_size=4 * words, max_size=4 * words))
        extension = Extension(draw(st.integers(0, 0xFFFF)), data)
    return RtpPacket(
        draw(st.integers(0, 0xFFFF)),
        draw(WORD),
        draw(WORD),
        draw(st.binary(max_size=200)),
        draw(st.integers(0, 127)),
        draw(st.booleans()),
        extension,
    )


@settings(deadline=None)
@given(packets())
def test_what_is_built_is_parsed(packet):
    assert RtpPacket.from_bytes(packet.to_bytes()) == packet


@settings(deadline=None)
@given(packets())
def test_the_header_is_that_of_figure_1(packet):
    data = packet.to_bytes()
    bits = "".join(f"{byte:08b}" for byte in data[:12])
    assert bits[:2] == "10"
    assert bits[2] == "0"
    assert bits[3] == str(int(packet.extension is not None))
    assert bits[4:8] == "0000"
    assert bits[8] == str(int(packet.marker))
    assert int(bits[9:16], 2) == packet.payload_type
    assert int(bits[16:32], 2) == packet.sequence
    assert int(bits[32:64], 2) == packet.timestamp
    assert int(bits[64:96], 2) == packet.ssrc


@settings(deadline=None)
@given(packets(), st.lists(WORD, max_size=15), st.integers(0, 255))
def test_contributing_sources_and_padding_are_skipped(packet, sources, padding):
    """A mixer and a cipher may add them; the contents stay."""
    data = bytearray(packet.to_bytes())
    data[0] |= len(sources)
    data[12:12] = b"".join(source.to_bytes(4, "big") for source in sources)
    if padding:
        data[0] |= 0x20
        data += bytes(padding - 1) + bytes([padding])
    assert RtpPacket.from_bytes(bytes(data)) == packet


@settings(deadline=None)
@given(st.binary(max_size=1600))
def test_garbage_raises_one_declared_error(data):
    with suppress(PacketError):
        assert len(RtpPacket.from_bytes(data).payload) <= len(data) - 12


@settings(deadline=None)
@given(packets(), st.data())
def test_a_header_that_claims_too_much_is_refused(packet, data):
    whole = packet.to_bytes()
    header = len(whole) - len(packet.payload)
    with pytest.raises(PacketError):
        RtpPacket.from_bytes(whole[: data.draw(st.integers(0, header - 1))])


def test_padding_must_fit():
    data = bytearray(RtpPacket(0, 0, 0, b"abcd").to_bytes())
    data[0] |= 0x20
    for wrong in (0, 5, 255):
        data[-1] = wrong
        with pytest.raises(PacketError, match="padding"):
            RtpPacket.from_bytes(bytes(data))


def test_what_is_no_header_is_not_built():
    with pytest.raises(ParameterError, match="payload_type = 128 is out of"):
        RtpPacket(0, 0, 0, b"", payload_type=128).to_bytes()
    with pytest.raises(ParameterError, match="3 bytes; pad to 4"):
        RtpPacket(0, 0, 0, b"", extension=Extension(1, b"abc")).to_bytes()


@settings(deadline=None)
@given(
    st.sampled_from([16, 32]),
    st.integers(0, 1 << 40),
    st.lists(st.integers(-1000, 3000), max_size=100),
)
def test_a_counter_never_wraps(bits, start, steps):
    """Values may be late by up to 1,000 or skip 3,000; the true ones come back, less a constant."""
    true = start + np.cumsum([0, *steps]) if steps else np.array([start])
    true = np.maximum(true, np.maximum.accumulate(true) - 1000)
    counter = Counter(bits)
    found = np.array([counter.extend(int(value) % (1 << bits)) for value in true])
    assert np.all(found - true == found[0] - true[0])


def test_a_late_value_does_not_move_the_counter_back():
    counter = Counter(16)
    assert [counter.extend(value) for value in (40_000, 8_000, 60_000)] == [40_000, 8_000, 60_000]


def test_the_jitter_is_that_of_the_formula():
    rng = np.random.default_rng(4)
    transits = rng.exponential(0.02, 500)
    jitter, expected = InterarrivalJitter(), 0.0
    for place, transit in enumerate(transits):
        jitter.update(transit)
        if place:
            expected += (abs(transit - transits[place - 1]) - expected) / 16
    assert jitter.value_s == pytest.approx(expected)
    assert jitter.value_s == pytest.approx(0.02, rel=0.5)  # mean |difference| of exponentials
