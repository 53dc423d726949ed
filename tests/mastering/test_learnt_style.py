"""Learnt styles: the average of songs, on disk and back, and how wrong files are refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rtaudio.batch.measure_profile import measure_profile
from rtaudio.catalogue import user_styles_folder
from rtaudio.errors import AudioFileError, ParameterError
from rtaudio.mastering.find_goal import find_goal
from rtaudio.mastering.goal import goal_of_references
from rtaudio.mastering.learnt_style import LearntStyle


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def songs(write_song, tmp_path):
    """Two bright, dense songs in a folder, with a file that is none."""
    folder = tmp_path / "songs"
    folder.mkdir()
    for seed, level in ((1, 0.05), (2, 0.2)):
        path = write_song(f"{seed}.wav", seconds=5.0, seed=seed, level=level, tilt_db=1.5)
        path.rename(folder / path.name)
    (folder / "notes.txt").write_text("no song")
    return folder


def a_style(**changed):
    values = {
        "style": "mine", "source": "two songs", "songs": 2, "levels_db": [0.0] * 31,
        "tolerance_db": 1.0, "low_width_db": -12.0, "high_width_db": None, "loudness_lufs": -12.0,
        "range_lu": 5.0, "peak_to_loudness_db": 11.0,
    }  # fmt: skip
    return values | changed


def test_it_is_the_goal_of_the_same_songs_as_references(songs):
    files = sorted(songs.glob("*.wav"))
    profiles = [measure_profile(path) for path in files]
    names = [path.name for path in files]
    learnt = LearntStyle.of_songs("mine", profiles, names)
    wanted, found = goal_of_references(profiles, names), learnt.goal()
    apart = found.levels_db - wanted.levels_db
    np.testing.assert_allclose(apart - apart.mean(), 0.0, atol=0.1)
    for name in ("low_width_db", "high_width_db", "lufs", "peak_to_loudness_db"):
        assert getattr(found, name) == pytest.approx(getattr(wanted, name), abs=0.06)
    assert (learnt.songs, max(learnt.levels_db)) == (2, 0.0)
    assert "1.wav, 2.wav" in learnt.source
    assert 0.0 < learnt.tolerance_db < 1.0  # noise of one colour, twice
    assert LearntStyle.of_songs("one", profiles[:1], names[:1]).tolerance_db == 0.0


@settings(deadline=None, max_examples=30)
@given(
    levels_db=st.lists(st.floats(-200, 0), min_size=31, max_size=31),
    name=st.text("ab: -#'\"\u00e9", min_size=1),
    width=st.none() | st.floats(-80, 40),
)
def test_what_is_written_is_read_again(tmp_path_factory, levels_db, name, width):
    path = tmp_path_factory.mktemp("styles") / "style.yaml"
    style = LearntStyle(**a_style(levels_db=levels_db, style=name, low_width_db=width))
    style.write(path)
    assert LearntStyle.read(path) == style


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"levels_db": [0.0] * 30}, "levels_db"),
        ({"levels_db": [0.0] * 30 + [3.0]}, "levels_db[30] = 3 must be at most 0"),
        ({"levels_db": [0.0] * 30 + [float("nan")]}, "levels_db[30] = nan is not a number"),
        ({"levels_db": "loud"}, "levels_db"),
        ({"songs": 0}, "songs = 0"),
        ({"loudness_lufs": 3.0}, "loudness_lufs = 3 is out of range -70 .. 0"),
        ({"tolerance_db": -1.0}, "tolerance_db"),
        ({"tolerance": 1.0}, "tolerance: unknown key; did you mean 'tolerance_db'?"),
        ({"style": ""}, "style"),
    ],
)
def test_a_wrong_value_is_one_line_with_the_file(tmp_path, changed, told):
    path = tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump(a_style(**changed)))
    with pytest.raises(ParameterError) as found:
        LearntStyle.read(path)
    [line] = str(found.value).splitlines()
    assert line.startswith(f"{path}: ")
    assert told in line


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"style: [", "not valid YAML"),
        (b"\xff\xfe", "not valid YAML"),
        (b"- a list", "is no style"),
        (b"", "is no style"),
        (b"1: 2", "is no style"),
        (b"style: mine", "source is missing"),
        (b"!!python/object/apply:os.getcwd []", "not valid YAML"),
        (b"[" * 60_000, "not valid YAML"),
        (b"#" * 70_000, "too large"),
    ],
)
def test_what_is_no_style_is_one_line(tmp_path, content, told):
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    with pytest.raises(ParameterError, match=told) as found:
        find_goal(str(path))
    assert len(str(found.value).splitlines()) == 1


def test_a_song_too_short_or_silent_teaches_nothing(write_song):
    path = write_song("short.wav", seconds=2.0)
    with pytest.raises(AudioFileError, match=r"short\.wav: is 2\.00 s long; .* 5 s or more"):
        LearntStyle.of_songs("x", [measure_profile(path)], ["short.wav"])


def test_a_style_is_learnt_and_used_by_its_name(cli, refused, songs, write_song, tmp_path):
    answer = cli("style", "my-band", songs, "--json")
    assert answer.status == 0, answer.err
    learnt = json.loads(answer.out)
    assert learnt["out"] == str(user_styles_folder() / "my-band.yaml")
    assert learnt["songs"] == 2
    song = write_song("mix.wav", seconds=3.0, seed=5, tilt_db=-1.5, level=0.1)
    answer = cli("master", song, tmp_path / "new.wav", "--style", "my-band", "--json")
    assert answer.status == 0, answer.err
    found = json.loads(answer.out)
    assert (found["goal"], found["target_lufs"]) == ("my-band", learnt["loudness_lufs"])
    assert found["goal_source"] == learnt["source"]
    assert found["after"]["spectrum_db"] < 0.5 * found["before"]["spectrum_db"]
    assert "exists; choose another name" in refused("style", "my-band", songs)
    assert "did you mean 'my-band'?" in refused(
        "master", song, tmp_path / "again.wav", "--style", "my-bnd"
    )


def test_words_that_name_no_style_are_one_line(refused, songs, tmp_path):
    (tmp_path / "empty").mkdir()
    for words, told in (
        (("pink", songs), "comes with rtaudio"),
        (("a.txt", songs), "neither a name nor a file"),
        ((tmp_path / "no" / "a.yaml", songs), "does not exist"),
        (("new", tmp_path / "empty"), "has no sound files"),
        (("new", tmp_path / "missing.wav"), "no such file"),
        (("new", songs / "notes.txt"), "notes.txt"),
    ):
        assert told in refused("style", *words)
    assert not user_styles_folder().exists()


def test_a_dense_style_compresses_more_than_the_target_asks_for(write_song):
    from rtaudio.mastering.design import design_shape

    profile = measure_profile(write_song("song.wav"))
    wanted = {"target_lufs": -30.0, "ceiling_db": -1.0, "stages": ("dynamics",)}
    loose = LearntStyle(**a_style(peak_to_loudness_db=40.0)).goal()
    dense = LearntStyle(**a_style(peak_to_loudness_db=5.0)).goal()
    assert design_shape(profile, loose, **wanted) == []
    assert [effect.name for effect in design_shape(profile, dense, **wanted)] == ["dynamics"]
