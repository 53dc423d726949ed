"""Outputs that cannot encode every character: the work is done, and the status says so."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import soundfile

from rtaudio.view.terminal import print_table


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
def test_a_name_that_cannot_be_printed_is_no_failure(files, tmp_path, encoding):
    done = subprocess.run(
        [sys.executable, "-m", "rtaudio", "render", "bypass", files / "mono.wav", "日本.wav"],
        env=os.environ | {"PYTHONIOENCODING": encoding}, cwd=tmp_path, capture_output=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert b"??.wav: " in done.stdout
    assert soundfile.info(tmp_path / "日本.wav").frames == 4800


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_table_is_printed_to_its_end(encoding):
    code = (
        "from rtaudio.cli import _print_any_text; from rtaudio.view.terminal import print_table\n"
        "_print_any_text(); print_table('ギター', ['é', 'b'], [('日', 1), ('end', 2)])"
    )
    env = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"end" in done.stdout


def test_a_terminal_of_utf_8_shows_all(capfd):
    print_table("ギター", ["é"], [("日",)])
    assert "ギター" in capfd.readouterr().out
