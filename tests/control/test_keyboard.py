"""Keys of a real terminal: what they are, what they do to a run, and what is left behind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time

import pytest

from rtaudio.control.controls import FIRST_S, REPEAT_S, Controls
from rtaudio.control.keyboard import parse_keys
from rtaudio.effects.chain import Chain
from rtaudio.effects.equalizer import Equalizer
from rtaudio.effects.gain import Gain
from rtaudio.live.host import Host


@pytest.mark.parametrize(
    ("text", "keys", "rest"),
    [
        ("bm q", ["b", "m", " ", "q"], ""),
        ("\x1b[A\x1b[B\x1b[C\x1b[D", ["up", "down", "right", "left"], ""),
        ("\x1bOA+", ["up", "+"], ""),
        ("\x1b[1;5A\x1b[3~-", ["-"], ""),
        ("m\x1b", ["m"], "\x1b"),
        ("m\x1b[1;", ["m"], "\x1b[1;"),
        ("\x1bb", ["b"], ""),
    ],
)
def test_keys_are_parsed(text, keys, rest):
    assert parse_keys(text) == (keys, rest)


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_sequence_may_come_in_pieces(cut):
    text = "b\x1b[A\x1b[1;5Bm\x1b[D"
    keys, rest = parse_keys(text[:cut])
    more, rest = parse_keys(rest + text[cut:])
    assert keys + more == ["b", "up", "m", "left"]
    assert rest == ""


# -- what they do ----------------------------------------------------------------------------------


@pytest.fixture
def host():
    chain = Chain([Gain(name="in"), Equalizer(name="eq")], name="all")
    with Host(chain, "clock") as host:
        yield host


def test_arrows_choose_and_change_within_the_range(host):
    controls = Controls(host)
    assert controls.chosen == "in.gain_db"
    for key in ("up", "+", "="):
        controls.press(key, 0.0)
    assert host.parameters()["in.gain_db"].value == pytest.approx(3.0)
    controls.press("right", 0.0)
    frequency = controls.chosen
    assert frequency == "eq.low_cut_hz"
    before = host.parameters()[frequency]
    for _ in range(500):
        controls.press("down", 0.0)
    assert host.parameters()[frequency].value == pytest.approx(before.low)
    for _ in range(500):
        controls.press("up", 0.0)
    assert host.parameters()[frequency].value == pytest.approx(before.high)
    controls.press("left", 0.0)
    assert controls.chosen == "in.gain_db"


def test_b_bypasses_the_whole_chain_and_back(host):
    controls = Controls(host)
    chain = host._program.plan.controls["all.bypass"].owner
    controls.press("b", 0.0)
    assert chain.bypass
    controls.press("b", 0.0)
    assert not chain.bypass


def test_the_space_bar_talks_while_it_repeats(host):
    """As a terminal sends a held key: one, after half a second many, then no more."""
    host.muted = True
    controls = Controls(host)
    presses = [0.0, *(0.5 + 0.03 * k for k in range(20))]
    for now in presses:
        controls.tick(now)
        controls.press(" ", now)
        assert not host.muted
    controls.tick(presses[-1] + REPEAT_S - 0.01)
    assert not host.muted
    controls.tick(presses[-1] + REPEAT_S + 0.01)
    assert host.muted
    controls.press(" ", 10.0)
    controls.tick(10.0 + FIRST_S - 0.01)
    assert not host.muted
    controls.tick(10.0 + FIRST_S + 0.01)
    assert host.muted
    controls.press("m", 20.0)
    controls.press(" ", 20.0)
    controls.tick(30.0)
    assert not host.muted


# -- a whole run on a terminal ---------------------------------------------------------------------

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")


class Run:
    """``rtaudio run`` on a pseudo-terminal of its own."""

    def __init__(self, *words):
        import pty

        self.master, slave = pty.openpty()
        self.before = self.modes(slave)
        self.slave = slave
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rtaudio", "run", *map(str, words), "--device", "clock"],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            preexec_fn=lambda: __import__("fcntl").ioctl(0, __import__("termios").TIOCSCTTY, 0),
            env=os.environ | {"TERM": "xterm", "COLUMNS": "120", "LINES": "40"},
        )  # fmt: skip
        self.text = ""

    @staticmethod
    def modes(descriptor):
        import termios

        return termios.tcgetattr(descriptor)[:4]

    def until(self, pattern, seconds=60.0):
        """Read what is shown until it matches."""
        import select

        end = time.monotonic() + seconds
        while not re.search(pattern, self.text):
            assert time.monotonic() < end, self.text[-2000:]
            if select.select([self.master], [], [], 0.1)[0]:
                self.text += os.read(self.master, 65536).decode("utf-8", "replace")
        self.text = ""

    def type(self, text):
        os.write(self.master, text.encode())

    def ended(self):
        """Drain the terminal until the process has ended; returns its status."""
        import select

        end = time.monotonic() + 30.0
        while self.process.poll() is None:
            assert time.monotonic() < end
            if select.select([self.master], [], [], 0.1)[0]:
                self.text += os.read(self.master, 65536).decode("utf-8", "replace")
        return self.process.returncode


@posix
def test_a_run_obeys_its_keys_and_leaves_the_terminal_as_it_was(tmp_path):
    preset = tmp_path / "two.yaml"
    preset.write_text("name: two\nchain:\n  - gain: {name: input, gain_db: 1}\n  - limiter\n")
    run = Run(preset)
    run.until(r"‹ input.gain_db 1 dB ›")
    assert run.modes(run.slave) != run.before
    run.type("++")
    run.until(r"‹ input.gain_db 3 dB ›")
    run.type("\x1b[C")
    run.until(r"limiter.ceiling_db")
    run.type("b")
    run.until("BYPASS")
    run.type("m")
    run.until("MUTED")
    run.type(" ")
    run.until("TALK")
    run.until("MUTED")
    run.type("q")
    assert run.ended() == 0
    assert run.modes(run.slave) == run.before


@posix
def test_a_run_saves_compares_tunes_and_steps(tmp_path):
    for name, gain_db in (("one", 1), ("two", 2)):
        text = f"name: {name}\nchain:\n  - gain: {{name: input, gain_db: {gain_db}}}   # mine\n"
        (tmp_path / f"{name}.yaml").write_text(text)
    run = Run(tmp_path)
    run.until(r"‹ input.gain_db 1 dB ›   one A")
    run.type("a+")
    run.until(r"‹ input.gain_db 2 dB ›   one B")
    run.type("s")
    run.until(r"saved as .*one-2\.yaml")
    run.type("a")
    run.until(r"‹ input.gain_db 1 dB ›   one A")
    run.type("[")
    run.until(r"‹ input.gain_db 2 dB ›   two A")
    run.type("t")
    run.until("TUNER, MUTED")
    run.until("play one string")
    run.type("q")
    assert run.ended() == 0
    assert "saved: " in run.text
    saved = (tmp_path / "one-2.yaml").read_text()
    assert saved == "name: one-2\nchain:\n  - gain: {name: input, gain_db: 2.0}   # mine\n"


@posix
@pytest.mark.parametrize("end", ["SIGINT", "SIGTERM", "SIGQUIT"])
def test_a_signal_leaves_the_terminal_as_it_was(end):
    import signal

    run = Run("bypass", "--muted")
    run.until("MUTED")
    assert run.modes(run.slave) != run.before
    run.process.send_signal(getattr(signal, end))
    assert run.ended() == 0
    assert run.modes(run.slave) == run.before
