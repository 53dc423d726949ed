"""The caches of training: what is damaged is made again, and a full disk is no end."""

from __future__ import annotations

import resource
import signal
import sys

import numpy as np
import pytest
import soundfile

from training.cache import training_cache
from training.denoise.recordings import decoded
from training.denoise.rooms import Rooms
from training.guitar.data import _cached

DRY = np.linspace(-1, 1, 4000, dtype=np.float32)

DAMAGE = {
    "empty": lambda whole: b"",
    "cut": lambda whole: whole[: len(whole) // 2],
    "zeroed": lambda whole: bytes(len(whole)),
    "of another program": lambda whole: b"GIF89a" + whole,
}


@pytest.fixture
def played(tmp_path, monkeypatch):
    """Return ``played() -> how often the teacher had to play``."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    calls = []

    def teacher(x):
        calls.append(x)
        return x / 2

    def call():
        calls.clear()
        np.testing.assert_array_equal(_cached(teacher, DRY, {}, "teacher"), DRY / 2)
        return len(calls)

    return call


@pytest.mark.parametrize("damage", [*DAMAGE.values()], ids=[*DAMAGE])
def test_a_damaged_render_is_made_again(played, tmp_path, damage):
    assert [played(), played()] == [1, 0]
    (file,) = (tmp_path / "rtaudio" / "renders").iterdir()
    file.write_bytes(damage(file.read_bytes()))
    assert [played(), played()] == [1, 0]


def test_a_render_with_zeros_in_its_middle_is_made_again(played, tmp_path):
    played()
    (file,) = (tmp_path / "rtaudio" / "renders").iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:5000] + bytes(4096) + whole[9096:])
    assert played() == 1


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
def test_a_full_disk_ends_no_training(played, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    former = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
    try:
        assert played() == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, former)
    assert list((tmp_path / "rtaudio" / "renders").iterdir()) == []


@pytest.mark.parametrize("suffix", [".json", ".i16"])
@pytest.mark.parametrize("damage", ["empty", "cut"])
def test_damaged_recordings_are_decoded_again(tmp_path, suffix, damage):
    soundfile.write(tmp_path / "a.wav", DRY, 16_000)
    files = [(tmp_path / "a.wav", [(0.0, np.inf)])]
    first, places = decoded(files, 16_000, tmp_path / "cache", "speech")
    path = first.path.with_suffix(suffix)
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    again, found = decoded(files, 16_000, tmp_path / "cache", "speech")
    assert found == places
    assert len(again) == DRY.size


def test_rooms_that_are_cut_short_are_rendered_again(tmp_path):
    rooms = Rooms.rendered(1, 8000, (0.1, 0.2), tmp_path)
    whole = rooms.path.read_bytes()
    rooms.path.write_bytes(whole[: len(whole) // 2])
    assert Rooms.rendered(1, 8000, (0.1, 0.2), tmp_path).path.read_bytes() == whole


def test_a_user_without_a_home_directory_trains(monkeypatch):
    monkeypatch.setattr("training.cache.user_cache", lambda: None)
    assert training_cache("renders").parts[-2:] == ("rtaudio", "renders")
