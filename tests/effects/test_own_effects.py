"""Effects of users: defined in a program, a notebook or stdin, or offered by another package."""

from __future__ import annotations

import importlib
import linecache
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import rtaudio as rt
from rtaudio.effects.base import parameter
from rtaudio.effects.registry import known_kinds

ROOT = Path(__file__).parents[2]


class Halver(rt.Effect):
    """Softer by as much as one likes."""

    depth_db: float = parameter(6.0, 0.0, 20.0, "dB", "by how much")

    def build(self, builder, x, slots):
        return rt.Gain(-self.depth_db).build(builder, x, rt.Gain(-self.depth_db).publish(builder))


KERNEL = """
import numpy as np
import rtaudio as rt
from rtaudio.effects.base import parameter, slots_at
from rtaudio.runtime.abi import Node, kernel, state_dtype
from rtaudio.runtime.words import address_of, struct_at

class Scale(rt.Effect):
    factor: float = parameter(2.0, 0.0, 9.0, "", "what to multiply by")
    def build(self, builder, x, slots):
        return builder.run(Node(scale, params=slots), x)

STATE = state_dtype()
_state_at, _slots_at = struct_at(STATE), slots_at(Scale)

@kernel(STATE)
def scale(state, src, dst, frames):
    s = _state_at(address_of(state))
    factor = _slots_at(s.params).factor
    for channel in range(s.channels):
        for i in range(frames):
            dst[channel * s.stride + i] = factor * src[channel * s.stride + i]
    return 0

played = float(rt.Chain(Scale(3.0))(np.ones(8), 48000)[-1])
"""


@pytest.fixture
def preset(tmp_path):
    def write(text):
        path = tmp_path / "preset.yaml"
        path.write_text(text, "utf-8")
        return path

    return write


def test_a_subclass_loads_from_a_preset_and_is_saved_in_one(preset, tmp_path):
    chain = rt.load_preset(preset("chain: [halver: {depth_db: 12}]"))
    assert chain == rt.Chain(Halver(12))
    rt.save_preset(chain, tmp_path / "saved.yaml")
    assert rt.load_preset(tmp_path / "saved.yaml") == chain
    with pytest.raises(rt.PresetError, match=r"halver\.depth_db = 99 is out of range 0 \.\. 20 dB"):
        rt.load_preset(preset("chain: [halver: {depth_db: 99}]"))
    with pytest.raises(rt.PresetError, match="unknown effect 'halfer'; did you mean 'halver'"):
        rt.load_preset(preset("chain: [halfer]"))


def test_of_two_classes_of_a_kind_the_later_definition_counts(preset):
    def define(low):
        class Redefined(rt.Effect):
            low: float = parameter(0.0, 0.0, 1.0, "", "x")

            def build(self, builder, x, slots):
                return x

        return Redefined

    first, second = define(0), define(1)
    assert type(rt.load_preset(preset("chain: [redefined]"))[0]) is second
    assert first is not second


def test_a_kind_that_presets_know_as_another_effect_is_not_saved(tmp_path):
    mine = type("Gain", (Halver,), {"__module__": __name__})
    with pytest.raises(rt.PresetError, match="presets know another effect as 'gain'; rename"):
        rt.save_preset(rt.Chain(mine()), tmp_path / "mine.yaml")
    assert not (tmp_path / "mine.yaml").exists()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Install a package that offers effects through entry points."""

    def install(source, points):
        folder = tmp_path / "site"
        about = folder / "fuzzes-1.0.dist-info"
        about.mkdir(parents=True)
        (folder / "fuzzes.py").write_text(source, "utf-8")
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: fuzzes\nVersion: 1.0\n")
        lines = "".join(f"{name} = {value}\n" for name, value in points.items())
        (about / "entry_points.txt").write_text(f"[rtaudio.effects]\n{lines}")
        monkeypatch.syspath_prepend(str(folder))
        importlib.invalidate_caches()

    yield install
    sys.modules.pop("fuzzes", None)


FUZZ = """
import rtaudio as rt
class BigFuzz(rt.Effect):
    def build(self, builder, x, slots):
        return x
"""


def test_another_package_offers_an_effect(package, preset):
    package(FUZZ, {"big_fuzz": "fuzzes:BigFuzz"})
    assert "big_fuzz" in known_kinds()
    assert "fuzzes" not in sys.modules
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chain = rt.load_preset(preset("chain: [big_fuzz]"))
    assert chain[0].kind == "big_fuzz"


@pytest.mark.parametrize(
    ("point", "value", "source", "reason"),
    [
        ("worn_fuzz", "fuzzes:WornFuzz", FUZZ, "AttributeError: .*WornFuzz"),
        ("worn_fuzz", "fuzzes:WornFuzz", "1/0", "ZeroDivisionError: division by zero"),
        ("worn_fuzz", "fuzzes:WornFuzz", "WornFuzz = 3", ".* is not a subclass of rtaudio.Effect"),
        ("other_fuzz", "fuzzes:BigFuzz", FUZZ, "its name must be .* BigFuzz: big_fuzz"),
    ],
)
def test_a_broken_one_is_a_warning_of_one_line(package, preset, point, value, source, reason):
    package(source, {point: value})
    with (
        pytest.warns(
            RuntimeWarning, match=f"^fuzzes: .*{point}.* cannot be loaded: .*{reason}"
        ) as told,
        pytest.raises(rt.PresetError, match=f"unknown effect '{point}'"),
    ):
        rt.load_preset(preset(f"chain: [{point}]"))
    assert "\n" not in str(told[0].message)
    assert rt.load_preset(preset("chain: [gain]"))


def test_a_kernel_from_stdin_plays():
    done = subprocess.run(
        [sys.executable, "-"], input=KERNEL + "print(played)", text=True, capture_output=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    assert done.stdout == "3.0\n", done.stderr


@pytest.mark.parametrize(
    "name", ["<ipython-input-3-0123456789ab>", "<string>", "/tmp/ipykernel_9/7.py"]
)
def test_a_kernel_from_a_notebook_plays_and_the_next_edit_counts(name):
    for factor in (2.0, 4.0):
        source = KERNEL.replace("factor * src", f"{factor} * src")
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
        cell = {"__name__": "__main__"}
        exec(compile(source, name, "exec"), cell)
        assert cell["played"] == factor
    del linecache.cache[name]
