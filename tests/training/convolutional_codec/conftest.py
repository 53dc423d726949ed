"""The small data folder of the denoisers' tests, whose voices and noises suit a codec, too."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def small_corpus(tmp_path_factory):
    pytest.importorskip("torch", reason="torch is not installed (extra: train)")
    path = Path(__file__).parents[1] / "denoise" / "conftest.py"
    spec = importlib.util.spec_from_file_location("small_corpus", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.make_corpus(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def corpus_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("corpora")
