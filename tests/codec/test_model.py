"""Two files that are a codec: read, refused, and played frame by frame."""

from __future__ import annotations

import numpy as np
import pytest

from rtaudio.codec.model import FrameDecoder, FrameEncoder, read_codec
from rtaudio.errors import ContractError, ParameterError

HOP, BOOKS, ENTRIES = 4, 5, 16


def sound(frames, seed=0):
    return np.random.default_rng(seed).uniform(-0.9, 0.9, frames * HOP).astype(np.float32)


def coded(toy, audio):
    """Codes by arithmetic: int64 [books, frames]."""
    means = audio.reshape(-1, HOP).mean(1)
    past = np.concatenate([[np.float32(0)], means[:-1]])
    return np.array([toy.digits(mean / 2 + 0.5) for mean in (means + past) / 2]).T


def test_facts_of_the_codec(digits_codec):
    assert (digits_codec.name, digits_codec.books, digits_codec.least_books) == ("digits", BOOKS, 1)
    assert digits_codec.bits == 4
    assert digits_codec.kbps(3) == 3 * 4 * 16000 / HOP / 1000
    assert [digits_codec.books_for(kbps) for kbps in (16.0, 23.9, 24.1, 80.0)] == [1, 1, 2, 5]
    with pytest.raises(ParameterError, match=r"bitrate = 81 is out of range 16 \.\. 80 kbit/s"):
        digits_codec.books_for(81.0)


def test_every_name_of_the_pair_finds_it(digits_codec):
    for file in (digits_codec.encoder.path, digits_codec.decoder.path):
        assert read_codec(file).id == digits_codec.id


@pytest.mark.parametrize("pieces", [[20], [1] * 20, [3, 0, 16, 1]])
def test_frames_in_any_pieces_give_the_codes_of_the_whole(toy, digits_codec, pieces):
    audio = sound(20)
    encoder, decoder = FrameEncoder(digits_codec), FrameDecoder(digits_codec)
    codes, played, at = [], [], 0
    for frames in pieces:
        codes.append(encoder.encode(audio[at * HOP : (at + frames) * HOP], BOOKS))
        played.append(decoder.decode(codes[-1]))
        at += frames
    whole = np.concatenate(codes, axis=1)
    wanted = coded(toy, audio)
    np.testing.assert_array_equal(whole[:3], wanted[:3])  # float32 rounds the last digits
    values = sum(2.0 * whole[k] * ENTRIES ** -(k + 1.0) for k in range(BOOKS)) - 1
    held = values + 0.1 * np.concatenate([[0.0], values[:-1]])
    np.testing.assert_allclose(np.concatenate(played), np.repeat(held, HOP), atol=1e-6)


def test_fewer_books_are_a_prefix_and_the_rest_is_not_sent(digits_codec):
    audio = sound(8)
    full = FrameEncoder(digits_codec).encode(audio, BOOKS)
    for books in range(1, BOOKS + 1):
        codes = FrameEncoder(digits_codec).encode(audio, books)
        np.testing.assert_array_equal(codes[:books], full[:books])
        assert (codes[books:] == -1).all()


def test_two_streams_share_nothing_and_clear_starts_anew(digits_codec):
    one, other = FrameEncoder(digits_codec), FrameEncoder(digits_codec)
    first = one.encode(sound(3), BOOKS)
    np.testing.assert_array_equal(other.encode(sound(3), BOOKS), first)
    one.encode(sound(5, seed=1), BOOKS)
    one.clear()
    np.testing.assert_array_equal(one.encode(sound(3), BOOKS), first)


def test_what_is_no_pair_is_refused_in_one_line(toy, tmp_path):
    encoder, decoder = tmp_path / "x.encoder.onnx", tmp_path / "x.decoder.onnx"
    toy.write_side(encoder, toy.encoder_graph(), kind="encoder")
    with pytest.raises(FileNotFoundError, match="a codec is two files"):
        read_codec(tmp_path / "x")
    other = {"type": "digits", "codec": "ffffffff", "entries": ENTRIES}
    toy.write_side(decoder, toy.decoder_graph(), kind="decoder", architecture=other)
    with pytest.raises(ContractError, match=r"does not belong to x\.encoder\.onnx"):
        read_codec(tmp_path / "x")
    toy.write_side(decoder, toy.decoder_graph(), kind="decoder", architecture={"type": "lstm"})
    with pytest.raises(ContractError, match=r"architecture\.codec is missing.*no codec of rtaudio"):
        read_codec(tmp_path / "x")
    encoder.replace(decoder)
    toy.write_side(encoder, toy.encoder_graph(), kind="encoder")
    with pytest.raises(ContractError, match="must be the decoder of a codec"):
        read_codec(tmp_path / "x")


def test_the_numbers_of_the_calling_thread_stay_as_they_are(digits_codec):
    """Denormal numbers are zero while a net runs, and only then."""
    codes = FrameEncoder(digits_codec).encode(np.zeros(4 * HOP, np.float32), 3)
    FrameDecoder(digits_codec).decode(codes)
    assert np.float64(1e-200) * np.float64(1e-120) == 1e-320
