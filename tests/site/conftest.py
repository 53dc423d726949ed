"""A site that is served, with a fake program as its separator."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from onnx import TensorProto, helper, numpy_helper

from rtaudio.models.contract.card import GOLDEN_SAMPLES, Card, Golden
from rtaudio.models.contract.metadata import write_metadata

pytest.importorskip("fastapi", reason="the extra `web` is not installed")
httpx = pytest.importorskip("httpx", reason="httpx is not installed")
if sys.platform == "win32":
    pytest.skip("the site needs Linux or macOS", allow_module_level=True)

from rtaudio.site.backends import Backend  # noqa: E402
from rtaudio.site.limits import Limits  # noqa: E402
from rtaudio.site.server import SiteServer  # noqa: E402
from rtaudio.site.site import Site  # noqa: E402

FAKE = Path(__file__).with_name("fake_separator.py")
PATIENCE_S = 300.0
LIMITS = Limits()
RATE_HZ = 44100


def _program(*how):
    words = [sys.executable, str(FAKE), "{song}", "{out}", *map(str, how)]
    return Backend(title=f"The {how[0]}", command=words, progress=r"(\d+)%")


@pytest.fixture(scope="session")
def program():
    """Return ``program(how, ...) -> Backend``."""
    return _program


def _until(condition):
    end = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.15)
    return found


@pytest.fixture(scope="session")
def net(tmp_path_factory):
    """A separator whose stems are a quarter and three quarters of the song, without any delay."""
    shares = np.repeat([0.25, 0.75], 2).astype(np.float32)[None, :, None]
    golden = np.zeros((2, GOLDEN_SAMPLES), np.float32)
    sides = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, width, "frames"])
             for name, width in (("audio", 2), ("audio_out", 4))]  # fmt: skip
    nodes = [helper.make_node("Concat", ["audio", "audio"], ["twice"], axis=1),
             helper.make_node("Mul", ["twice", "shares"], ["audio_out"])]  # fmt: skip
    constant = numpy_helper.from_array(shares, "shares")
    graph = helper.make_graph(nodes, "shares", sides[:1], sides[1:], [constant])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    card = Card(
        name="shares", task="separate", stems=("vocals", "other"), rate_hz=RATE_HZ, channels=(2, 4),
        hop=0, latency_samples=0, license="Apache-2.0", provenance={"data": "none"},
    )  # fmt: skip
    write_metadata(proto, card, Golden(golden, np.zeros((4, GOLDEN_SAMPLES), np.float32)))
    path = tmp_path_factory.mktemp("net") / "shares.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


@pytest.fixture(scope="session")
def until():
    """Return ``until(condition)``, which waits for it."""
    return _until


def _alive(process):
    """Whether a process runs; a dead one that nobody has asked about is a zombie."""
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return not Path("/proc/self").exists()


@pytest.fixture(scope="session")
def alive():
    """Return ``alive(process id) -> bool``."""
    return _alive


@pytest.fixture(scope="session")
def song():
    """A WAV file of half a second, in stereo."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (RATE_HZ // 2, 2))
    file = io.BytesIO()
    soundfile.write(file, noise, RATE_HZ, "FLOAT", format="WAV")
    return file.getvalue()


class Visitor(httpx.Client):
    """A browser's calls, with its cookie."""

    def bring(self, content, name="song.wav", backend="copy", **options):
        where = {"name": name, "backend": backend}
        return self.post("/api/jobs", params=where, content=content, **options)

    def job(self, token):
        return self.get(f"/api/jobs/{token}").json()

    def ended(self, token):
        return _until(lambda: (job := self.job(token))["state"] in ("ready", "failed") and job)


@pytest.fixture
def serve(tmp_path):
    """Return ``serve(backends, limits, jobs) -> a function that returns visitors``."""
    with contextlib.ExitStack() as stack:

        def start(limits=LIMITS, jobs=1, folder=tmp_path / "site", **backends):
            told = []
            backends = backends or {"copy": _program("copy")}
            site = stack.enter_context(Site(folder, backends, limits, jobs, told.append))
            server = stack.enter_context(SiteServer(site, 0))

            def visitor():
                return stack.enter_context(Visitor(base_url=server.link, timeout=PATIENCE_S))

            visitor.site, visitor.told, visitor.link = site, told, server.link
            return visitor

        yield start


@pytest.fixture
def connect():
    """Return ``connect(link) -> Visitor``."""
    with contextlib.ExitStack() as stack:
        yield lambda link: stack.enter_context(Visitor(base_url=link, timeout=PATIENCE_S))
