"""The report of a run: complete, self-contained, and safe whatever the run is called."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("torch", reason="torch is not installed (extra: train)")
pytest.importorskip("jinja2", reason="jinja2 is not installed (extra: train)")

from training.guitar.data import Take
from training.guitar.plots import comparison, loss_curve
from training.guitar.report import save_clips, write_report

RATE = 48000
EVIL = """<script>alert("1")</script> & 'so on'"""


class Elements(HTMLParser):
    """Names, attributes and text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    def sources(self, tag):
        return [attributes["src"] for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """What a finished run leaves behind."""
    folder = tmp_path_factory.mktemp("run")
    generator = np.random.default_rng(0)
    dry = (0.3 * generator.standard_normal(RATE)).astype(np.float32)
    take = Take("four", dry, np.tanh(3 * dry))
    output = take.wet + np.float32(0.01) * generator.standard_normal(RATE).astype(np.float32)
    rows = [
        {
            "epoch": k,
            "loss": 0.5**k,
            "val_esr": 0.6**k,
            "learning_rate": 0.004,
            "wall_s": k,
            "cpu_s": k,
        }
        for k in range(5)
    ]
    lines = [",".join(rows[0]), *(",".join(str(v) for v in row.values()) for row in rows)]
    (folder / "history.csv").write_text("\n".join(lines) + "\n")
    config = {
        "name": "tanh",
        "description": EVIL,
        "license": "MIT",
        "threads": 1,
        "data": {"takes": ["one", EVIL]},
        "net": {"type": "lstm", "hidden": 4},
    }
    (folder / "config.json").write_text(json.dumps(config))
    metrics = {
        "esr": {"validation": {"three": 0.02}, "test": {"four": 0.0001, EVIL: float("nan")}},
        "esr_mean": 0.011,
        "esr_max": 0.02,
        "epoch": 4,
        "wall_minutes": 0.1,
        "cpu_minutes": 0.1,
    }
    (folder / "metrics.json").write_text(json.dumps(metrics))
    loss_curve(rows, folder / "loss.png")
    comparison(take, output, RATE, folder)
    save_clips(take, output, RATE, folder)
    return folder


@pytest.fixture
def run_folder(finished, tmp_path):
    """A copy of it, to be changed."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def test_it_holds_all_and_loads_nothing(run_folder):
    path = write_report(run_folder)
    assert path == run_folder / "report.html"
    text = path.read_text(encoding="utf-8")
    page = Elements(text)
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "link", "iframe", "object", "embed", "a"}
    for tag, attributes in page.tags:
        for key in ("src", "href", "data", "srcset"):
            assert attributes.get(key, "data:").startswith("data:"), (tag, key)
        assert not any(key.startswith("on") for key in attributes)
    assert not re.search(r"url\(|@import|https?://", text)
    assert len(page.sources("img")) == 4
    assert len(page.sources("audio")) == 4
    assert not [p.name for p in run_folder.iterdir() if p.name.startswith(".")]


def test_what_is_said_is_what_was_measured(run_folder):
    words = " ".join(" ".join(Elements(write_report(run_folder).read_text()).words).split())
    assert "On held-out takes: ESR 0.011, good: the error lies 20 dB below the target" in words
    assert "four test 0.0001 -40.0 excellent" in words
    assert "best epoch 5" in words
    assert "nan" not in words.replace(EVIL, "").partition("Data")[0]


def test_strange_names_stay_text(run_folder):
    text = write_report(run_folder).read_text()
    assert EVIL in " ".join(Elements(text).words)
    assert "<script>" not in text


def test_pictures_and_sounds_survive(run_folder):
    page = Elements(write_report(run_folder).read_text())
    for source in page.sources("img"):
        assert base64.b64decode(source.partition(",")[2]).startswith(b"\x89PNG")
    sounds = [
        soundfile.read(io.BytesIO(base64.b64decode(source.partition(",")[2])))
        for source in page.sources("audio")
    ]
    assert {rate for _, rate in sounds} == {RATE}
    _, target, output, error = (sound for sound, _ in sounds)
    np.testing.assert_allclose(output - target, error, atol=2**-14)


def test_clips_never_clip(tmp_path):
    loud = np.linspace(-3, 3, 1000, dtype=np.float32)
    save_clips(Take("loud", loud, loud), -loud, RATE, tmp_path)
    error, _ = soundfile.read(tmp_path / "clip_error.flac")
    dry, _ = soundfile.read(tmp_path / "clip_dry.flac")
    assert np.abs(error).max() == pytest.approx(0.99, abs=1e-3)
    np.testing.assert_allclose(error, -2 * dry, atol=2**-13)


def test_seeds_are_compared(run_folder):
    path = run_folder / "metrics.json"
    metrics = json.loads(path.read_text())
    path.write_text(json.dumps({**metrics, "seeds": {"0": 0.02, "1": 0.01}}))
    words = " ".join(" ".join(Elements(write_report(run_folder).read_text()).words).split())
    assert "ESR 0.01 to 0.02, a factor of 2.00" in words
    assert "1 0.0100 kept" in words


@pytest.mark.parametrize("name", ["config.json", "history.csv", "metrics.json"])
def test_an_unfinished_run_is_named(run_folder, name):
    (run_folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{name}: no such file; the run has not finished"):
        write_report(run_folder)


def test_it_is_readable_on_a_screen_and_on_a_telephone(run_folder, look_at):
    looks = look_at(write_report(run_folder), run_folder / "seen.png")
    assert (run_folder / "seen.png").stat().st_size > 10_000
    for look in looks:
        assert look.wide == []
        assert look.scroll <= look.width
        assert len(look.audio) == 4
        for width, height in look.audio:
            assert width >= 250
            assert height >= 30
        assert all(natural > 0 and shown > 200 for natural, shown in look.images)
