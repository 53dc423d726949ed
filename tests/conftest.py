"""The command line inside this process; and the reasons to skip tests on some machines."""

from __future__ import annotations

import html
import json
import os
import shutil
import subprocess
import time
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

import pytest
from _pytest.runner import runtestprotocol

# Before NumPy and PyTorch are loaded: idle threads of theirs spin, and tests run side by side.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from rtaudio.cli import main

DATA = Path(os.environ.get("RTAUDIO_DATA") or Path(__file__).parents[2] / "shared" / "data")


REAL_TIME = (
    "analysis/test_tuner.py",
    "bridge/test_live.py",
    "cli/test_capture.py",
    "cli/test_denoise.py",
    "cli/test_errors.py",
    "cli/test_run_report.py",
    "cli/test_start.py",
    "cli/test_verbs.py",
    "codec/test_bad_input.py",
    "codec/test_call.py",
    "codec/test_verbs.py",
    "control/midi/test_midi_control.py",
    "control/test_api.py",
    "control/test_assisted.py",
    "control/test_keyboard.py",
    "control/test_model.py",
    "control/test_osc.py",
    "control/test_page.py",
    "control/test_server.py",
    "control/test_tonal_balance.py",
    "control/test_session.py",
    "effects/test_denoise.py",
    "effects/test_separate_live.py",
    "live",
    "runtime/test_engine.py",
    "runtime/test_worker.py",
    "test_errors.py",
    "test_examples.py",
    "test_knobs.py",
)
"""Tests that play in real time: they run one by one, the others side by side."""

STEADY = (
    "codec/test_call.py",
    "effects/test_denoise.py",
    "effects/test_separate_live.py",
    "live",
)
"""Tests that judge what was played: they need a machine that runs all the time."""

MOST_STOLEN = 0.01
"""Share of the time of all processors that a machine may lose to its neighbours."""
TRIES = 3


HERE = Path(__file__).parent


@cache
def _is_among(path: Path, names: tuple[str, ...]) -> bool:
    """Say whether a file is one of those, or lies in a folder that is."""
    return any(path.is_relative_to(HERE / name) for name in names)


def pytest_ignore_collect(collection_path, config):
    """Leave out files whose tests ``-m realtime`` or ``-m "not realtime"`` would all deselect."""
    wanted = {"realtime": True, "not realtime": False}.get(config.option.markexpr)
    if wanted is None or collection_path.suffix != ".py":
        return None
    return _is_among(collection_path, REAL_TIME) != wanted or None


def pytest_collection_modifyitems(items):
    missing = {}
    if shutil.which("jackd") is None:
        missing["jack"] = "jackd is not installed (package jackd2)"
    if not DATA.is_dir():
        missing["data"] = f"no recordings in {DATA}; RTAUDIO_DATA may name another folder"
    for item in items:
        for names, marker in ((REAL_TIME, "realtime"), (STEADY, "steady")):
            if _is_among(item.path, names):
                item.add_marker(marker)
        for marker, reason in missing.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


# -- a virtual machine whose neighbours take its time ----------------------------------------------


def _stolen_s() -> float:
    """Return the seconds that other machines have taken from the processors of this one."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0.0
    return int(stat.read_text().split(maxsplit=9)[8]) / os.sysconf("SC_CLK_TCK")


def pytest_runtest_protocol(item, nextitem):
    """Repeat a real-time test that failed while the machine did not run.

    One that needs a steady machine is skipped when it has not had one in any of its tries. The
    kernel counts that time (``steal`` in ``/proc/stat``); the load of this machine is not in it.
    """
    if item.get_closest_marker("realtime") is None:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for left in reversed(range(TRIES)):
        began_s, stolen_s = time.monotonic(), _stolen_s()
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        lost = (_stolen_s() - stolen_s) / ((time.monotonic() - began_s) * (os.cpu_count() or 1))
        failed = [report for report in reports if report.failed]
        if not failed or lost < MOST_STOLEN:
            break
        if left:
            item._initrequest()
    if failed and lost >= MOST_STOLEN and item.get_closest_marker("steady"):
        reason = f"failed while {100 * lost:.0f} % of the machine's time was taken from it: "
        line = str(getattr(failed[0].longrepr, "reprcrash", failed[0].longrepr)).splitlines()[0]
        for report in failed:
            report.outcome = "skipped"
            report.longrepr = (str(item.path), item.location[1] or 0, reason + line)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@pytest.fixture(autouse=True)
def ordinary_priority():
    """Give real-time priority back: whoever calls the callback gets it, and all that he starts."""
    yield
    if hasattr(os, "sched_setscheduler") and os.sched_getscheduler(0) != os.SCHED_OTHER:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@pytest.fixture(scope="session")
def data_folder():
    return DATA


class Answer(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def cli(capfd, monkeypatch):
    """Return ``cli(*words) -> (status, out, err)``."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words):
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(word) for word in words])
        return Answer(end.value.code, *capfd.readouterr())

    return call


@pytest.fixture
def refused(cli):
    """Return ``refused(*words) -> line``: asserts exit status 2 and one line on stderr."""

    def call(*words):
        answer = cli(*words)
        lines = answer.err.splitlines()
        assert answer.status == 2, answer
        assert len(lines) == 1, answer
        assert lines[0].startswith("error: ")
        assert "Traceback" not in lines[0]
        assert answer.out == ""
        return lines[0]

    return call


# -- pages, in a real browser ----------------------------------------------------------------------

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_MEASURE = """
const seen = frame => {
  const page = frame.contentDocument, shown = page.documentElement;
  const box = element => element.getBoundingClientRect();
  return {
    width: frame.clientWidth,
    scroll: shown.scrollWidth,
    audio: [...page.querySelectorAll("audio")].map(a => [box(a).width, box(a).height]),
    buttons: [...page.querySelectorAll("button")].map(b => [box(b).width, box(b).height]),
    images: [...page.images].map(i => [i.naturalWidth, box(i).width]),
    wide: [...page.body.querySelectorAll("*")]
      .filter(e => box(e).right > frame.clientWidth + 1 && !e.parentElement.closest("table, pre"))
      .map(e => e.outerHTML.slice(0, 80)),
  };
};
onload = () => { document.body.dataset.seen =
  JSON.stringify([...document.querySelectorAll("iframe")].map(seen)); };
"""


class Look(NamedTuple):
    """What a page looks like at one width: sizes in pixels, and what sticks out to the right."""

    width: int
    scroll: int
    audio: list[list[float]]
    buttons: list[list[float]]
    images: list[list[float]]
    wide: list[str]


class _Seen(HTMLParser):
    def handle_starttag(self, tag, attrs):
        if tag == "body":
            self.looks = [Look(**look) for look in json.loads(dict(attrs)["data-seen"])]


def _look_at(page: Path, picture: Path, widths: tuple[int, ...] = (1280, 390)) -> list[Look]:
    """Open a page at each width, side by side; skips where there is no Chromium.

    Parameters
    ----------
    page
        The HTML file.
    picture
        Where the screenshot goes.
    widths
        In CSS pixels.
    """
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        pytest.skip("no browser to look at pages with (Debian: apt install chromium)")
    text = html.escape(page.read_text("utf-8"))
    frames = "".join(
        f'<iframe style="border:0;width:{width}px;height:2400px" srcdoc="{text}"></iframe>'
        for width in widths
    )
    around = picture.with_suffix(".html")
    around.write_text(
        f'<!doctype html><body style="margin:0;white-space:nowrap">{frames}'
        f"<script>{_MEASURE}</script>",
        "utf-8",
    )
    size = f"--window-size={sum(widths) + 40},2400"
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", size,
               f"--user-data-dir={picture.with_suffix('.profile')}", f"--screenshot={picture}",
               "--dump-dom", around.as_uri()]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    seen = _Seen()
    seen.feed(done.stdout)
    return seen.looks


@pytest.fixture
def look_at():
    """Return ``look_at(page, picture, widths=(1280, 390)) -> [Look, ...]``."""
    return _look_at
