"""The examples of the pages are run: the effect in one file, the Python API, the preset."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import rtaudio as rt
import rtaudio.effects
from rtaudio.effects.registry import effect_kinds
from rtaudio.errors import PresetError
from rtaudio.preset.load import load_preset
from rtaudio.shipped import shipped_presets

ROOT = Path(__file__).parents[1]


def blocks(page, language):
    text = (ROOT / page).read_text("utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def tremolo(tmp_path, monkeypatch):
    """Add the effect of CONTRIBUTING.md to the package, as a file, for one test."""
    (tmp_path / "tremolo.py").write_text(blocks("CONTRIBUTING.md", "python")[0], "utf-8")
    monkeypatch.setattr(rtaudio.effects, "__path__", [*rtaudio.effects.__path__, str(tmp_path)])
    effect_kinds.cache_clear()
    yield rt.Tremolo
    effect_kinds.cache_clear()
    sys.modules.pop("rtaudio.effects.tremolo", None)
    vars(rt).pop("Tremolo", None)


def test_an_effect_in_one_file_plays_in_python_and_in_presets(tremolo, tmp_path):
    dry = np.ones((2, 9600), np.float32)
    wet = tremolo(speed_hz=5.0, depth=1.0)(dry, 48000)
    swing = 0.5 + 0.5 * np.cos(2 * np.pi * 5.0 * np.arange(9600) / 48000)
    np.testing.assert_allclose(wet, [swing, swing], atol=1e-5)
    np.testing.assert_allclose(tremolo(depth=1.0)(dry, 48000, block=17), wet, atol=1e-6)

    preset = tmp_path / "preset.yaml"
    preset.write_text("chain: [tremolo: {depth: 1}]")
    assert load_preset(preset) == rt.Chain([tremolo(depth=1.0)])
    preset.write_text("chain: [tremolo: {depth: 2}]")
    with pytest.raises(PresetError, match=r"tremolo\.depth = 2 is out of range 0 \.\. 1"):
        load_preset(preset)


def test_the_python_of_the_readme_runs():
    for code in blocks("README.md", "python"):
        exec(compile(code, "README.md", "exec"), {})


def test_the_preset_of_the_readme_plays(tmp_path):
    folder = shipped_presets()["bypass"].parent
    for name in ("models", "cabinets"):
        shutil.copytree(folder / name, tmp_path / name)
    (tmp_path / "preset.yaml").write_text(blocks("README.md", "yaml")[0], "utf-8")
    chain = load_preset(tmp_path / "preset.yaml")
    assert chain(np.zeros(480, np.float32), 48000).shape == (2, 480)


@pytest.mark.parametrize("kind", effect_kinds())
def test_every_parameter_stands_in_the_docstring(kind):
    cls = getattr(rt, kind.title().replace("_", ""))
    for name in cls.model_fields.keys() - {"name", "mix", "bypass"}:
        assert re.search(rf"\b{name}\b", cls.__doc__), name


def test_the_readme_names_every_shipped_preset_and_only_real_options():
    text = (ROOT / "README.md").read_text("utf-8")
    for name in shipped_presets():
        assert f"`{name.removesuffix('-light')}`" in text
    source = "".join(p.read_text("utf-8") for p in (ROOT / "rtaudio" / "cli").glob("*.py"))
    for option in set(re.findall(r"(?<![-\w])--([a-z][a-z-]*[a-z])\b", text)) - {"help", "json"}:
        assert f'"--{option}"' in source or f"{option.replace('-', '_')}:" in source
