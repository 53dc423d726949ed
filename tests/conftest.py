"""What the machine must have for some tests; where it has not, they say so."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

DATA = Path(os.environ.get("RTAUDIO_DATA") or Path(__file__).parents[2] / "shared" / "data")


def pytest_collection_modifyitems(items):
    missing = {}
    if shutil.which("jackd") is None:
        missing["jack"] = "jackd is not installed (package jackd2)"
    if not DATA.is_dir():
        missing["data"] = f"no recordings in {DATA}; RTAUDIO_DATA may name another folder"
    for item in items:
        for marker, reason in missing.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def data_folder():
    return DATA
