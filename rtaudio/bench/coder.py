"""Coder: what a codec must do to be measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]


class Coded(NamedTuple):
    """A recording in coded form.

    Attributes
    ----------
    packets
        The payloads of all packets, as they are sent.
    file
        The same as a file.
    encode_us
        Time that each packet took, ``[packets]``.
    """

    packets: list[bytes]
    file: bytes
    encode_us: NDArray[np.float64]


class Decoded(NamedTuple):
    """A decoded recording.

    Attributes
    ----------
    sound
        float64 ``[frames]`` or ``[2, frames]``, aligned with the original and as long.
    decode_us
        Time that each packet took, ``[packets]``.
    """

    sound: Signal
    decode_us: NDArray[np.float64]


class Coder(Protocol):
    """A codec at one bitrate."""

    @property
    def codec(self) -> str:
        """Name of the codec."""

    @property
    def kbps(self) -> float:
        """Nominal bitrate in kbit/s."""

    @property
    def rate_hz(self) -> int:
        """Sample rate at which it codes; other recordings are resampled."""

    @property
    def packet_ms(self) -> float:
        """Duration of a packet."""

    @property
    def latency_ms(self) -> float:
        """Algorithmic latency: the packet, and what encoder and decoder add to it."""

    def encode(self, x: Signal, rate_hz: int) -> Coded:
        """Encode a recording.

        Parameters
        ----------
        x
            ``[frames]``, or ``[2, frames]`` for a codec of two channels.
        rate_hz
            Its sample rate.
        """

    def decode(self, packets: Sequence[bytes | None], rate_hz: int, samples: int) -> Decoded:
        """Decode packets.

        Parameters
        ----------
        packets
            Payloads; None for a lost one.
        rate_hz, samples
            Sample rate and length of the result.
        """
