"""The kernels are compiled for arm64 on any machine: NEON, and nothing of x86. None of it runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ELF_AARCH64 = 183


@pytest.fixture(scope="module")
def compiled():
    script = Path(__file__).with_name("cross_compile.py")
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=300, check=False
    )
    if "No available targets" in done.stderr:
        pytest.skip("this llvmlite knows no arm64")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_vectors_are_those_of_neon(compiled):
    assert compiled["lanes"] == 4
    assert compiled["registers"] == 32


@pytest.mark.parametrize("kernel", ["gain", "wavenet", "lstm"])
def test_a_kernel_becomes_an_object_for_arm64(compiled, kernel):
    assert compiled["kernels"][kernel]["machine"] == ELF_AARCH64
    assert compiled["kernels"][kernel]["x86"] == []


@pytest.mark.parametrize("kernel", ["wavenet", "lstm"])
def test_the_nets_multiply_and_add_in_vectors(compiled, kernel):
    assert compiled["kernels"][kernel]["neon"]


def test_denormals_are_flushed_by_the_register_of_arm64(compiled):
    assert compiled["kernels"]["denormals"]["fpcr"]
    assert compiled["kernels"]["denormals"]["x86"] == []
