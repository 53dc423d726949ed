"""The first seconds of every verb: help at once, a word at once, and nothing that hangs."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import textwrap
import time

import pytest

from docs.generate import verbs
from rtaudio.devices.answer import answered
from rtaudio.errors import DeviceError
from rtaudio.runtime.kernel_cache import Progress
from rtaudio.view import terminal

HEAVY = ("numpy", "numba", "scipy", "onnx", "onnxruntime", "pydantic", "yaml", "rich", "torch",
         "soundfile", "sounddevice", "matplotlib")  # fmt: skip


def python(code, **options):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False,
        **options,
    )  # fmt: skip


def test_help_of_no_verb_loads_a_heavy_package():
    done = python(f"""
        import sys
        from rtaudio.cli import main
        for words in {[["--version"], ["--help"], *([*v.split(), "--help"] for v in verbs())]}:
            try: main(words)
            except SystemExit as end: assert end.code == 0, words
            heavy = set({HEAVY}) & set(sys.modules)
            assert not heavy or words == ["--version"], (words, heavy)
    """)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("verb", ["", *verbs()])
def test_help_fits_80_columns_and_is_never_cut(cli, verb):
    text = cli(*verb.split(), "--help").out
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert not any(line.rstrip().endswith("...") for line in lines[1:])  # after the usage
    assert sum("Example: " in line for line in lines) == (1 if verb else 0)
    assert "\x1b" not in text


def test_help_after_words_of_the_verb_is_help(cli):
    assert "Usage: rtaudio run " in cli("run", "crunch", "--block", "64", "--help").out
    assert "Usage: rtaudio codec send " in cli("--debug", "codec", "send", "--help").out


def test_help_of_an_unknown_verb_is_an_error(refused):
    assert "Did you mean 'render'" in refused("rnder", "--help")


@pytest.mark.parametrize(
    "words", [["run", "no-such", "--device", "clock"], ["denoise", "a.wav", "b.wav"],
              ["render", "no-such", "a.wav", "b.wav"], ["inspect", "no-such.onnx"]]
)  # fmt: skip
def test_on_a_terminal_the_first_word_comes_before_the_loading(words, tmp_path):
    done = python(f"""
        import sys
        from rtaudio.cli import main
        from rtaudio.view import terminal
        sys.stderr.isatty = lambda: True
        loaded = []
        say = terminal.remark
        def remark(text):
            loaded.append((text, {{"numba", "onnxruntime"}} & set(sys.modules)))
        terminal.remark = remark
        try: main({words})
        except SystemExit: pass
        text, heavy = loaded[0]
        assert text.startswith("loading ") and text.endswith(" ..."), text
        assert not heavy, heavy
    """, cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_nothing_is_said_into_a_pipe(capsys):
    terminal.say_loading("crunch")
    assert capsys.readouterr() == ("", "")


def test_the_kernel_that_is_compiled_is_shown_and_removed(monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr(sys, "stderr", out)
    terminal._say_compiling(Progress("limiter.limit", 3, 40))
    terminal._say_compiling(None)
    first, last = out.getvalue().split("\r\x1b[K")[1:]
    assert first == "compiling, only this once: kernel 3 of at most 40, limiter.limit"
    assert last == ""


# -- devices ---------------------------------------------------------------------------------------


def test_devices_that_hang_are_given_up(tmp_path):
    (tmp_path / "sounddevice.py").write_text("import time\ntime.sleep(60)\n")
    code = """
        from rtaudio.devices import portaudio
        from rtaudio.cli import main
        portaudio.ANSWER_S = 0.5
        main(["devices"])
    """
    path = os.pathsep.join([str(tmp_path), *sys.path])
    done = python(code, env=os.environ | {"PYTHONPATH": path}, timeout=50)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: a sound server or driver does not answer (0.5 s); restart it")


def test_what_a_call_raises_is_returned():
    error = answered(lambda: 1 / 0, limit_s=5.0)
    assert isinstance(error, ZeroDivisionError)
    with pytest.raises(DeviceError, match="does not answer"):
        answered(lambda: time.sleep(3), limit_s=0.1)
