"""``rtaudio inspect`` on the files of other programs."""

from __future__ import annotations

import json

import numpy as np
import pytest

LAYERS = {
    "input_size": 1,
    "condition_size": 1,
    "head_size": 1,
    "channels": 2,
    "bottleneck": 3,
    "kernel_size": 2,
    "dilations": [1, 4],
    "activation": "Tanh",
    "head_bias": False,
}
WEIGHTS = 2 + 2 * (12 + 3 + 3 + 6 + 2) + 3 + 1


def capture(scale=0.1, **more):
    values = scale * np.random.default_rng(0).standard_normal(WEIGHTS)
    return {
        "version": "0.7.0", "architecture": "WaveNet", "sample_rate": 48000,
        "metadata": {"name": "[/bold] \x1b[31mRed", "gear_make": "Acme", "loudness": -19.25,
                     "date": {"year": 2026, "month": 5, "day": 4, "hour": 18, "minute": 5,
                              "second": 3}},
        "config": {"layers": [LAYERS], "head": None, "head_scale": 0.1},
        "weights": values.tolist(), **more,
    }  # fmt: skip


def nested(levels):
    return {"a": nested(levels - 1)} if levels else {}


@pytest.fixture
def amp(tmp_path, monkeypatch):
    monkeypatch.setattr("rtaudio.cli.inspect.REPEATS", 20)
    monkeypatch.setattr("rtaudio.cli.inspect.BLOCKS", (64,))

    def write(content):
        path = tmp_path / "amp.nam"
        path.write_text(json.dumps(content))
        return path

    return write


def test_inspect_tells_what_a_capture_is(cli, amp):
    answer = cli("inspect", amp(capture(version="0.7.3")))
    assert answer.status == 0
    for said in (
        "nam",
        "0.7.3",
        "newer than 0.7.0",
        "wavenet",
        "2026-05-04 18:05:03",
        "Acme",
        "receptive_field",
        "loudness_db -19.25",
        "golden vector",
        "[/bold]",
    ):
        assert said in answer.out
    assert "\x1b[31m" not in answer.out


def test_inspect_shows_whatever_the_metadata_holds(cli, amp):
    metadata = {
        "[/] \x1b[2J": "[red]", "name": "half \ud83c", "gear_make": "\udfb8", "esr": 1e300,
        "date": {"year": [1], "month": {}, "day": None, "hour": "x", "minute": 1.5, "second": True},
    }  # fmt: skip
    path = amp(capture(metadata=metadata))
    odd = path.rename(path.with_name("amp [bold].nam"))
    for words in ((), ("--json",)):
        answer = cli("inspect", odd, *words)
        assert answer.status == 0
        assert "[red]" in answer.out
        assert "amp [bold].nam" in answer.out
        assert "\x1b[2J" not in answer.out


def test_a_byte_order_mark_is_passed_over(cli, amp):
    path = amp(capture())
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert cli("inspect", path, "--json").status == 0


def test_inspect_prints_a_capture_as_json(cli, amp):
    sizes = [{"max_value": 0.5, "model": capture(0.1)}, {"max_value": 1.0, "model": capture(0.2)}]
    container = {
        "version": "0.7.0",
        "architecture": "SlimmableContainer",
        "weights": [],
        "sample_rate": 48000,
        "config": {"submodels": sizes},
    }
    outputs = []
    for slim in ("0", "1"):
        answer = cli("inspect", amp(container), "--slim", slim, "--json")
        figures = json.loads(answer.out)
        assert figures["capture"]["format"] == "nam"
        assert figures["capture"]["slim_steps"] == [0.5]
        assert figures["net"]["receptive_field"] == 6
        assert figures["net"]["weights"] == WEIGHTS - 1
        assert figures["golden_error"].keys() == {"onnx"}
        outputs.append(figures["card"]["levels"])
    assert outputs[0] == outputs[1] == {"loudness_db": -19.25}


@pytest.mark.parametrize(
    ("content", "words", "reason"),
    [
        (capture(weights=[0.1] * (WEIGHTS - 1)), (), "too few"),
        (capture(version="0.8.0"), (), "file version 0.8.0 is unknown"),
        (capture(sample_rate=float("nan")), (), "sample_rate is not a finite"),
        (capture(), ("--slim", "0.5"), "one size only"),
        ([], (), "no JSON object"),
        (capture(metadata=nested(65)), (), "nested more than 64 deep"),
    ],
)
def test_inspect_refuses_a_damaged_capture(refused, amp, content, words, reason):
    path = amp(content)
    line = refused("inspect", path, *words)
    assert reason in line
    assert str(path) in line
