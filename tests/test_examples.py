"""Every example runs, without hardware, and stands in the documentation."""

from __future__ import annotations

import ast
import re
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = {file.stem: file for file in sorted((ROOT / "examples").glob("*.py"))}
CLOCK = ["--device", "clock"]
ARGUMENTS = {
    "clean_recording": ["--limit-db", "12"],
    "play_live": [*CLOCK, "--seconds", "0.3"],
    "remote_control": ["--seconds", "0.3"],
    "record_run": [*CLOCK, "--seconds", "0.3"],
    "swap_presets": [*CLOCK, "--seconds", "0.2"],
    "watch_statistics": [*CLOCK, "--seconds", "0.3"],
}
"""How each is run here; the others without a word."""


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs(name, tmp_path, monkeypatch, capsys):
    if name == "scale_out":
        pytest.importorskip("ray", reason="Ray is not installed: pip install 'rtaudio[ray]'")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(EXAMPLES[name]), *ARGUMENTS.get(name, [])])
    runpy.run_path(str(EXAMPLES[name]), run_name="__main__")
    assert capsys.readouterr().out


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_short_says_how_to_run_it_and_is_documented(name):
    text = EXAMPLES[name].read_text("utf-8")
    assert text.count("\n") < 60
    assert re.search(rf"^ +python examples/{name}\.py", ast.get_docstring(ast.parse(text)), re.M)
    page = (ROOT / "docs" / "examples.md").read_text("utf-8")
    assert f'--8<-- "examples/{name}.py"' in page


def test_the_documentation_has_no_example_that_is_gone():
    page = (ROOT / "docs" / "examples.md").read_text("utf-8")
    assert set(re.findall(r'--8<-- "examples/(\w+)\.py"', page)) == EXAMPLES.keys()
