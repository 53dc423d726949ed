"""``rtaudio bench codec``: all that it measures of one codec, its page, and how it refuses."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser
from importlib.util import find_spec

import numpy as np
import pytest
import soundfile

from rtaudio.bench import codec
from rtaudio.cli.bench_codec import codec_tables
from rtaudio.view.listening_page import Passage, Version, write_listening_page

needs_jinja = pytest.mark.skipif(
    find_spec("jinja2") is None, reason="jinja2 is not installed: pip install 'rtaudio[metrics]'"
)


class Page(HTMLParser):
    """Tags with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))


@pytest.fixture
def few(monkeypatch):
    """Measure with two bitrates and one loss, and without the slow measures."""
    monkeypatch.setattr(codec, "LOSSES_PERCENT", (0.0, 20.0))
    monkeypatch.setattr(codec, "_BITRATES", (6.0, 12.0))
    monkeypatch.setattr(codec, "_OPUS_BITRATES", ((20.0, (12.0,)),))
    monkeypatch.setattr(codec, "MEASURES", ("pesq", "stoi", "mel", "si_sdr_db"))


@needs_jinja
def test_it_measures_a_codec_beside_opus_and_writes_a_page(
    cli, few, means_codec, recordings_folder, tmp_path
):
    page = tmp_path / "page.html"
    words = ["bench", "codec", "--data", recordings_folder, "--quick", "--model", means_codec]
    answer = cli(*words, "--json", "--page", page)
    assert answer.status == 0, answer.err
    found = json.loads(answer.out)
    names = {(row["codec"], row["kbps"]) for row in found["codec"]}
    assert {("means", 6.0), ("means", 12.0)} <= names
    assert (("Opus 20 ms", 12.0) in names) == (find_spec("av") is not None)
    assert len(found["recordings"]) == 3 * 2 * len(names)
    assert found["costs"][0]["codec"] == "means"
    tables = codec_tables(found["codec"], found["costs"])
    assert len(tables) == 3 * 2 + 2
    for _, columns, rows in tables:
        assert rows
        assert all(len(row) == len(columns) for row in rows)
    text = page.read_text()
    assert text.count("<section>") == 3
    assert not re.search(r"(https?:)?//\w", re.sub(r'data-sound="[^"]*"', "", text))


@needs_jinja
def test_the_page_is_self_contained_and_holds_the_sound(tmp_path):
    rng = np.random.default_rng(0)
    sounds = [rng.uniform(-2.0, 2.0, 4800), rng.uniform(-0.1, 0.1, 4800)]
    versions = [Version(f"<b>{n}", "a & b", sound) for n, sound in enumerate(sounds)]
    path = tmp_path / "page.html"
    write_listening_page(path, "Title", "About", [Passage("<script>", 48000, versions)])
    text = path.read_text()
    tags = Page(text).tags
    assert not any({"src", "href"} & attributes.keys() for _, attributes in tags)
    assert sum(tag == "script" for tag, _ in tags) == 1  # names are text, not markup
    assert not any(tag == "b" for tag, _ in tags)
    assert "http" not in re.sub(r'data-sound="[^"]*"|http-equiv', "", text)
    embedded = [a["data-sound"] for _, a in tags if "data-sound" in a]
    for data, sound in zip(embedded, sounds, strict=True):
        found, rate_hz = soundfile.read(io.BytesIO(base64.b64decode(data)))
        assert rate_hz == 48000
        gain = 0.99 / np.abs(sounds[0]).max()  # one for all, so that levels can be compared
        np.testing.assert_allclose(found, gain * sound, atol=1e-4)


@needs_jinja
def test_the_page_is_readable_on_a_screen_and_on_a_telephone(tmp_path, look_at):
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, 4800)
    names = ("original", *(f"a codec with a long name {n}" for n in range(9)))
    versions = [Version(name, "6.0 kbit/s, ViSQOL 3.9", sound) for name in names]
    passages = [Passage("A recording_with_a_name_that_has_no_space_to_break_at", 48000, versions)]
    path = tmp_path / "page.html"
    write_listening_page(path, "Codecs", "About this page. " * 9, passages)
    for look in look_at(path, tmp_path / "seen.png"):
        assert look.wide == []
        assert look.scroll <= look.width
        assert len(look.buttons) == 11
        assert all(width > 60 and height > 30 for width, height in look.buttons)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ((), "no recordings"),
        (("--data", "nowhere"), "holds no recordings"),
        (("--data", "DATA", "--model", "nowhere"), "nowhere.encoder.onnx: no such model file"),
        (("--data", "DATA", "--model", "MODEL", "--page", "nowhere/page.html"), "no such folder"),
        (("--data", "DATA", "--model", "MODEL", "--page", "DATA"), "is a folder; name an HTML"),
        (("--data", "DATA", "--model", "MODEL", "--jobs", "0"), "--jobs = 0 is out of range"),
    ],
)
def test_it_refuses_in_one_line(refused, monkeypatch, means_codec, recordings_folder, words, line):
    monkeypatch.delenv("RTAUDIO_DATA", raising=False)
    places = {"DATA": recordings_folder, "MODEL": means_codec}
    assert line in refused("bench", "codec", *(places.get(word, word) for word in words))


def test_a_model_that_is_no_codec_is_refused(refused, recordings_folder, tmp_path):
    for side in ("encoder", "decoder"):
        (tmp_path / f"junk.{side}.onnx").write_bytes(b"junk")
    line = refused("bench", "codec", "--data", recordings_folder, "--model", tmp_path / "junk")
    assert "junk.encoder.onnx" in line


def test_a_page_without_its_package_is_refused_at_once(
    refused, monkeypatch, means_codec, recordings_folder, tmp_path
):
    monkeypatch.setattr("rtaudio.view.listening_page.find_spec", lambda name: None)
    words = ["bench", "codec", "--data", recordings_folder, "--model", means_codec]
    line = refused(*words, "--page", tmp_path / "page.html")
    assert line == "error: the package jinja2 is missing: pip install 'rtaudio[metrics]'"


def test_absent_packages_are_named(monkeypatch):
    monkeypatch.setattr(codec, "find_spec", lambda name: None)
    measures, lines = codec.find_measures()
    assert measures == {"mel", "si_sdr_db"}
    assert [line.split()[0] for line in lines] == ["PESQ", "STOI", "VISQOL"]
    assert "pip install 'rtaudio[metrics]'" in lines[2]
    coders, missing = codec.find_coders([])
    assert coders == ([], [], [])
    assert "Opus is left out" in missing[0]
