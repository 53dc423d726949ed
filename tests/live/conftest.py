"""JACK's dummy driver as a sound card: a steady clock, silent inputs, no hardware."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest


class JackServer:
    """A private jackd with the dummy driver, and scripts that play on it."""

    def __init__(self, block: int = 64, rate: int = 48000) -> None:
        # one name for all: JACK has room for eight servers, and a killed one keeps its place
        self.name = "rtaudio-test"
        self.environment = os.environ | {
            "JACK_DEFAULT_SERVER": self.name,
            "JACK_NO_AUDIO_RESERVATION": "1",
        }
        realtime = ["-R", "-P70"] if self._realtime() else ["--no-realtime"]
        self.realtime = realtime[0] == "-R"
        driver = ["-d", "dummy", "-r", str(rate), "-p", str(block)]
        self.process = subprocess.Popen(
            ["jackd", "-n", self.name, *realtime, *driver],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(100):
            if "system:playback_1" in self.run("jack_lsp").stdout:
                return
            time.sleep(0.05)
        self.stop()
        pytest.skip("jackd does not start here")

    @staticmethod
    def _realtime() -> bool:
        probe = "import os; os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(70))"
        return (
            subprocess.run([sys.executable, "-c", probe], stderr=subprocess.DEVNULL).returncode == 0
        )

    def run(self, *command: str, timeout: float = 20) -> subprocess.CompletedProcess[str]:
        """Run a command with this server as the default one."""
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=timeout
        )

    def script(self, code: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a Python script with this server as the default one."""
        return self.command(sys.executable, "-c", code, *arguments)

    def command(self, *words: str) -> subprocess.Popen[str]:
        """Start a command with this server as the default one."""
        return subprocess.Popen(
            words,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def vanish(self) -> None:
        """Kill the server: for its clients the device is gone."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End the server properly."""
        self.process.terminate()
        self.process.wait()


@pytest.fixture
def jack() -> Iterator[Callable[..., JackServer]]:
    """Return ``start(block=64, rate=48000) -> JackServer``; skips where jackd is not installed."""
    if shutil.which("jackd") is None:
        pytest.skip("jackd is not installed (package jackd2)")
    servers: list[JackServer] = []

    def start(block: int = 64, rate: int = 48000) -> JackServer:
        servers.append(JackServer(block, rate))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def free_udp_port() -> int:
    """Return a UDP port of this machine that nobody uses."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
