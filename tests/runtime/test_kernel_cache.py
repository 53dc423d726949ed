"""The disk cache of kernels: damaged, full, read-only and missing places never stop a program."""

from __future__ import annotations

import os
import resource
import runpy
import shutil
import signal
import subprocess
import sys

import numba
import pytest

from rtaudio.runtime import folders, kernel_cache

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX rights and limits")

OWN = """
from rtaudio.runtime.jit import jit
from rtaudio.runtime.kernel_cache import watch

@jit
def twice(x):
    return 2 * x

seen = []
watch(seen.append)
assert twice(21) == 42
watch(None)
compiled = len([progress for progress in seen if progress])
if __name__ == "__main__":
    print(compiled)
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(OWN)
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch):
    place = tmp_path / "cache" / "version"
    monkeypatch.setattr(kernel_cache, "cache_folder", lambda: place)
    return place


@pytest.fixture
def compiled(script, folder):
    """Return ``compiled() -> number of functions that had to be compiled``."""
    return lambda: runpy.run_path(str(script))["compiled"]


def files(folder):
    return [file for file in folder.rglob("*") if file.is_file()]


def test_code_is_compiled_once(compiled, folder):
    assert [compiled(), compiled()] == [1, 0]
    (file,) = files(folder)
    assert file.suffix == ".kernel"


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: whole[: len(whole) // 2],
        lambda whole: bytes(len(whole)),
        lambda whole: whole[:-1000] + bytes(1000),
        lambda whole: whole[:2000] + bytes([whole[2000] ^ 1]) + whole[2001:],
        lambda whole: b"\x80\x05N.",
    ],
    ids=["empty", "cut", "zeroed", "end lost", "a bit turned", "of another program"],
)
def test_a_damaged_file_is_compiled_again_and_mended(compiled, folder, damage):
    compiled()
    (file,) = files(folder)
    file.write_bytes(damage(file.read_bytes()))
    assert [compiled(), compiled()] == [1, 0]


def test_a_folder_in_the_place_of_a_file_is_no_end(compiled, folder):
    compiled()
    (file,) = files(folder)
    file.unlink()
    file.mkdir()
    assert compiled() == 1


def test_a_full_disk_is_no_end(compiled, folder):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    former = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        assert compiled() == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, former)
    assert files(folder) == []
    assert [compiled(), compiled()] == [1, 0]


def test_a_place_that_is_no_folder_is_no_end(compiled, folder):
    folder.parent.parent.mkdir(exist_ok=True)
    folder.parent.touch()
    assert compiled() == 1


def test_no_place_at_all_is_no_end(compiled, monkeypatch):
    monkeypatch.setattr(kernel_cache, "cache_folder", lambda: None)
    assert compiled() == 1


@pytest.mark.parametrize("setting", ["OPT", "BOUNDSCHECK", "DEBUGINFO_DEFAULT"])
def test_code_made_with_other_settings_of_numba_is_other_code(compiled, monkeypatch, setting):
    assert compiled() == 1
    with monkeypatch.context() as changed:
        changed.setattr(numba.config, setting, 1)
        assert compiled() == 1
    assert compiled() == 0


def test_an_edited_file_is_compiled_again(compiled, script):
    compiled()
    script.write_text(OWN.replace("2 * x", "x + x"))
    assert [compiled(), compiled()] == [1, 0]


def process(script, *, wrapper=(), **variables):
    """Run the script as a process of its own; return what it printed."""
    env = {k: v for k, v in (os.environ | variables).items() if v is not None}
    words = [*wrapper, sys.executable, str(script)]
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return int(done.stdout)


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not installed")
def test_a_filled_read_only_place_is_read_and_nothing_is_left_behind(script, tmp_path):
    place, scratch = tmp_path / "caches", tmp_path / "scratch"
    place.mkdir()
    scratch.mkdir()
    variables = {"XDG_CACHE_HOME": str(place), "TMPDIR": str(scratch), "NUMBA_CACHE_DIR": None}
    rights = "-dac_override,-dac_read_search,-fowner"
    mortal = ("setpriv", f"--bounding-set={rights}") if os.geteuid() == 0 else ()
    place.chmod(0o500)
    try:
        assert process(script, wrapper=mortal, **variables) == 1  # empty, and stays so
        place.chmod(0o700)
        assert process(script, **variables) == 1
        parts = [place, *(f for f in place.rglob("*") if f.is_dir())]
        for part in parts:
            part.chmod(0o500)
        assert process(script, wrapper=mortal, **variables) == 0
    finally:
        for part in (place, *(f for f in place.rglob("*") if f.is_dir())):
            part.chmod(0o700)
    assert list(scratch.iterdir()) == []


def test_a_user_without_a_name_and_a_home_plays(script):
    words = ("unshare", "-U", "--map-user=12345")
    if shutil.which(words[0]) is None or subprocess.run([*words, "true"], check=False).returncode:
        pytest.skip("unshare cannot make a user here")
    lost = {"HOME": None, "XDG_CACHE_HOME": None, "NUMBA_CACHE_DIR": None}
    assert process(script, wrapper=words, **lost) == 1


@pytest.mark.parametrize("place", [folders.user_cache, folders.user_settings])
def test_without_a_home_there_is_no_place(monkeypatch, place):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    for variable in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "LOCALAPPDATA", "APPDATA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("pathlib.Path.home", homeless)
    assert place() is None


def test_a_disabled_compiler_is_named(tmp_path):
    env = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    words = [sys.executable, "-m", "rtaudio", "render", "bypass", "in.wav", "out.wav"]
    done = subprocess.run(
        words, env=env, capture_output=True, text=True, cwd=tmp_path, check=False
    )  # fmt: skip
    line = done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert done.returncode == 2
    assert line.startswith("error: NUMBA_DISABLE_JIT = 1: ")
