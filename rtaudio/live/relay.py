"""Relay: a bad network on this machine, to hear and to test what it does to a call."""

from __future__ import annotations

import heapq
import socket
import threading
import time
from types import TracebackType

from rtaudio.codec.network import Conditions, Network
from rtaudio.live.outgoing import Address

_WAIT_S = 0.2
_LONGEST_DATAGRAM = 65536


class Relay:
    """Takes datagrams at a port of this machine, and hands them on as a network would.

    Parameters
    ----------
    target
        Host and port that they are meant for.
    conditions
        How bad the network is; :attr:`conditions` may be assigned while it runs.
    seed
        Start of the random numbers.

    Examples
    --------
    >>> with Relay(("127.0.0.1", 5004), Conditions(delay_ms=30.0)) as relay:
    ...     relay.address[0]
    '127.0.0.1'
    """

    def __init__(self, target: Address, conditions: Conditions, seed: int = 0) -> None:
        self._target, self._network = target, Network(conditions, seed)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._due: list[tuple[float, int, bytes]] = []
        self._count = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)

    @property
    def address(self) -> Address:
        """Host and port to send to."""
        host, port = self._socket.getsockname()
        return str(host), int(port)

    @property
    def conditions(self) -> Conditions:
        """How bad the network is."""
        return self._network.conditions

    @conditions.setter
    def conditions(self, conditions: Conditions) -> None:
        self._network.conditions = conditions

    def start(self) -> Relay:
        """Begin."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """End; what is still on its way is lost."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._deliver()
            wait_s = self._due[0][0] - time.monotonic() if self._due else _WAIT_S
            self._socket.settimeout(min(_WAIT_S, max(1e-4, wait_s)))
            try:
                datagram = self._socket.recv(_LONGEST_DATAGRAM)
            except OSError:  # nothing for a while; or the target refused a former one
                continue
            for delivery in self._network.send(datagram, time.monotonic()):
                self._count += 1
                heapq.heappush(self._due, (delivery.arrival_s, self._count, delivery.datagram))

    def _deliver(self) -> None:
        """Send what is due."""
        while self._due and self._due[0][0] <= time.monotonic():
            _, _, datagram = heapq.heappop(self._due)
            try:
                self._socket.sendto(datagram, self._target)
            except OSError:  # the target is gone, and may come back
                continue

    def __enter__(self) -> Relay:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
