"""Pauses: found in noise of any level, never in speech, music or its soft ends."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from rtaudio.codec.dtx import HANGOVER_FRAMES, PauseDetector

FRAME = 960


def steps(sound, detector=None):
    detector = detector or PauseDetector()
    frames = sound[: sound.size // FRAME * FRAME].reshape(-1, FRAME)
    return [detector.step(frame) for frame in frames]


def noise(level_db, frames, seed=0):
    rng = np.random.default_rng(seed)
    return 10 ** (level_db / 20) * rng.standard_normal(FRAME * frames)


@pytest.mark.parametrize("level_db", [-100, -70, -60, -50])
def test_a_pause_begins_after_the_hangover_and_ends_at_once(level_db):
    speech = noise(-25, 50, 1)
    sound = np.concatenate([noise(level_db, 100), speech, noise(level_db, 100, 2), speech])
    found = np.array([step is not None for step in steps(sound)])
    expected = np.zeros(300, bool)
    expected[HANGOVER_FRAMES:100] = expected[150 + HANGOVER_FRAMES : 250] = True
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("level_db", [-40, -20, -3])
def test_a_held_note_is_no_pause(level_db):
    tone = 10 ** (level_db / 20) * np.sin(0.03 * np.arange(500 * FRAME))
    assert steps(tone) == [None] * 500


def test_the_background_is_measured():
    found = [step for step in steps(noise(-58, 100)) if step is not None]
    assert {step.level_dbov for step in found} <= {-57, -58, -59}
    assert len(set(found)) <= 1 + len(found) // 8


def test_digital_silence_costs_nothing_but_a_level():
    found = steps(np.zeros(50 * FRAME))[-1]
    assert found.level_dbov == -127
    assert found.reflections == ()


@pytest.mark.data
def test_speech_is_sent_and_its_pauses_are_not(data_folder):
    """Of real recordings nearly all energy is sent."""
    paths = sorted((data_folder / "speech" / "test").rglob("*.*"))[:8]
    kept = []
    for path in paths:
        sound, rate_hz = soundfile.read(path, always_2d=True)
        mono = sound[:, 0]
        frame = rate_hz // 50
        frames = mono[: mono.size // frame * frame].reshape(-1, frame)
        detector = PauseDetector()
        sent = np.array([detector.step(each) is None for each in frames])
        power = np.square(frames).sum(1)
        kept.append(power[sent].sum() / power.sum())
    assert min(kept) > 0.999
