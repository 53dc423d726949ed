"""A VST3 effect that the tests build themselves: Debian has none."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("tiny_vst3.c")


@pytest.fixture(scope="session", autouse=True)
def pedalboard():
    return pytest.importorskip("pedalboard", reason="pedalboard is not installed (its extra)")


@pytest.fixture(scope="session")
def build_vst3(tmp_path_factory):
    """Return ``build(name, *options) -> bundle``; skips where no VST3 can be built."""
    compiler = shutil.which("cc")
    if not sys.platform.startswith("linux") or compiler is None:
        pytest.skip("the VST3 effect of these tests needs Linux and a C compiler")
    folder = tmp_path_factory.mktemp("vst3")
    built = {}

    def build(name, *options):
        if name not in built:
            bundle = folder / f"{name}.vst3"
            binary = bundle / "Contents" / f"{platform.machine()}-linux" / f"{name}.so"
            binary.parent.mkdir(parents=True)
            subprocess.run(
                [compiler, "-shared", "-fPIC", "-O1", *options, "-o", binary, SOURCE, "-lm"],
                check=True,
            )
            built[name] = bundle
        return built[name]

    return build


@pytest.fixture(scope="session")
def tiny(build_vst3):
    """The effect without latency."""
    return build_vst3("Tiny")
