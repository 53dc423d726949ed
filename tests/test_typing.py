"""Users' programs under ``mypy --strict``: the pages', the examples, good ones, and wrong ones."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy", reason="needs the extra dev")

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", "docs/guides/python.md"]


@pytest.fixture(scope="module")
def check(request):
    """Return ``check(files) -> [(file name, line, message)]``: what a user's mypy says."""
    cache = request.config.cache.mkdir("mypy")

    def run(*files):
        done = subprocess.run(
            [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={cache}",
             "--follow-imports=silent", "--no-error-summary", "--hide-error-context", *files],
            capture_output=True, text=True, env=os.environ | {"MYPYPATH": str(ROOT)},
            cwd=Path(files[0]).parent,
        )  # fmt: skip
        assert done.returncode in (0, 1), done.stdout + done.stderr
        found = re.findall(r"^(.*?):(\d+): error: (.*)$", done.stdout, re.MULTILINE)
        return [(Path(name).name, int(line), message) for name, line, message in found]

    return run


def test_programs_of_users_have_no_error(check, tmp_path):
    programs = [ROOT / "tests" / "typed" / "good.py", *sorted((ROOT / "examples").glob("*.py"))]
    for page in PAGES:
        blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.S | re.M)
        program = tmp_path / f"{Path(page).stem.lower()}_page.py"
        program.write_text("\n".join(blocks), "utf-8")
        programs.append(program)
    assert check(*programs) == []


def test_a_wrong_program_has_an_error_in_every_wrong_line(check):
    program = ROOT / "tests" / "typed" / "wrong.py"
    lines = program.read_text("utf-8").splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if line.endswith("# error")}
    assert len(wrong) > 15
    assert {line for _, line, _ in check(program)} == wrong
