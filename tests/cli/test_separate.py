"""Separation of files and folders: stems that add up, aligned, in any rate; and bad input."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile
from pydantic import ValidationError

from rtaudio.models.contract.card import Card

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from export.exporter import export_model  # noqa: E402
from training.models.separator import Separator  # noqa: E402

STEMS = ["vocals", "drums", "bass", "other"]
NOISE = np.random.default_rng(0).uniform(-0.3, 0.3, (30000, 2))


@pytest.fixture(scope="session")
def separator(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("separator") / "net.onnx"
    card = {"name": "test", "sample_rate": 44100, "license": "Apache-2.0", "provenance": {}}
    export_model(Separator(channels=4, layers=1).eval(), card, path)
    return path


@pytest.fixture
def separate(cli, separator):
    return lambda source, target, *words: cli(
        "separate", source, target, "--model", separator, *words
    )


def read(path):
    return soundfile.read(path, always_2d=True)


@pytest.mark.parametrize(("rate", "channels", "frames", "suffix"), [
    (44100, 2, 30000, ".wav"), (48000, 1, 30000, ".flac"), (8000, 2, 5000, ".wav"),
    (44100, 2, 1, ".wav"), (96000, 2, 30000, ".wav"),
])  # fmt: skip
def test_the_stems_add_up_to_the_song(separate, tmp_path, rate, channels, frames, suffix):
    song = tmp_path / f"song{suffix}"
    soundfile.write(song, NOISE[:frames, :channels], rate, "PCM_16")
    answer = separate(song, tmp_path / "out", "--type", suffix[1:])
    assert (answer.status, answer.err) == (0, "")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(
        stem + suffix for stem in STEMS
    )
    stems = [read(tmp_path / "out" / f"{stem}{suffix}") for stem in STEMS]
    assert {found for _, found in stems} == {rate}
    dry, _ = read(song)
    np.testing.assert_allclose(sum(stem for stem, _ in stems), dry, atol=1e-4)


def test_chosen_stems_and_the_residual(separate, tmp_path):
    soundfile.write(tmp_path / "song.wav", NOISE, 44100, "FLOAT")
    assert separate(tmp_path / "song.wav", tmp_path / "all").status == 0
    answer = separate(
        tmp_path / "song.wav", tmp_path / "two", "--stems", "vocals,residual", "--json"
    )
    assert json.loads(answer.out)["stems"] == ["vocals", "residual"]
    vocals, rest = (read(tmp_path / "two" / f"{s}.wav")[0] for s in ("vocals", "residual"))
    np.testing.assert_array_equal(vocals, read(tmp_path / "all" / "vocals.wav")[0])
    np.testing.assert_allclose(vocals + rest, NOISE, atol=1e-6)


def test_all_stems_in_one_file(separate, tmp_path):
    soundfile.write(tmp_path / "song.wav", NOISE, 44100, "FLOAT")
    assert separate(tmp_path / "song.wav", tmp_path / "stems.wav").status == 0
    assert separate(tmp_path / "song.wav", tmp_path / "apart").status == 0
    together, _ = read(tmp_path / "stems.wav")
    assert together.shape == (30000, 8)
    apart = [read(tmp_path / "apart" / f"{stem}.wav")[0] for stem in STEMS]
    np.testing.assert_array_equal(together, np.concatenate(apart, axis=1))


def test_a_folder_of_songs(separate, tmp_path):
    (tmp_path / "songs" / "album").mkdir(parents=True)
    soundfile.write(tmp_path / "songs" / "one.wav", NOISE[:5000], 44100)
    soundfile.write(tmp_path / "songs" / "album" / "two.flac", NOISE[:4000], 44100)
    soundfile.write(tmp_path / "songs" / "three.flac.wav", NOISE[:3000], 44100)
    (tmp_path / "songs" / "broken.wav").write_bytes(b"no sound")
    answer = separate(tmp_path / "songs", tmp_path / "out", "--jobs", 1)
    assert answer.status == 2
    assert "broken.wav" in answer.err
    assert len(read(tmp_path / "out" / "one" / "bass.wav")[0]) == 5000
    assert len(read(tmp_path / "out" / "album" / "two" / "bass.wav")[0]) == 4000
    assert len(read(tmp_path / "out" / "three.flac" / "bass.wav")[0]) == 3000
    assert not (tmp_path / "out" / "broken").exists()


def test_bad_input_is_one_line_and_leaves_nothing(separate, tmp_path):
    soundfile.write(tmp_path / "three.wav", np.tile(NOISE[:100], (1, 2))[:, :3], 44100)
    soundfile.write(tmp_path / "song.wav", NOISE[:100], 44100)
    (tmp_path / "text.wav").write_text("no sound")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "vocals.wav").write_bytes(b"mine")
    for words, text in (
        (("three.wav", "out"), "channels"),
        (("text.wav", "out"), "text.wav"),
        (("absent.wav", "out"), "absent.wav"),
        (("song.wav", "out", "--stems", "piano"), "piano"),
        (("song.wav", "out", "--stems", "bass,bass"), "twice"),
        (("song.wav", "kept"), "--force"),
    ):
        source, target, *more = words
        answer = separate(tmp_path / source, tmp_path / target, *more)
        assert answer.status == 2
        (line,) = answer.err.splitlines()
        assert text in line
        assert not (tmp_path / "out").exists()
    assert (tmp_path / "kept" / "vocals.wav").read_bytes() == b"mine"


@pytest.mark.parametrize("stem", ["../up", "/top", "a/b", "a\\b", "..", "", "x.wav", "a\n"])
def test_the_name_of_a_stem_does_not_lead_out_of_its_folder(stem):
    card = {
        "name": "test", "sample_rate": 44100, "license": "Apache-2.0", "provenance": {},
        "channels": [2, 4], "hop": 512, "latency": 0, "stems": ["vocals", "other"],
    }  # fmt: skip
    assert Card.model_validate(card).stems == ("vocals", "other")
    with pytest.raises(ValidationError, match="stems"):
        Card.model_validate({**card, "stems": ["vocals", stem]})
