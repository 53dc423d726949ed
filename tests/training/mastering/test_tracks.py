"""Tracks: consolidation to one form, trimming, pairs, damaged files, and the split."""

from __future__ import annotations

import shutil
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from hypothesis import given, settings
from hypothesis import strategies as st

from training.config import ConfigError
from training.mastering.config import MasteringData
from training.mastering.excerpts import Excerpts
from training.mastering.tracks import consolidated, split, trimmed

CONFIGS = Path(__file__).parents[3] / "training" / "configs"


def data(root, cache, **changes):
    return MasteringData(**{"root": str(root), "cache": str(cache), "good": ["*"], **changes})


@pytest.mark.parametrize("rate_hz", [22050, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_any_file_becomes_the_one_form(tmp_path, rate_hz, channels, subtype):
    (tmp_path / "in").mkdir()
    time = np.arange(rate_hz // 2) / rate_hz
    sound = np.tile(0.5 * np.sin(2 * np.pi * 440 * time)[:, None], channels)
    soundfile.write(tmp_path / "in" / "tone.wav", sound, rate_hz, subtype=subtype)
    (track,) = consolidated(data(tmp_path / "in", tmp_path / "cache"))
    info = soundfile.info(track.good)
    assert (info.format, info.subtype) == ("WAV", "PCM_16")
    assert (info.samplerate, info.channels) == (44100, 2)
    assert abs(info.frames - 22050) <= 1
    assert track.card["sources"][0]["rate_hz"] == rate_hz
    wanted = 0.5 * np.sin(2 * np.pi * 440 * np.arange(22050) / 44100)
    inner = slice(500, 21500)
    np.testing.assert_allclose(track.read(500, 21500)[0], wanted[inner], atol=1e-3)


def test_what_is_too_loud_is_turned_down_in_both_files_alike(tmp_path):
    for side, gain in (("good", 2.0), ("bad", 0.5)):
        (tmp_path / side).mkdir()
        tone = gain * np.sin(np.arange(4410) / 10)
        soundfile.write(tmp_path / side / "a.wav", tone, 44100, subtype="FLOAT")
    pairs = {"good": "good", "bad": "bad"}
    (track,) = consolidated(data(tmp_path, tmp_path / "cache", good=[], pairs=pairs))
    good, bad = (track.read(0, track.frames, side) for side in ("good", "bad"))
    assert np.abs(good).max() == pytest.approx(1.0, abs=1e-3)
    np.testing.assert_allclose(good, 4 * bad, atol=2e-4)
    assert track.card["gain_db"] == pytest.approx(-6.02, abs=0.01)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 5000), st.integers(0, 5000), st.integers(0, 3000))
def test_silence_is_cut_at_the_ends_within_a_frame(before, after, pause):
    loud = np.full((2, 2000), 0.1, np.float32)
    inner = np.concatenate([loud, np.zeros((2, pause), np.float32), loud], axis=1)
    sound = np.pad(inner, ((0, 0), (before, after)))
    start, stop = trimmed(sound, 44100)
    assert before - 441 < start <= before
    assert before + inner.shape[1] <= stop < before + inner.shape[1] + 441


def test_pairs_meet_by_name_and_the_lonely_are_reported(music, tmp_path, capsys):
    pairs = {"good": "good", "bad": "bad"}
    found = consolidated(data(music, tmp_path, good=["songs/*"], pairs=pairs, rate_hz=16000))
    assert len(found) == 10
    pair = found[-1]
    assert pair.name == "good/p9"
    assert "lonely.wav: has no partner" in capsys.readouterr().err
    excerpts = Excerpts([pair], data(music, tmp_path, rate_hz=16000))
    bad, good = excerpts.draw(np.random.default_rng(0), 3, 1000).numpy()
    np.testing.assert_allclose(bad, 0.5 * good, atol=1e-4)
    padded = next(track for track in found if track.name == "songs/padded")
    assert abs(padded.frames - 16000) < 320
    before, after = padded.card["trimmed_samples"]
    assert abs(before - 1600) <= 320
    assert abs(after - 3200) <= 320
    all_kinds = Excerpts(found, data(music, tmp_path, rate_hz=16000))
    assert all_kinds.draw(np.random.default_rng(0), 4, 1000).shape == (2, 4, 2, 1000)


def test_the_target_is_the_clean_signal(music, tmp_path):
    settings_ = data(music, tmp_path, good=["songs/s0.flac"], rate_hz=16000)
    (track,) = consolidated(settings_)
    excerpts = Excerpts([track], settings_)
    bad, good = excerpts.pair(track, 500, 1500, np.random.default_rng(0))
    np.testing.assert_array_equal(good, track.read(500, 1500))
    assert not np.array_equal(bad, good)


def test_a_damaged_file_is_left_out_and_the_rest_goes_on(music, tmp_path, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(music / "songs" / "s0.flac", folder)
    (folder / "torn.flac").write_bytes(b"fLaC no more")
    (track,) = consolidated(data(folder, tmp_path / "cache", rate_hz=16000))
    assert track.name == "s0"
    assert "left out: " in (told := capsys.readouterr().err)
    assert "torn.flac" in told
    again = consolidated(data(folder, tmp_path / "cache", rate_hz=16000))
    assert again == [track]
    track.good.write_bytes(track.good.read_bytes()[:-100])  # a torn cache is made again
    assert consolidated(data(folder, tmp_path / "cache", rate_hz=16000)) == [track]
    assert soundfile.info(track.good).frames == track.frames
    (folder / "s0.flac").unlink()
    with pytest.raises(ConfigError, match="can be read"):
        consolidated(data(folder, tmp_path / "cache"))
    with pytest.raises(ConfigError, match="no file fits"):
        consolidated(data(folder, tmp_path / "cache", good=["none*"]))


@settings(max_examples=30, deadline=None)
@given(st.sets(st.text("abcdef", min_size=1), min_size=3, max_size=60), st.integers(0, 5))
def test_every_track_has_one_part_and_the_seed_decides(names, seed):
    parts = split(names, (), (), seed)
    assert parts == split(sorted(names, reverse=True), (), (), seed)
    count = max(1, round(len(names) / 8))
    sizes = [list(parts.values()).count(part) for part in ("validation", "test", "train")]
    assert sizes == [count, count, len(names) - 2 * count]


def test_the_shipped_configurations_hold_two_songs_back():
    for path in CONFIGS.glob("mastering_*.yaml"):
        found = yaml.safe_load(path.read_text())["data"]
        for song in ("eif/1_Hydrogen/mixture", "eif/6_Caesium/mixture"):
            assert any(fnmatch(song, pattern) for pattern in found["test"])
    with pytest.raises(ConfigError, match="no track is left for test"):
        split(["a", "b"], ["a"], ["x"], 0)
