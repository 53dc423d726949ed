"""The scenes that denoisers are measured on: who is alone, what is a tail, how levels change."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from benchmarks import denoise_scenes as scenes

HZ = scenes.METRICS_HZ


def bursts(*spans_s, seconds=3, rate_hz=HZ):
    """Noise of RMS 0.1 in some spans, and silence between them."""
    noise = 0.1 * np.random.default_rng(0).standard_normal(seconds * rate_hz)
    time_s = np.arange(noise.size) / rate_hz
    return noise * sum((time_s >= start) & (time_s < stop) for start, stop in spans_s)


def test_alone_is_where_only_one_sounds_without_the_frames_beside():
    mask = scenes.alone(bursts((0, 2)), bursts((1, 3)))
    assert np.flatnonzero(mask).tolist() == list(range(49))


def test_level_changes_in_the_chosen_frames_only():
    x = bursts((0, 3))
    y = np.where(np.arange(x.size) < HZ, 0.5 * x, x)
    first = np.arange(150) < 50
    assert scenes.change_db(x, y, first) == pytest.approx(-6.02, abs=0.01)
    assert scenes.change_db(x, y, ~first) == 0.0
    assert scenes.change_db(x, np.zeros_like(x), first) == scenes.LEAST_DB
    assert np.isnan(scenes.change_db(x, y, np.zeros(150, bool)))


def test_a_tail_is_quiet_early_speech_and_audible_reverberation():
    early = bursts((0, 1))
    decay_db = -60.0 * np.clip(np.arange(early.size) / HZ - 1.0, 0, None)  # 60 dB in a second
    found = np.flatnonzero(scenes.tails(early, bursts((0, 3)) * 10 ** (decay_db / 20)))
    assert found.tolist() == list(range(50, 50 + len(found)))
    assert -60.0 * 0.02 * len(found) == pytest.approx(scenes.HEARD_DB, abs=1.5)


def test_spoken_takes_turns_with_pauses_at_one_level():
    parts = scenes.pieces(bursts((0.5, 1.2), (1.4, 2.5), rate_hz=scenes.RATE_HZ))
    found = scenes.spoken(parts, 0.4, 4.0)
    loud = scenes.powers(found, scenes.RATE_HZ) > 0
    starts = np.flatnonzero(np.diff(loud.astype(int)) == 1) * 0.02
    stops = np.flatnonzero(np.diff(loud.astype(int)) == -1) * 0.02
    assert starts[0] == pytest.approx(0.4, abs=0.04)
    assert starts[1] - stops[0] == pytest.approx(scenes.PAUSE_S, abs=0.04)
    level_db = 10 * np.log10(scenes.active_power(found, scenes.RATE_HZ))
    assert level_db == pytest.approx(scenes.LEVEL_DBFS, abs=0.01)


def test_rooms_stay_the_same_and_hold_direct_sound_first():
    response = scenes.room_response(3, 16, 0.3)
    assert response.size == 14400
    assert np.argmax(np.abs(response)) == 0
    np.testing.assert_array_equal(response, scenes.room_response(3, 16, 0.3))


def test_a_voice_in_music_has_its_measures(monkeypatch):
    monkeypatch.setattr(scenes, "pesq_wb", lambda *_: 2.0)
    voice, music = bursts((0, 1)), bursts((0, 3))[::-1]
    found = scenes.score("music", voice, voice + music, voice + 0.1 * music)
    assert found["other_change_db"] == pytest.approx(-20.0)
    assert found["si_sdr_db"] == pytest.approx(15.2, abs=0.5)
    assert scenes.score("music", 0 * voice, music, 0.1 * music) == {
        "other_change_db": pytest.approx(-20.0)
    }


def test_means_leave_out_what_a_clip_does_not_have():
    about = {"scene": "people", "condition": "0", "system": "noisy"}
    rows = [
        about | {"clip": "a", "si_sdr_db": 1.0, "si_sdr_men_db": 1.0, "other_change_db": np.nan},
        about | {"clip": "b", "si_sdr_db": 3.0, "si_sdr_women_db": 3.0, "other_change_db": -4.0},
    ]
    [found] = scenes.means(rows)
    wanted = {"si_sdr_db": 2.0, "si_sdr_men_db": 1.0, "si_sdr_women_db": 3.0}
    assert found == about | wanted | {"other_change_db": -4.0}
