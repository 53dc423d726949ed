"""Calls of the command line inside this process, and files that are wrong in every way."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import soundfile

from rtaudio.cli import main


class Answer(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def cli(capfd, monkeypatch):
    """Return ``cli(*words) -> (status, out, err)``."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words):
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(word) for word in words])
        return Answer(end.value.code, *capfd.readouterr())

    return call


@pytest.fixture
def refused(cli):
    """Return ``refused(*words) -> line``: asserts exit status 2 and one line on stderr."""

    def call(*words):
        answer = cli(*words)
        lines = answer.err.splitlines()
        assert answer.status == 2, answer
        assert len(lines) == 1, answer
        assert lines[0].startswith("error: ")
        assert "Traceback" not in lines[0]
        assert answer.out == ""
        return lines[0]

    return call


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """Return a folder of sound files, good and bad."""
    folder = tmp_path_factory.mktemp("files")
    tone = 0.2 * np.sin(np.arange(4800) / 20.0)
    soundfile.write(folder / "mono.wav", tone, 48000, "PCM_16")
    soundfile.write(folder / "stereo.flac", np.stack([tone, -tone], 1), 44100, "PCM_24")
    soundfile.write(folder / "float.wav", 8 * tone, 48000, "FLOAT")
    soundfile.write(folder / "seven.wav", np.zeros((100, 7)), 48000)
    soundfile.write(folder / "slow.wav", tone, 4000)
    soundfile.write(folder / "empty.wav", np.zeros(0), 48000)
    soundfile.write(folder / "nan.wav", np.full(100, np.nan), 48000, "FLOAT")
    (folder / "zero.wav").write_bytes(b"")
    (folder / "text.wav").write_text("this is not a sound")
    cut = (folder / "stereo.flac").read_bytes()
    (folder / "cut.flac").write_bytes(cut[: len(cut) // 2])
    (folder / "bad.yaml").write_text("chain:\n  - gain: {gain_db: 400}\n")
    (folder / "key.yaml").write_text("chain:\n  - gain: {gain: 4}\n")
    (folder / "effect.yaml").write_text("chain:\n  - gian\n")
    (folder / "louder.yaml").write_text("chain:\n  - gain: {gain_db: 20}\n")
    (folder / "model.yaml").write_text("chain:\n  - model: {file: text.wav}\n")
    return folder
