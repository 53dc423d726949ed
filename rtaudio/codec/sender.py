"""The sending end as plain logic: from codes to datagrams."""

from __future__ import annotations

import secrets

import numpy as np

from rtaudio.codec.codes import NOT_SENT, Codes
from rtaudio.codec.noise_shape import NoiseShape
from rtaudio.codec.packets import MAX_FRAMES, MAX_PACKETS_BACK, Copy, pack, pack_noise
from rtaudio.codec.rtp import FRAME_TICKS, PAYLOAD_TYPE, Extension, RtpPacket
from rtaudio.errors import ParameterError, out_of_range

MODEL_PROFILE = 0x5254
"""Header extension that names the model: 8 bytes of its SHA-256."""

ANNOUNCED_FRAMES = 50
"""The model is named in the first packet, and then once a second."""

REFRESH_FRAMES = 8
"""In a pause a comfort noise is sent at its start, and then every 160 ms."""


class Sender:
    """Makes RTP packets of frames.

    Parameters
    ----------
    model_id
        8 bytes that identify the model; empty: they are not sent.
    frames_per_packet
        1 .. 16.
    copy_books
        Books of the coarse copy of earlier frames in every packet; 0: no redundancy.
    packets_back
        How far back the copy reaches, 1 .. 4 packets: as long a burst of losses is repaired.
    payload_type
        RTP payload type of the session.

    Examples
    --------
    >>> sender = Sender(frames_per_packet=2)
    >>> [len(datagram) for frame in range(4) for datagram in sender.frame(np.arange(12))]
    [43, 43]
    """

    def __init__(
        self,
        model_id: bytes = b"",
        *,
        frames_per_packet: int = 1,
        copy_books: int = 0,
        packets_back: int = 1,
        payload_type: int = PAYLOAD_TYPE,
    ) -> None:
        for key, value, low, high in (
            ("frames_per_packet", frames_per_packet, 1, MAX_FRAMES),
            ("packets_back", packets_back, 1, MAX_PACKETS_BACK),
        ):
            if not low <= value <= high:
                raise ParameterError(out_of_range(key, value, low, high))
        self._frames, self._copy_books, self._back = frames_per_packet, copy_books, packets_back
        self._payload_type = payload_type
        self._model = Extension(MODEL_PROFILE, model_id) if model_id else None
        self._ssrc, start = secrets.randbits(32), secrets.randbits(31)
        self._sequence = start & 0x7FFF
        self._index = start // FRAME_TICKS
        self._announce = 0
        self._queue: list[Codes] = []
        self._sent: list[Codes] = []
        self._pausing = 0
        self._marker = True

    @property
    def number(self) -> int:
        """Number of the next frame: its time stamp in frames, as the receiver counts them."""
        return self._index

    def frame(self, codes: Codes) -> list[bytes]:
        """Take the codes of a frame; return the packet that became complete with it, if any.

        The number of books may change in every frame; those of one packet are sent with the
        fewest of its frames.

        Parameters
        ----------
        codes
            int64 ``[books]``, the most significant first; -1 for books that are not sent.
        """
        self._pausing = 0
        self._queue.append(codes[codes != NOT_SENT])
        self._index += 1
        return self._flush() if len(self._queue) == self._frames else []

    def pause(self, noise: NoiseShape) -> list[bytes]:
        """Take a frame of silence; return what is due: the last frames, and a comfort noise.

        Parameters
        ----------
        noise
            The background.
        """
        due = self._flush()
        self._sent, self._marker = [], True
        self._index += 1
        if self._pausing % REFRESH_FRAMES == 0:
            due.append(self._datagram(pack_noise(noise), self._index - 1, marker=False))
        self._pausing += 1
        return due

    def _flush(self) -> list[bytes]:
        """Return the frames that wait as a packet."""
        if not self._queue:
            return []
        frames, books = len(self._queue), min(len(column) for column in self._queue)
        codes = np.stack([column[:books] for column in self._queue], axis=1)
        self._queue = []
        payload = pack(codes, self._copy(codes))
        self._sent = [*self._sent, codes][-self._back :]
        marker, self._marker = self._marker, False
        return [self._datagram(payload, self._index - frames, marker=marker)]

    def _copy(self, codes: Codes) -> Copy | None:
        """Return the redundancy for a packet."""
        if len(self._sent) < self._back:
            return None
        earlier = self._sent[0][: min(self._copy_books, len(codes))]
        fits = earlier.size and earlier.shape[1] == codes.shape[1]
        return Copy(earlier, self._back) if fits else None

    def _datagram(self, payload: bytes, index: int, *, marker: bool) -> bytes:
        named = index >= self._announce
        if named:
            self._announce = index + ANNOUNCED_FRAMES
        packet = RtpPacket(
            self._sequence,
            FRAME_TICKS * index,
            self._ssrc,
            payload,
            self._payload_type,
            marker,
            self._model if named else None,
        )
        self._sequence += 1
        return packet.to_bytes()
