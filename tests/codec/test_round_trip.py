"""A codec in place: the joined graph does what encoder, lossy line and decoder do one by one."""

from __future__ import annotations

import numpy as np
import pytest

from rtaudio.codec.find import find_codec
from rtaudio.codec.model import FrameDecoder, FrameEncoder
from rtaudio.codec.round_trip import round_trip
from rtaudio.effects.chain import Chain
from rtaudio.effects.codec import Codec
from rtaudio.errors import ParameterError
from rtaudio.models.contract.check import check_model
from rtaudio.preset.load import load_preset
from rtaudio.preset.save import save_preset
from rtaudio.shipped import shipped_codecs

HOP, BOOKS, RATE = 4, 5, 16000


def sound(frames, seed=0):
    return np.random.default_rng(seed).uniform(-0.9, 0.9, frames * HOP).astype(np.float32)


def by_hand(codec, audio, books, lost=None):
    codes = FrameEncoder(codec).encode(audio, books)
    if lost is not None:
        codes[:, lost] = -1
    return FrameDecoder(codec).decode(codes)


def random_losses(frames, percent):
    """The chain of Gilbert with the generator of ISO C, step by step."""
    number, lost, out = 0, False, []
    share = percent / 100
    for _ in range(frames):
        number = (number * 1103515245 + 12345) % (1 << 31)
        chance = 0.5 * (share > 0) if lost else share / ((1 - share) * 2)
        lost = number / (1 << 31) < chance
        out.append(lost)
    return np.array(out)


@pytest.mark.parametrize("books", range(1, BOOKS + 1))
@pytest.mark.parametrize("block", [1, 3, HOP, 64])
def test_each_bitrate_is_that_of_its_books(digits_codec, books, block):
    audio = sound(50)
    effect = Codec(digits_codec.encoder.path, bitrate_kbps=digits_codec.kbps(books))
    out = effect(audio, RATE, block=block)
    np.testing.assert_allclose(out, by_hand(digits_codec, audio, books), atol=1e-6)


@pytest.mark.parametrize("percent", [0.0, 1.0, 10.0, 50.0])
def test_losses_come_as_often_as_asked_and_in_bursts(digits_codec, percent):
    frames = 20000
    audio = sound(frames)
    lost = random_losses(frames, percent)
    effect = Codec(digits_codec.encoder.path, bitrate_kbps=48.0, loss_percent=percent)
    out = effect(audio, RATE, block=256)
    np.testing.assert_allclose(out, by_hand(digits_codec, audio, 3, lost), atol=1e-6)
    assert lost.mean() == pytest.approx(percent / 100, abs=0.012)
    if percent:
        bursts = np.count_nonzero(np.diff(lost.astype(int), prepend=0) == 1)
        assert lost.sum() / bursts == pytest.approx(2.0, abs=4 * (2 / bursts) ** 0.5)


def test_the_joined_model_keeps_the_contract(digits_codec):
    file = round_trip(digits_codec)
    again = check_model(file.proto, file.path)
    assert [p.name for p in again.card.parameters] == ["bitrate_kbps", "loss_percent"]
    assert again.card.latency_samples == digits_codec.latency_samples


@pytest.mark.parametrize("channels", [2, 3])
def test_stereo_is_coded_as_mid_and_side_and_more_channels_apart(digits_codec, channels):
    x = np.stack([sound(30, seed=seed) for seed in range(channels)])
    out = Codec(digits_codec.encoder.path, bitrate_kbps=80.0)(x, RATE)
    if channels == 2:
        mid, side = (
            by_hand(digits_codec, y, BOOKS) for y in (0.5 * (x[0] + x[1]), 0.5 * (x[0] - x[1]))
        )
        wanted = [mid + side, mid - side]
    else:
        wanted = [by_hand(digits_codec, y, BOOKS) for y in x]
    np.testing.assert_allclose(out, wanted, atol=2e-6)


def test_a_bitrate_that_the_codec_lacks_is_refused(digits_codec):
    path = digits_codec.encoder.path
    with pytest.raises(ParameterError, match=r"codec\.bitrate_kbps = 8 is out of range 16 \.\. 80"):
        Codec(path, bitrate_kbps=8.0)
    effect = Codec(path, bitrate_kbps=16.0)
    assert effect.live_range("bitrate_kbps") == (16.0, 80.0, "kbit/s")


@pytest.mark.parametrize("name", shipped_codecs())
def test_a_shipped_codec_is_named_and_its_preset_plays_the_same(name, tmp_path):
    effect = Codec(name, name="line")
    assert effect.codec.id == find_codec(name).id
    assert load_preset(name).effects[0].codec.id == effect.codec.id
    save_preset(Chain([effect]), tmp_path / "again.yaml")
    assert load_preset(tmp_path / "again.yaml").effects[0].codec.id == effect.codec.id
