"""The house: no import points upward or in a circle, and strings import in known places only."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

BY_STRING = {
    "rtaudio/bridge/__init__.py": "public names are imported when they are first used",
    "rtaudio/control/__init__.py": "public names are imported when they are first used",
    "rtaudio/__init__.py": "public names are imported when they are first used",
    "rtaudio/effects/registry.py": "a file in this folder is an effect",
    "rtaudio/cli/extra.py": "training and export need the extra `train`",
    "training/models/__init__.py": "a configuration names a net or a teacher of the user's own",
}


def sources():
    for package in ("rtaudio", "export", "training", "benchmarks"):
        yield from sorted((ROOT / package).rglob("*.py"))


def imports_by_string(path):
    """Calls of importlib.import_module and __import__ in a file."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in ("import_module", "__import__"):
                yield node


def test_the_layers_of_pyproject_are_kept():
    """The contracts stand in [tool.importlinter]; lazy imports count."""
    code = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_a_circle_and_an_arrow_upward_are_found(tmp_path):
    """The check is no formality: it fails for a package that breaks the rules."""
    package = tmp_path / "house"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "low.py").write_text("def f():\n    from house import high\n    return high\n")
    (package / "high.py").write_text("import house.low\n")
    (tmp_path / "pyproject.toml").write_text(
        '[tool.importlinter]\nroot_package = "house"\n'
        '[[tool.importlinter.contracts]]\nname = "layers"\ntype = "layers"\n'
        'layers = ["house.high", "house.low"]\n'
        '[[tool.importlinter.contracts]]\nname = "circles"\ntype = "acyclic_siblings"\n'
        'ancestors = ["house"]\n'
    )
    code = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "2 broken" in done.stdout


def test_strings_import_only_where_it_is_needed():
    found = {
        path.relative_to(ROOT).as_posix() for path in sources() if list(imports_by_string(path))
    }
    assert found == set(BY_STRING)


def test_import_rtaudio_and_a_live_run_never_import_torch():
    code = (
        "import sys, rtaudio as rt\n"
        "with rt.Host(rt.load_preset('crunch'), device='clock') as host: host.wait(0.05)\n"
        "print('torch' in sys.modules, 'training' in sys.modules, 'export' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"] * 3


def test_runtime_knows_nothing_of_the_rest():
    for path in sorted((ROOT / "rtaudio" / "runtime").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rtaudio"):
                assert node.module.startswith("rtaudio.runtime"), path
