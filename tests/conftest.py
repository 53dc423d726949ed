"""The command line inside this process; and the reasons to skip tests on some machines."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from rtaudio.cli import main

DATA = Path(os.environ.get("RTAUDIO_DATA") or Path(__file__).parents[2] / "shared" / "data")


REAL_TIME = (
    "analysis/test_tuner.py",
    "cli",
    "codec/test_bad_input.py",
    "codec/test_call.py",
    "codec/test_verbs.py",
    "control",
    "effects/test_denoise.py",
    "live",
    "runtime",
    "test_errors.py",
    "test_examples.py",
    "test_knobs.py",
)
"""Tests that play in real time: they run one by one, the others side by side."""


def pytest_collection_modifyitems(items):
    missing = {}
    if shutil.which("jackd") is None:
        missing["jack"] = "jackd is not installed (package jackd2)"
    if not DATA.is_dir():
        missing["data"] = f"no recordings in {DATA}; RTAUDIO_DATA may name another folder"
    here = Path(__file__).parent
    alone = [here / name for name in REAL_TIME]
    for item in items:
        if any(item.path.is_relative_to(place) for place in alone):
            item.add_marker("realtime")
        for marker, reason in missing.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def data_folder():
    return DATA


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
