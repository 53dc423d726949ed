"""A whole training set in a folder: random takes, and a capture that is one tanh."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

RATE = 48000
TAKES = ("one", "two", "three", "four")


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Tiny nets lose more by waiting for a second thread than it gives them."""
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")
    torch.set_num_threads(1)


@pytest.fixture
def no_pictures(monkeypatch):
    """Pictures and report take longer than a tiny guitar run."""
    for name in ("plots.loss_curve", "plots.comparison", "save_clips", "write_report"):
        monkeypatch.setattr(f"training.guitar.task.{name}", lambda *_: None)


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """Folder with takes/, tanh.nam and run.yaml; `rewrite(**changes)` changes top-level keys."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("RTAUDIO_DATA", raising=False)
    (tmp_path / "takes").mkdir()
    for seed, name in enumerate(TAKES):
        noise = np.random.default_rng(seed).standard_normal(6000)
        dry = np.convolve(noise, np.ones(8) / 8, "same") * np.linspace(0.2, 1, 6000)
        soundfile.write(tmp_path / "takes" / f"{name}.flac", 0.5 * dry, RATE, subtype="PCM_24")
    # rechannel, tap, bias, mixer, 1x1, bias, head, scale: 0.5 * tanh(3 x)
    weights = [1.0, 3.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.5]
    array = {
        "input_size": 1,
        "condition_size": 1,
        "head_size": 1,
        "channels": 1,
        "kernel_size": 1,
        "dilations": [1],
        "activation": "Tanh",
        "gated": False,
        "head_bias": False,
    }
    (tmp_path / "tanh.nam").write_text(
        json.dumps(
            {
                "version": "0.5.0",
                "architecture": "WaveNet",
                "weights": weights,
                "config": {"layers": [array], "head": None, "head_scale": 0.5},
            }
        )
    )
    return Workspace(tmp_path)


class Workspace:
    def __init__(self, folder):
        self.folder = folder
        self.path = folder / "run.yaml"
        self.content = {
            "name": "tanh",
            "description": "",
            "license": "Apache-2.0",
            "folder": str(folder / "run"),
            "data": {
                "root": ".",
                "takes": "takes",
                "teacher": "tanh.nam",
                "source": "noise",
                "license": "CC0",
                "train": ["one", "two"],
                "validation": ["three"],
                "test": ["four"],
            },
            "net": {"type": "lstm", "hidden": 4},
            "schedule": {
                "epochs": 4,
                "batch": 4,
                "learning_rate": 0.02,
                "excerpt_samples": 1024,
                "truncate_samples": 128,
                "warmup_samples": 64,
            },
        }
        self.rewrite()

    def rewrite(self, **changes):
        self.content = {**self.content, **changes}
        self.path.write_text(yaml.safe_dump(self.content))
        return self.path

    def section(self, name, **changes):
        return self.rewrite(**{name: {**self.content[name], **changes}})


@pytest.fixture
def write_run(tmp_path, monkeypatch):
    """`write_run(**content)`: the configuration of a run in the folder ``run``, as a file."""
    monkeypatch.delenv("RTAUDIO_DATA", raising=False)

    def written(**content):
        common = {"name": "tiny", "description": "", "license": "Apache-2.0", "source": "tones"}
        path = tmp_path / "run.yaml"
        path.write_text(yaml.safe_dump({**common, "folder": str(tmp_path / "run"), **content}))
        return path

    return written


@pytest.fixture
def ctrl_c():
    """`ctrl_c()`: what the key does, even where the tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def killed():
    """`killed(function, wanted)`: call a function in a process that gets SIGKILL in the midst.

    It happens right after the first file is in its place for which ``wanted(path)`` holds. Returns
    whether it did.
    """
    if not hasattr(os, "fork"):
        pytest.skip("this system cannot fork")

    def call(function, wanted):
        child = os.fork()
        if child == 0:
            written = os.replace

            def replace(source, target):
                written(source, target)
                if wanted(Path(target)):
                    os.kill(os.getpid(), signal.SIGKILL)

            try:
                os.replace = replace
                function()
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL

    return call
