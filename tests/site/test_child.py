"""Processes of their own: they are limited, ended in time, and never outlive who started them."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
import soundfile

from rtaudio.errors import RtaudioError
from rtaudio.site.child import Child


@pytest.fixture
def waiting(tmp_path, program):
    """The order of a job that waits for ever."""
    (tmp_path / "job").mkdir()
    soundfile.write(tmp_path / "job" / "song.wav", [0.0] * 100, 8000)
    recipe = program("wait", tmp_path / "gate").recipe
    return {"folder": str(tmp_path / "job"), "recipe": recipe}


def test_patience_ends(waiting):
    child = Child("stems", **waiting)
    with pytest.raises(RtaudioError, match="took longer than 0 s"):
        child.result(0.2)
    assert child._process.returncode == -signal.SIGKILL
    child.kill()  # too late, and harmless


@pytest.mark.skipif(sys.platform != "linux", reason="macOS does not limit the address space")
def test_memory_is_limited_for_good():
    code = (
        "import resource; from rtaudio.site.song import _limit, MEMORY_BYTES as most\n"
        "_limit(resource.RLIMIT_AS, most)\n"
        "assert resource.getrlimit(resource.RLIMIT_AS) == (most, most)\n"
        "try: bytearray(most)\n"
        "except MemoryError: print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("refused\n", "")
