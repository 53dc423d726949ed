"""Masters of files: loudness and true peak by oracles, and what must stay as it was."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import soundfile

from rtaudio.analysis.spectral_balance import distance_db
from rtaudio.analysis.third_octaves import third_octaves_db
from rtaudio.batch.album import album_settings
from rtaudio.batch.loudest import read_passage
from rtaudio.batch.master_file import MasterSettings, master_file
from rtaudio.batch.master_preview import loudest_start_s, master_preview
from rtaudio.batch.measure_profile import measure_profile
from rtaudio.effects.match import MOST_DB, Match
from rtaudio.errors import AudioFileError
from rtaudio.mastering.design import STAGES
from rtaudio.mastering.goal import goal_of_references, goal_of_style
from rtaudio.preset.load import load_preset, save_preset

GOAL = goal_of_style("balanced")
RATE = 44100


@pytest.mark.parametrize(
    ("target_lufs", "rate", "mono", "level", "intensity"),
    [
        (-23.0, 48000, False, 0.02, 1.0),
        (-14.0, 44100, False, 0.1, 1.0),
        (-14.0, 96000, True, 0.5, 0.3),
        (-11.5, 44100, False, 0.1, 0.6),
        (-16.0, 22050, True, 0.003, 1.0),
    ],
)
def test_loudness_and_true_peak_by_oracles(
    write_song, tmp_path, oracle_lufs, oracle_peak_db, target_lufs, rate, mono, level, intensity
):
    song = write_song("song.wav", rate=rate, mono=mono, level=level, title="Beats")
    done = master_file(
        MasterSettings(GOAL, target_lufs, -1.0, intensity), song, tmp_path / "new.wav"
    )
    assert done.note == ""
    assert oracle_lufs(tmp_path / "new.wav") == pytest.approx(target_lufs, abs=0.5)
    assert oracle_peak_db(tmp_path / "new.wav") <= -1.0 + 0.02
    old, new = soundfile.info(song), soundfile.info(tmp_path / "new.wav")
    assert (new.frames, new.samplerate, new.channels, new.subtype) == (
        old.frames, old.samplerate, old.channels, old.subtype
    )  # fmt: skip
    with soundfile.SoundFile(tmp_path / "new.wav") as file:
        assert file.title == "Beats"
    assert "title" in done.metadata


def test_without_intensity_a_soft_song_only_gets_louder(write_song, tmp_path):
    song = write_song("song.wav", "FLOAT", level=0.01)
    done = master_file(MasterSettings(GOAL, -30.0, -1.0, 0.0), song, tmp_path / "new.wav")
    old, new = soundfile.read(song)[0], soundfile.read(tmp_path / "new.wav")[0]
    assert done.limited_db == 0.0
    ratio = np.sum(new * old) / np.sum(old * old)
    np.testing.assert_allclose(new, ratio * old, atol=1e-6)


def test_only_the_spectrum_leaves_the_loudness(write_song, tmp_path):
    song = write_song("song.wav", tilt_db=-2.0, level=0.03)
    settings = MasterSettings(GOAL, -9.0, -1.0, 1.0, ("eq",))
    done = master_file(settings, song, tmp_path / "new.wav")
    assert done.after.loudness.integrated_lufs == pytest.approx(
        done.before.loudness.integrated_lufs, abs=0.2
    )
    assert {effect.name for effect in done.chain} == {"eq", "loudness", "ceiling"}
    old, new = (distance_db(p.levels_db, GOAL.levels_db) for p in (done.before, done.after))
    assert new < 0.85 * old


def test_the_average_of_references_is_matched_in_loudness_spectrum_and_width(
    write_song, tmp_path, oracle_lufs
):
    references = [
        write_song(f"{seed}.wav", seconds=5.0, seed=seed, tilt_db=1.5, width=0.35, level=level)
        for seed, level in ((5, 0.06), (6, 0.12))
    ]
    song = write_song("song.wav", tilt_db=-1.5, width=0.6, level=0.05)
    profiles = [measure_profile(path) for path in references]
    goal = goal_of_references(profiles, ["5", "6"])
    done = master_file(MasterSettings(goal, goal.lufs), song, tmp_path / "new.wav")
    wanted = np.mean([oracle_lufs(path) for path in references])
    assert oracle_lufs(tmp_path / "new.wav") == pytest.approx(wanted, abs=0.5)
    assert distance_db(done.before.levels_db, goal.levels_db) > 5.0
    assert distance_db(done.after.levels_db, goal.levels_db) < 1.5
    assert done.after.width_db(2000, 16000) == pytest.approx(goal.high_width_db, abs=1.5)


def test_a_dark_song_with_a_bright_reference_is_no_fault(write_song, tmp_path):
    reference = write_song("bright.wav", seconds=5.0, tilt_db=5.0)
    goal = goal_of_references([measure_profile(reference)], ["bright"])
    song = write_song("dark.wav", seed=1, tilt_db=-4.0)
    done = master_file(MasterSettings(goal, -20.0), song, tmp_path / "new.wav")
    [match] = [effect for effect in done.chain if isinstance(effect, Match)]
    assert max(map(abs, match.gains_db)) == MOST_DB


def test_half_the_intensity_is_half_the_way(write_song, tmp_path):
    song = write_song("song.wav", tilt_db=-1.5)
    reference = write_song("other.wav", tilt_db=1.5, seconds=5.0)
    goal = goal_of_references([measure_profile(reference)], ["other"])
    settings = MasterSettings(goal, -20.0, -1.0, 0.5, ("eq", "loudness"))
    done = master_file(settings, song, tmp_path / "new.wav")
    old, new = (distance_db(p.levels_db, goal.levels_db) for p in (done.before, done.after))
    assert new == pytest.approx(0.5 * old, rel=0.15)


def test_sixteen_bits_are_dithered(write_song, tmp_path):
    """Triangular dither makes the error of rounding half a step, without it it is 0.29."""
    coarse = write_song("song.wav", "PCM_16", level=0.01)
    settings = MasterSettings(GOAL, -25.0, -1.0, 0.0)
    done = master_file(settings, coarse, tmp_path / "a.flac")
    assert done.subtype == "PCM_16"
    x = soundfile.read(tmp_path / "a.flac")[0]
    exact = done.chain(soundfile.read(coarse)[0].T, 44100).T
    assert np.std(x - exact) * 2**15 == pytest.approx(0.5, abs=0.03)


def test_a_coded_file_stays_below_the_ceiling_when_it_is_decoded(
    write_song, tmp_path, oracle_peak_db
):
    song = write_song("song.wav", seconds=4.0)
    done = master_file(MasterSettings(GOAL, -12.0), song, tmp_path / "new.ogg")
    assert done.note == ""
    assert oracle_peak_db(tmp_path / "new.ogg") <= -1.0 + 0.05


def test_a_song_that_would_have_to_be_crushed_says_so(tmp_path, oracle_peak_db):
    x = 1e-3 * np.random.default_rng(0).standard_normal(44100 * 4)
    x[::11025] = 0.9
    soundfile.write(tmp_path / "clicks.wav", x, 44100, "PCM_24")
    settings = MasterSettings(GOAL, -10.0, -1.0, 1.0, ("loudness",))
    done = master_file(settings, tmp_path / "clicks.wav", tmp_path / "new.wav")
    assert "-10.0 LUFS would crush it" in done.note
    assert done.limited_db == pytest.approx(12.0, abs=0.1)
    assert oracle_peak_db(tmp_path / "new.wav") <= -1.0 + 0.02


def test_the_same_song_becomes_the_same_master(write_song, tmp_path):
    song = write_song("song.wav", "PCM_16", seconds=3.0)
    for name in ("a.wav", "b.wav"):
        master_file(MasterSettings(GOAL), song, tmp_path / name)
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


def test_a_saved_preset_plays_the_master(write_song, tmp_path):
    song = write_song("song.wav", "FLOAT", seconds=3.0)
    done = master_file(MasterSettings(GOAL), song, tmp_path / "new.wav")
    save_preset(done.chain, tmp_path / "mine.yaml")
    chain = load_preset(tmp_path / "mine.yaml")
    assert chain == done.chain
    out = chain(soundfile.read(song)[0].T, 44100).T
    np.testing.assert_allclose(out, soundfile.read(tmp_path / "new.wav")[0], atol=1e-6)


def test_an_album_keeps_the_differences_of_its_songs(write_song, tmp_path, oracle_lufs):
    levels = (0.1, 0.05, 0.02)
    songs = [
        write_song(f"{k}.wav", seed=k, level=level, seconds=3.0 + k)
        for k, level in enumerate(levels)
    ]
    by_source, note = album_settings(MasterSettings(GOAL, -16.0), songs)
    assert note == ""
    for song in songs:
        master_file(by_source[song], song, tmp_path / f"new-{song.name}")
    old = np.array([oracle_lufs(song) for song in songs])
    new = np.array([oracle_lufs(tmp_path / f"new-{song.name}") for song in songs])
    np.testing.assert_allclose(np.diff(new), np.diff(old), atol=0.5)
    seconds = np.array([3.0, 4.0, 5.0])
    whole = 10 * np.log10(np.sum(seconds * 10 ** (new / 10)) / seconds.sum())
    assert whole == pytest.approx(-16.0, abs=0.5)


def test_an_album_stays_as_soft_as_its_most_delicate_song_needs(write_song, tmp_path):
    song = write_song("song.wav", seconds=3.0, level=0.05)
    x = 1e-3 * np.random.default_rng(0).standard_normal(44100 * 3)
    x[::11025] = 0.9
    soundfile.write(tmp_path / "clicks.wav", x, 44100, "PCM_24")
    by_source, note = album_settings(MasterSettings(GOAL, -10.0), [song, tmp_path / "clicks.wav"])
    assert "-10.0 LUFS would crush clicks.wav" in note
    gains_db = [
        settings.target_lufs - measure_profile(path).loudness.integrated_lufs
        for path, settings in by_source.items()
    ]
    assert gains_db[0] == pytest.approx(gains_db[1], abs=1e-6)
    assert gains_db[1] == pytest.approx(-1.0 + 12.0 - 20 * np.log10(0.9), abs=0.2)


def test_memory_does_not_grow_with_the_length(tmp_path):
    most = []
    settings = MasterSettings(GOAL, -16.0, -1.0, 1.0, STAGES)
    rng = np.random.default_rng(0)
    for seconds in (30, 90):
        soundfile.write(tmp_path / "long.wav", 0.1 * rng.standard_normal(8000 * seconds), 8000)
        tracemalloc.start()
        master_file(settings, tmp_path / "long.wav", tmp_path / "new.wav")
        most.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        (tmp_path / "new.wav").unlink()
    assert most[1] < 1.3 * most[0]


def test_a_preview_holds_the_loudest_passage_twice_at_one_loudness(tmp_path, write_song):
    song = write_song("song.wav", seconds=7.0)
    x, rate = soundfile.read(song)
    x[: 3 * rate] *= 0.1
    x[5 * rate :] *= 0.1
    soundfile.write(song, x, rate, "PCM_24")
    assert loudest_start_s(measure_profile(song), 2.0) == pytest.approx(3.0, abs=0.5)
    done = master_preview(MasterSettings(GOAL, -20.0), song, tmp_path / "preview.wav", 2.0)
    y, _ = soundfile.read(tmp_path / "preview.wav")
    assert len(y) == 2 * 2 * rate + rate // 2
    assert not y[2 * rate : 2 * rate + rate // 2].any()
    pyloudnorm = pytest.importorskip("pyloudnorm", reason="pyloudnorm is not installed")
    levels = [
        pyloudnorm.Meter(rate).integrated_loudness(p) for p in (y[: 2 * rate], y[-2 * rate :])
    ]
    assert levels[0] == pytest.approx(levels[1], abs=0.2)
    assert done.after.loudness.integrated_lufs == pytest.approx(-20.0, abs=0.5)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_preview_never_replaces_its_song(write_song):
    song = write_song("song.wav")
    before = song.read_bytes()
    with pytest.raises(AudioFileError, match="is the file that is read"):
        master_preview(MasterSettings(GOAL, -20.0), song, song, 2.0)
    assert song.read_bytes() == before


def test_a_passage_behind_the_end_is_one_line(write_song):
    song = write_song("song.wav", seconds=1.0)
    with pytest.raises(AudioFileError, match="shorter"):
        read_passage(song, RATE + 1, 100)


def test_clipped_samples_are_counted(tmp_path):
    sine = 1.5 * np.sin(2 * np.pi * 220 / 44100 * np.arange(44100))
    clipped = np.clip(sine, -1.0, 1.0 - 2**-15)
    soundfile.write(tmp_path / "clipped.wav", clipped, 44100, "PCM_16")
    expected = np.count_nonzero(np.abs(clipped) > 0.9999)
    found = measure_profile(tmp_path / "clipped.wav").clipped
    assert found == pytest.approx(expected, rel=0.02)
    soundfile.write(tmp_path / "whole.wav", sine / 1.6, 44100, "PCM_16")
    assert measure_profile(tmp_path / "whole.wav").clipped == 0


def test_pieces_do_not_matter_to_a_profile(write_song):
    path = write_song("song.wav", seconds=3.0)
    x, rate = soundfile.read(path)
    found = measure_profile(path)
    np.testing.assert_allclose(found.levels_db, third_octaves_db(x.T, rate), atol=1e-6)
