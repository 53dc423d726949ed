"""Three versions of a call: in line with each other, with the same losses, switched unheard."""

from __future__ import annotations

import numpy as np
import pytest

from rtaudio.codec.find import find_codec
from rtaudio.codec.frame_player import FramePlayer
from rtaudio.codec.jitter import Frame
from rtaudio.codec.model import FrameEncoder
from rtaudio.errors import ParameterError
from rtaudio.live.comparison import Comparison, Version

pytest.importorskip("av")

HOP, RATE = 960, 48000


@pytest.fixture(scope="module")
def codec():
    return find_codec("codec-voice")


def voice(seconds, seed=0):
    """Syllables: a buzz through two resonances, and pauses between them."""
    rng = np.random.default_rng(seed)
    count = round(seconds * RATE)
    pitch = 120 + 30 * np.sin(2 * np.pi * 0.7 * np.arange(count) / RATE)
    buzz = (np.cumsum(pitch / RATE) % 1.0 < 0.04) + 0.02 * rng.standard_normal(count)
    hz = np.fft.rfftfreq(count, 1 / RATE)
    shape = sum(1 / (1 + ((hz - centre) / 120) ** 2) for centre in (600, 1400, 2600))
    sound = np.fft.irfft(np.fft.rfft(buzz) * shape, count)
    syllables = np.clip(2 * np.sin(2 * np.pi * 3 * np.arange(count) / RATE), 0, 1)
    sound *= syllables / np.abs(sound).max()
    return (0.5 * sound).astype(np.float32)


def played(codec, sound, *, heard, lost=(), numbers=None, books=24):
    """Send frames through a comparison, and play those numbers; ``heard`` is called with each."""
    comparison = Comparison(codec)
    frames = sound[: sound.size // HOP * HOP].reshape(-1, HOP)
    encoder, player = FrameEncoder(codec), FramePlayer(codec)
    codes = [encoder.encode(frame, books)[:, 0] for frame in frames]
    for number, frame in enumerate(frames):
        comparison.keep(number, frame, books)
    out = []
    for place, number in enumerate(range(len(frames)) if numbers is None else numbers):
        comparison.heard = heard(place)
        frame = None if number in lost else Frame(number, codes[number])
        out.append(comparison.play(number, frame, player.play(frame)))
    return np.concatenate(out)


def lag(one, other):
    """Return how much later a sound is than another one, in samples."""
    size = 1 << (one.size + other.size).bit_length()
    product = np.fft.rfft(one, size) * np.conj(np.fft.rfft(other, size))
    found = int(np.argmax(np.fft.irfft(product)))
    return found if found < size // 2 else found - size


def test_all_versions_are_in_line(codec):
    sound = voice(4.0)
    versions = {v: played(codec, sound, heard=lambda _, v=v: v) for v in Version}
    late = codec.latency_samples
    original = versions[Version.ORIGINAL]
    np.testing.assert_array_equal(original[HOP:], sound[HOP - late : original.size - late])
    for version in (Version.CODEC, Version.OPUS):
        assert abs(lag(versions[version], original)) <= 6, version  # SILK adds 4 samples


def test_opus_loses_the_same_frames(codec):
    sound, lost = voice(2.0), range(40, 46)
    whole, broken = (
        played(codec, sound, heard=lambda _: Version.OPUS, lost=gone) for gone in ((), lost)
    )
    changed = np.flatnonzero(np.abs(whole - broken) > 1e-4) / HOP
    assert 40.0 <= changed[0] < 41.5
    assert np.abs(broken[44 * HOP : 46 * HOP]).max() < 0.2 * np.abs(whole).max()
    settled = np.abs(whole - broken)[60 * HOP :]
    assert settled.max() < 0.5 * np.abs(whole).max()


def test_a_switch_is_a_fade(codec):
    """In a steady tone no step is much larger than the steepest one of the tone itself."""
    tone = (0.3 * np.sin(2 * np.pi * 200 * np.arange(2 * RATE) / RATE)).astype(np.float32)
    order = list(Version)
    switched = played(codec, tone, heard=lambda place: order[place // 8 % 3])[20 * HOP :]
    alone = [played(codec, tone, heard=lambda _, v=v: v)[20 * HOP :] for v in order]
    steepest = max(np.abs(np.diff(sound)).max() for sound in alone)
    assert np.abs(np.diff(switched)).max() < 1.3 * steepest


def test_where_the_buffer_waits_or_leaps_the_original_fades(codec):
    tone = (0.3 * np.sin(2 * np.pi * 210 * np.arange(2 * RATE) / RATE)).astype(np.float32)
    numbers = [*range(30), 29, 29, *range(30, 50), *range(53, 90)]
    heard = played(codec, tone, heard=lambda _: Version.ORIGINAL, numbers=numbers)
    steps = np.abs(np.diff(heard[2 * HOP :]))
    assert steps.max() < 2.0 * np.abs(np.diff(tone)).max()
    late = codec.latency_samples
    assert heard.size == len(numbers) * HOP
    np.testing.assert_array_equal(heard[-HOP:], tone[89 * HOP - late : 90 * HOP - late])


def test_opus_follows_the_bitrate_without_a_click(codec):
    tone = (0.3 * np.sin(2 * np.pi * 200 * np.arange(2 * RATE) / RATE)).astype(np.float32)
    comparison = Comparison(codec)
    comparison.heard = Version.OPUS
    out, rates = [], []
    for number, frame in enumerate(tone.reshape(-1, HOP)):
        books = 12 if number < 50 else 24
        comparison.keep(number, frame, books)
        codes = np.zeros(books, np.int64)
        out.append(comparison.play(number, Frame(number, codes), frame))
        rates.append(comparison.opus_kbps)
    assert rates[40] == 6.0
    assert rates[-1] == 12.0
    steps = np.abs(np.diff(np.concatenate(out)))
    assert steps[45 * HOP : 60 * HOP].max() < 2.0 * np.abs(np.diff(tone)).max()


def test_a_cut_packet_is_lost_for_opus(codec):
    sound = voice(1.0)
    outs = []
    for books in (12, 8):
        comparison = Comparison(codec)
        comparison.heard = Version.OPUS
        out = []
        for number, frame in enumerate(sound.reshape(-1, HOP)):
            comparison.keep(number, frame, 12)
            arrived = np.zeros(books if number == 20 else 12, np.int64)
            out.append(comparison.play(number, Frame(number, arrived), frame))
        outs.append(np.concatenate(out))
    np.testing.assert_array_equal(outs[0][: 20 * HOP], outs[1][: 20 * HOP])
    assert np.abs(outs[0] - outs[1])[20 * HOP : 22 * HOP].max() > 1e-3


def test_opus_at_another_rate_is_refused(calls_codec):
    with pytest.raises(ParameterError, match="Opus plays frames of 20 ms at 48000 Hz"):
        Comparison(calls_codec)
    assert Comparison(calls_codec, opus=False).versions == (Version.ORIGINAL, Version.CODEC)
