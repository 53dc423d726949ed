"""Limits of the site: how much a visitor may bring, and how long it stays."""

from __future__ import annotations

import ipaddress
import time
from collections import deque
from typing import NamedTuple

HOUR_S = 3600.0


class Limits(NamedTuple):
    """What the site takes.

    Attributes
    ----------
    file_mib
        Largest upload.
    minutes
        Longest song.
    uploads_per_hour
        From one address.
    disk_gib
        Most that all songs and stems take.
    keep_hours
        From the end of a job until it is removed.
    """

    file_mib: int = 512
    minutes: float = 20.0
    uploads_per_hour: int = 100
    disk_gib: float = 20.0
    keep_hours: float = 24.0


class UploadRate:
    """Counts the uploads of the last hour, for each address.

    An IPv6 address counts with all of its /64 network, as one visitor has as many as he likes.

    Parameters
    ----------
    per_hour
        How many there may be from one.

    Examples
    --------
    >>> rate = UploadRate(1)
    >>> rate.wait_s("192.0.2.1", now_s=0.0), rate.wait_s("192.0.2.1", now_s=600.0)
    (0.0, 3000.0)
    """

    def __init__(self, per_hour: int) -> None:
        self._per_hour = per_hour
        self._times: dict[str, deque[float]] = {}

    def wait_s(self, address: str, now_s: float | None = None) -> float:
        """Count an upload and return 0, or return the time until there may be one.

        Parameters
        ----------
        address
            Where it comes from.
        now_s
            The time; None: that of the monotonic clock.
        """
        now = time.monotonic() if now_s is None else now_s
        self._forget(now)
        times = self._times.setdefault(_network(address), deque())
        if len(times) >= self._per_hour:
            return times[0] + HOUR_S - now
        times.append(now)
        return 0.0

    def _forget(self, now: float) -> None:
        for network, times in list(self._times.items()):
            while times and times[0] <= now - HOUR_S:
                times.popleft()
            if not times:
                del self._times[network]


def _network(address: str) -> str:
    try:
        number = ipaddress.ip_address(address)
    except ValueError:
        return address
    if number.version == 4:
        return address
    return str(ipaddress.ip_network(f"{number.compressed.partition('%')[0]}/64", strict=False))
