"""Back ends: words stay words, entries are checked, and only what is installed is offered."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rtaudio.errors import UsageError
from rtaudio.site.backends import SHIPPED, usable_backends
from rtaudio.site.stems import command_line

TEXT = st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=20)


@given(TEXT, TEXT)
def test_a_path_stays_one_word_whatever_it_is_called(song, out):
    paths = (Path("/a") / song, Path("/b") / out)
    assert command_line(["tool", "--in={song}", "-o", "{out}"], *paths) == [
        "tool",
        f"--in={paths[0]}",
        "-o",
        str(paths[1]),
    ]


def test_the_shipped_entries_are_offered_where_they_are_installed(tmp_path, monkeypatch):
    names = list(yaml.safe_load(SHIPPED.read_text("utf-8")))
    assert names == ["demucs", "open-unmix"]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(usable_backends()) == ["separate"]  # the net that comes with rtaudio
    (tmp_path / "demucs").touch(mode=0o700)
    assert list(usable_backends()) == ["separate", "demucs"]
    (tmp_path / "umx").touch(mode=0o700)
    assert list(usable_backends()) == ["separate", *names]
    line = command_line(usable_backends()["demucs"].command, Path("s.wav"), Path("o"))
    assert line == ["demucs", "--name", "htdemucs", "--float32", "--out", "o", "s.wav"]


def test_an_entry_of_the_user_replaces_a_shipped_one(tmp_path):
    mine = {"demucs": {"title": "Mine", "command": ["/bin/sh", "{song}", "{out}"]}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(mine))
    assert usable_backends(entries=tmp_path / "mine.yaml")["demucs"].title == "Mine"


@pytest.mark.parametrize(("text", "fault"), [
    ("{", "not valid YAML"),
    ("- a", "not a mapping"),
    ("a: 1", "a = 1"),
    ("a: {command: [x, '{song}', '{out}']}", "a.title is missing"),
    ("a: {title: x}", "a.command is missing"),
    ("a: {title: x, command: 'x {song} {out}'}", "a.command"),
    ("a: {title: x, command: [x, '{song}']}", "has no {out}"),
    ("a: {title: x, command: ['{song}', '{out}']}", "has no {song}"),
    ("a: {title: x, command: [x, '{song}', '{out}'], shell: true}", "unknown key"),
    ("a: {title: x, command: [x, '{song}', '{out}'], stems: ../*.wav}", "leads out"),
    ("a: {title: x, command: [x, '{song}', '{out}'], progress: '('}", "no regular expression"),
    ("a: {title: x, command: [x, '{song}', '{out}'], progress: 'x'}", "0 groups"),
    ("a: {title: x, model: net.onnx}", "a.command is missing"),
    ("a: !!python/object/apply:os.system ['true']", "not valid YAML"),
    ("x" * 70000, "larger than"),
])  # fmt: skip
def test_a_bad_entry_is_one_line_with_file_and_key(tmp_path, text, fault):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        usable_backends(entries=path)
    assert str(caught.value).startswith(f"{path}: ")
    assert fault in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_models_of_one_name_are_refused(net):
    with pytest.raises(UsageError, match="another model is called shares"):
        usable_backends([net, net])
