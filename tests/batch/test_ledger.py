"""The ledger: what is done is done once, and what a killed process left is told from the user's."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtaudio.atomic import leftovers, replacing
from rtaudio.batch.ledger import Ledger, digest_of, recipe_of


@pytest.fixture
def pair(tmp_path):
    (tmp_path / "in.wav").write_bytes(b"dry")
    (tmp_path / "out").mkdir()
    return tmp_path / "in.wav", tmp_path / "out" / "new.wav"


def test_an_entry_goes_from_begun_to_done(pair):
    entry = Ledger("recipe", *pair)
    assert not entry.begun
    assert not entry.done
    entry.begin()
    assert Ledger("recipe", *pair).begun
    pair[1].write_bytes(b"wet")
    Ledger("recipe", *pair).end()
    entry = Ledger("recipe", *pair)
    assert entry.done
    assert not entry.begun


def test_content_decides(pair):
    source, target = pair
    target.write_bytes(b"wet")
    entry = Ledger("recipe", source, target)
    entry.begin()
    entry.end()
    assert not Ledger("another recipe", source, target).done
    target.write_bytes(b"changed")
    assert not Ledger("recipe", source, target).done
    target.write_bytes(b"wet")
    assert Ledger("recipe", source, target).done
    source.write_bytes(b"another take")
    assert not Ledger("recipe", source, target).done
    assert not Ledger("recipe", source, target).begun


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"recipe": 7}', "\xff" * 10_000])
def test_a_damaged_entry_is_none(pair, text):
    entry = Ledger("recipe", *pair)
    entry.begin()
    file = pair[1].parent / ".rtaudio" / "new.wav.json"
    file.write_text(text, "latin-1")
    entry = Ledger("recipe", *pair)
    assert not entry.begun
    assert not entry.done


def test_a_folder_has_the_digest_of_its_files(tmp_path):
    folder = tmp_path / "song"
    folder.mkdir()
    (folder / "vocals.wav").write_bytes(b"a")
    one = digest_of(folder)
    (folder / ".vocals.1.part.wav").write_bytes(b"half")
    assert digest_of(folder) == one
    (folder / "drums.wav").write_bytes(b"b")
    assert digest_of(folder) != one


def test_a_recipe_is_version_settings_and_content(tmp_path):
    model = tmp_path / "model.onnx"
    model.write_bytes(b"one")
    first = recipe_of("1", b"work", [model])
    assert first == recipe_of("1", b"work", [model])
    assert first != recipe_of("2", b"work", [model])
    assert first != recipe_of("1", b"other", [model])
    model.write_bytes(b"two")
    assert first != recipe_of("1", b"work", [model])


@pytest.mark.parametrize("name", ["a.wav", "with.dots.flac", "x" * 240 + ".wav", "no suffix"])
def test_leftovers_are_those_of_the_file(tmp_path, name):
    target = tmp_path / name
    (tmp_path / ".other.12.part.wav").touch()
    (tmp_path / name).touch()
    kept: list[Path] = []
    with replacing(target) as temporary:
        temporary.touch()
        kept += leftovers(target)
        assert kept == [temporary]
    assert leftovers(target) == []
    assert leftovers(tmp_path) == [tmp_path / ".other.12.part.wav"]
