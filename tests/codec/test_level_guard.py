"""No burst after a loss or a pause, by the guard alone and with the shipped codec."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.call import speech_like
from rtaudio.codec.dtx import PauseDetector
from rtaudio.codec.find import find_codec
from rtaudio.codec.frame_player import FramePlayer
from rtaudio.codec.jitter import Frame
from rtaudio.codec.level_guard import LevelGuard
from rtaudio.codec.model import FrameDecoder, FrameEncoder
from rtaudio.codec.noise_shape import NoiseShape
from rtaudio.effects.codec import Codec
from rtaudio.runtime.kernels.codec.guard import AGREEMENT_FRAMES, START_PEAK, hold

HOP = 960


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.0, 0.9), st.booleans()), min_size=1, max_size=60),
    st.floats(1.0, 1e4),
)
def test_an_untrusted_frame_is_no_louder_than_the_programme(frames, burst):
    guard = LevelGuard()
    programme = START_PEAK
    for peak, trusted in frames:
        sound = np.full(HOP, peak, np.float32)
        heard = guard.step(sound, trusted=trusted)
        assert np.abs(heard).max() <= peak * (1 + 1e-6)
        programme = max(programme, float(peak))
    for _ in range(3):
        heard = guard.step(np.full(HOP, burst, np.float32), trusted=False)
        assert np.abs(heard).max() <= 1.01 * programme


def test_a_trusted_programme_is_never_touched():
    guard, rng = LevelGuard(), np.random.default_rng(0)
    frames = rng.uniform(-1, 1, (100, HOP)) * rng.uniform(0, 1, (100, 1))
    for frame in frames.astype(np.float32):
        np.testing.assert_array_equal(guard.step(frame, trusted=True), frame)


def test_after_a_loss_it_is_trusted_again():
    guard = LevelGuard()
    guard.step(np.full(HOP, 0.1, np.float32), trusted=False)
    loud = np.full(HOP, 0.9, np.float32)
    heard = [guard.step(loud, trusted=True) for _ in range(AGREEMENT_FRAMES + 2)]
    for number, frame in enumerate(heard[: AGREEMENT_FRAMES - 1]):
        certain = 0.9 * 10.0 ** (-60.0 * 0.9 ** (number + 1) / 20.0)
        assert frame.max() < 1.2 * max(START_PEAK, certain)
    assert heard[14].max() < 0.4
    np.testing.assert_array_equal(heard[-1], loud)


@pytest.mark.parametrize("loss", [0.05, 0.2, 0.5])
def test_losses_that_never_end_make_a_programme_no_louder(loss):
    """An hour of them; what a loss did to the levels, up to 60 dB, dies out by 0.9 per frame."""
    guard, rng = LevelGuard(), np.random.default_rng(0)
    memory, error_db, highest = guard._memory, 0.0, 0.0
    for number in range(180_000):
        lost = number > 50 and rng.random() < loss
        error_db = rng.uniform(-60.0, 60.0) if lost else 0.9 * error_db
        loud = 0.4 if number // 10 % 3 == 0 else 0.01 * rng.random()
        peak = 0.0 if lost else loud * 10.0 ** (error_db / 20.0)
        heard = np.full(2, peak, np.float32)
        hold(memory, heard, 2, not lost, 1.0)
        highest = max(highest, float(heard[1]))
    assert 0.2 < highest < 0.4 * 10.0 ** (1.0 / 20.0)


def test_losses_that_never_end_do_not_hold_a_voice_back_for_ever():
    """One that was silent at first, and then speaks while every fifth frame is lost."""
    guard, rng = LevelGuard(), np.random.default_rng(0)
    heard = np.zeros((30 * 50, HOP), np.float32)
    for _ in range(500):
        guard.step(np.zeros(HOP, np.float32), trusted=True)
    for frame in heard:
        frame[:] = guard.step(np.full(HOP, 0.4, np.float32), trusted=bool(rng.random() > 0.2))
    assert heard[-50:].max() > 0.2


@pytest.fixture(scope="module")
def codec():
    return find_codec("codec-voice")


@pytest.mark.parametrize("pauses", [True, False])
@pytest.mark.parametrize("loss", [0.0, 0.05, 0.2])
def test_a_voice_that_begins_after_silence_is_no_burst(codec, loss, pauses):
    """Digital silence, as of a muted microphone, and a voice again: 33 dB too loud, unguarded."""
    voice = speech_like(12.0)
    encoder, player = FrameEncoder(codec), FramePlayer(codec)
    detector, rng = PauseDetector(), np.random.default_rng(0)
    peaks, losing = [], False
    for number, sound in enumerate(voice.reshape(-1, HOP)):
        noise = detector.step(sound) if pauses else None
        losing = bool(rng.random() < (0.5 if losing else 0.5 * loss / (1 - loss)))
        if noise is not None:
            encoder.clear()
            frame = Frame(number, np.zeros(0, np.int64), noise)
        else:
            codes = encoder.encode(sound, 12)[:, 0]
            frame = None if losing and loss else Frame(number, codes)
        peaks.append(float(np.abs(player.play(frame)).max()))
    assert 0.5 * np.abs(voice).max() < max(peaks) < 1.3 * np.abs(voice).max()


def test_after_a_pause_the_decoder_begins_anew(codec):
    encoder, player, fresh = FrameEncoder(codec), FramePlayer(codec), FrameDecoder(codec)
    voice = speech_like(2.0).reshape(-1, HOP)
    for number, frame in enumerate(voice[:20]):
        player.play(Frame(number, encoder.encode(frame, 12)[:, 0]))
    for number in range(20, 26):
        player.play(Frame(number, np.zeros(0, np.int64), NoiseShape()))
    encoder.clear()
    after = [encoder.encode(0.3 * frame, 12) for frame in voice[:20]]
    heard = [player.play(Frame(26 + n, codes[:, 0])) for n, codes in enumerate(after)]
    wanted = [fresh.decode(codes) for codes in after]
    np.testing.assert_array_equal(heard[3:], wanted[3:])


@pytest.mark.parametrize("between", ["nothing", "pause", "losses"])
def test_a_voice_that_begins_anew_is_not_held_back(codec, between):
    """Also a much louder one: encoder and decoder agree from its first frame on."""
    encoder, player, fresh = FrameEncoder(codec), FramePlayer(codec), FrameDecoder(codec)
    voice = speech_like(2.0).reshape(-1, HOP)
    if between != "nothing":
        for number, frame in enumerate(0.05 * voice[:20]):
            player.play(Frame(number, encoder.encode(frame, 12)[:, 0], begins=number == 0))
    for number in range(20, 26):
        pause = Frame(number, np.zeros(0, np.int64), NoiseShape())
        player.play(pause if between == "pause" else None)
    encoder.clear()
    codes = [encoder.encode(frame, 12) for frame in voice]
    heard = [player.play(Frame(26 + n, c[:, 0], begins=n == 0)) for n, c in enumerate(codes)]
    wanted = [fresh.decode(c) for c in codes]
    assert max(np.abs(frame).max() for frame in wanted) > START_PEAK
    np.testing.assert_array_equal(heard[3:], wanted[3:])


def test_frames_that_the_buffer_leaves_out_are_no_burst_either(codec):
    """The step into the silence is left out, so the voice after it is added to the wrong level."""
    voice = speech_like(12.0).reshape(-1, HOP)
    encoder, player = FrameEncoder(codec), FramePlayer(codec)
    level = np.abs(voice).max(1)
    peaks, left_out = [], 0
    for number, sound in enumerate(voice):
        codes = encoder.encode(sound, 12)[:, 0]
        if number > 100 and level[number] < 0.01 and level[number - 1] >= 0.01:
            left_out += 1
            continue
        peaks.append(float(np.abs(player.play(Frame(number, codes))).max()))
    assert left_out > 5
    assert max(peaks) < 1.3 * np.abs(voice).max()


@pytest.mark.parametrize("percent", [5.0, 20.0, 40.0])
def test_the_effect_makes_no_burst_either(percent):
    voice = speech_like(12.0)
    heard = Codec(loss_percent=percent)(voice, 48000)
    whole = Codec()(voice, 48000)
    assert not np.array_equal(heard, whole)
    assert 0.5 * np.abs(voice).max() < np.abs(heard).max() < 1.3 * np.abs(voice).max()


def test_the_effect_leaves_a_sound_without_losses_alone():
    """Also above full scale, where a call would be limited."""
    voice = 4 * speech_like(2.0)
    assert np.abs(Codec()(voice, 48000)).max() > 1.2
