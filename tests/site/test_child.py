"""Processes of their own: they are limited, ended in time, and never outlive who started them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import soundfile

from rtaudio.errors import RtaudioError
from rtaudio.site.child import Child


def alive(process):
    """Whether a process runs; a dead one that nobody has asked about is a zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def waiting(tmp_path, program):
    """The order of a job that waits for ever."""
    (tmp_path / "job").mkdir()
    soundfile.write(tmp_path / "job" / "song.wav", [0.0] * 100, 8000)
    gate = tmp_path / "gate"
    return {"folder": str(tmp_path / "job"), "recipe": program("wait", gate).recipe}, gate


def test_a_killed_child_takes_its_program_along(waiting, until):
    order, gate = waiting
    child, faults = Child("stems", **order), []

    def result():
        with pytest.raises(RtaudioError) as caught:
            child.result(100.0)
        faults.append(str(caught.value))

    thread = threading.Thread(target=result)
    thread.start()
    until(gate.with_suffix(".pid").exists)
    child.kill()
    thread.join()
    assert "died" in faults[0]
    until(lambda: not alive(gate.with_suffix(".pid").read_text()))
    child.kill()  # and may be called again


def test_patience_ends(waiting, until):
    order, gate = waiting
    with pytest.raises(RtaudioError, match="took longer than 0 s"):
        Child("stems", **order).result(0.01)
    assert not gate.with_suffix(".pid").exists() or until(
        lambda: not alive(gate.with_suffix(".pid").read_text())
    )


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes in /proc")
def test_nothing_outlives_a_parent_that_was_killed(waiting, until):
    order, gate = waiting
    code = (
        "import json, sys; from rtaudio.site.child import Child; "
        "Child('stems', **json.loads(sys.argv[1])).result(100.0)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, json.dumps(order)])
    until(gate.with_suffix(".pid").exists)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    until(lambda: not alive(gate.with_suffix(".pid").read_text()))


@pytest.mark.skipif(sys.platform != "linux", reason="macOS does not limit the address space")
def test_memory_is_limited_for_good():
    code = (
        "import resource; from rtaudio.site.song import _limit, MEMORY_BYTES\n"
        "_limit(resource.RLIMIT_AS, MEMORY_BYTES)\n"
        "for act in (lambda: bytearray(MEMORY_BYTES), lambda: resource.setrlimit(\n"
        "        resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)):\n"
        "    try: act()\n"
        "    except (MemoryError, ValueError) as error: print(type(error).__name__)\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split()[0] == "MemoryError", done.stderr
