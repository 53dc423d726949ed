"""A simulated network: loss in bursts, jitter, duplicates, reordering, and a limited rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rtaudio.errors import ParameterError, out_of_range

OVERHEAD_BYTES = 28
"""What IPv4 and UDP add to a datagram on the way."""


class Delivery(NamedTuple):
    """A datagram that arrives, and when."""

    arrival_s: float
    datagram: bytes


@dataclass(frozen=True)
class Conditions:
    """How bad a network is.

    Attributes
    ----------
    loss
        Mean share of datagrams that are lost, 0 .. 0.9.
    burst
        Mean number of datagrams lost in a row, 1 or more: the two states of Gilbert (1960). If
        losses are independent, it is ``1 / (1 - loss)``.
    delay_ms
        Constant delay.
    jitter_ms
        Mean of the additional, exponentially distributed delay. It reorders datagrams.
    duplicate
        Share of datagrams that arrive twice, 0 .. 1.
    rate_kbps
        Rate of the narrowest link, headers included; 0: no limit. A datagram that would wait in
        front of it for longer than ``queue_ms`` is cut so that it does not, but for ``keep_bytes``;
        if that does not help, it is lost.
    queue_ms
        Longest wait in front of the link.
    keep_bytes
        First bytes of a datagram that are never cut off.
    """

    loss: float = 0.0
    burst: float = 1.0
    delay_ms: float = 20.0
    jitter_ms: float = 0.0
    duplicate: float = 0.0
    rate_kbps: float = 0.0
    queue_ms: float = 60.0
    keep_bytes: int = 20

    def __post_init__(self) -> None:
        for key, low, high in (
            ("loss", 0.0, 0.9),
            ("burst", 1.0, None),
            ("delay_ms", 0.0, None),
            ("jitter_ms", 0.0, None),
            ("duplicate", 0.0, 1.0),
            ("rate_kbps", 0.0, None),
            ("queue_ms", 0.0, None),
            ("keep_bytes", 0, None),
        ):
            value = getattr(self, key)
            if not (value >= low and (high is None or value <= high)):
                raise ParameterError(out_of_range(f"network.{key}", value, low, high))


class Network:
    """Delivers datagrams as a network would; the same seed does the same.

    Parameters
    ----------
    conditions
        How bad it is; may be replaced while it runs.
    seed
        Start of the random numbers.

    Examples
    --------
    >>> network = Network(Conditions(delay_ms=30))
    >>> network.send(b"codes", 1.0)
    [Delivery(arrival_s=1.03, datagram=b'codes')]
    """

    def __init__(self, conditions: Conditions, seed: int = 0) -> None:
        self.conditions = conditions
        self._random = np.random.default_rng(seed)
        self._losing = False
        self._free_s = 0.0

    def send(self, datagram: bytes, now_s: float) -> list[Delivery]:
        """Return the deliveries of a datagram: none if it is lost, two if it is duplicated.

        Parameters
        ----------
        datagram
            What is sent.
        now_s
            When; never earlier than in the call before.
        """
        told = self.conditions
        if self._lost(told):
            return []
        left_s = now_s
        if told.rate_kbps > 0.0:
            datagram, left_s = self._narrow(told, datagram, now_s)
            if not datagram:
                return []
        copies = 1 + (self._random.random() < told.duplicate)
        jitter_s = self._random.exponential(told.jitter_ms / 1000.0, copies)
        return [Delivery(left_s + told.delay_ms / 1000.0 + float(j), datagram) for j in jitter_s]

    def _lost(self, told: Conditions) -> bool:
        """Advance the two states: good, where nothing is lost, and bad, where everything is."""
        leave = 1.0 / told.burst
        enter = min(1.0, leave * told.loss / (1.0 - told.loss))
        chance = 1.0 - leave if self._losing else enter
        self._losing = bool(self._random.random() < chance)
        return self._losing

    def _narrow(self, told: Conditions, datagram: bytes, now_s: float) -> tuple[bytes, float]:
        """Return what passes the link, and when it has passed; nothing if the queue is full."""
        start_s = max(now_s, self._free_s)
        room_s = now_s + told.queue_ms / 1000.0 - start_s
        room = int(room_s * 125.0 * told.rate_kbps) - OVERHEAD_BYTES
        if room < min(told.keep_bytes, len(datagram)):
            return b"", now_s
        datagram = datagram[:room]
        self._free_s = start_s + (len(datagram) + OVERHEAD_BYTES) / (125.0 * told.rate_kbps)
        return datagram, self._free_s
