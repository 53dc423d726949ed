"""Providers: another one than the CPU plays in a worker, reproduces the model, or gives way.

No GPU is needed: `cuda` is a session of the CPU here, as far as it is found at all.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from rtaudio.cli import doctor
from rtaudio.effects.model import Model
from rtaudio.errors import ParameterError
from rtaudio.models import loader
from rtaudio.preset.load import load_preset
from rtaudio.runtime.onnx_runtime import OnnxRuntimeError, api
from rtaudio.runtime.onnx_session import Session
from rtaudio.runtime.worker import worker_latency_samples
from rtaudio.shipped import shipped_models

CRUNCH = shipped_models()["crunch"]
NOISE = np.random.default_rng(0).uniform(-0.3, 0.3, 9600).astype(np.float32)


@pytest.fixture
def cuda(monkeypatch):
    """Let the CPU play where CUDA is asked for; models are loaded anew."""
    used = []
    monkeypatch.setattr(type(api()), "use_cuda", lambda ort, options: used.append(options))
    monkeypatch.setattr(type(api()), "has_cuda", True)
    loader._load.cache_clear()
    yield used
    loader._load.cache_clear()


@pytest.fixture
def no_cuda():
    loader._load.cache_clear()
    yield
    loader._load.cache_clear()


def test_it_plays_in_a_worker_with_a_constant_latency(cuda):
    program = Model(CRUNCH, provider="cuda").compile(48000, 64, in_channels=1)
    assert cuda
    assert program.latency_samples == worker_latency_samples(64, 64)


def test_it_renders_as_the_cpu_does(cuda):
    wanted = Model(CRUNCH, engine="onnx")(NOISE, 48000)
    np.testing.assert_array_equal(Model(CRUNCH, provider="cuda")(NOISE, 48000), wanted)
    assert cuda


def test_sessions_of_two_providers_are_two(cuda):
    model = loader.load_model(CRUNCH)
    own, other = (model.node(64, provider=provider) for provider in ("cpu", "cuda"))
    if model.engine == "native":
        own = model.node(64, engine="onnx")
    assert own.record["session"] != other.record["session"]


@pytest.mark.skipif(api().has_cuda, reason="this ONNX Runtime has CUDA")
def test_without_it_the_cpu_plays_and_one_line_says_why(no_cuda):
    with pytest.raises(OnnxRuntimeError, match="has no CUDA"):
        Session(CRUNCH.read_bytes(), "cuda")
    with pytest.warns(RuntimeWarning, match=r"crunch\.onnx: plays on the CPU") as told:
        first, wet = (Model(CRUNCH, provider="cuda")(NOISE, 48000) for _ in range(2))
    assert len(told) == 1
    np.testing.assert_array_equal(first, wet)
    assert "\n" not in str(told[0].message)
    np.testing.assert_array_equal(wet, Model(CRUNCH)(NOISE, 48000))


def test_one_that_computes_something_else_is_not_used(cuda, monkeypatch):
    model = loader.load_model(CRUNCH)
    monkeypatch.setattr(model, "_golden_error", lambda make: 0.1)
    with pytest.warns(RuntimeWarning, match="does not reproduce the golden vector"):
        assert model.usable_provider("cuda") == "cpu"


def test_it_is_a_key_of_presets(tmp_path, cuda):
    preset = tmp_path / "amp.yaml"
    preset.write_text(f"chain: [model: {{file: {CRUNCH}, provider: cuda}}]")
    assert load_preset(preset)[0].provider == "cuda"
    with pytest.raises(ParameterError, match="worker = False"):
        Model(CRUNCH, provider="cuda", worker=False)


def test_the_doctor_measures_each_model_and_sees_two_packages(cuda, monkeypatch):
    monkeypatch.setattr("rtaudio.shipped.shipped_models", lambda: {"crunch": CRUNCH})
    [found] = doctor._check_gpu()
    assert found.what == "GPU, crunch"
    assert "pay" in found.found
    monkeypatch.setattr(doctor, "_is_installed", lambda package: True)
    [both] = doctor._check_packages()
    assert both.state == "red"
    assert both.advice.endswith("pip install onnxruntime-gpu")
    monkeypatch.setattr(doctor, "_is_installed", lambda package: package == "onnxruntime")
    assert list(doctor._check_packages()) == []


def test_a_runtime_without_cuda_is_told(monkeypatch):
    monkeypatch.setattr(type(api()), "has_cuda", False)
    [found] = doctor._check_gpu()
    assert found.state == "green"
    assert "no CUDA" in found.found


def test_a_warning_is_one_line_of_the_command(cli, monkeypatch):
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    assert cli("--version").status == 0
    assert warnings.formatwarning("no\nGPU", RuntimeWarning, "file.py", 7) == "no GPU\n"
