"""Opus packet by packet, through PyAV: constant bitrate, libopus's own concealment."""

from __future__ import annotations

from typing import Any

import numpy as np

from rtaudio.analysis.speech import missing_package
from rtaudio.runtime.memory import Floats

RATE_HZ = 48000
LAYOUTS = {1: "mono", 2: "stereo"}
LEAST_KBPS = 6.0
"""Lowest bitrate for which Opus is specified (RFC 6716, 2.1.1)."""

_ONE_FRAME = 0xFC
"""Of the first byte: mode, bandwidth, length and channels, and the count code of one frame."""

_PRE_SKIP = slice(10, 12)
"""Place of the encoder's delay in samples in the header (RFC 7845, 5.1)."""


def load_av() -> Any:
    """Return PyAV.

    Raises
    ------
    MetricsError
        It is not installed.
    """
    try:
        import av
    except ImportError:
        raise missing_package("av") from None
    return av


def set_up(
    context: Any, kbps: float, packet_ms: float, application: str, channels: int = 1
) -> None:
    """Open the codec context of an encoder.

    Parameters
    ----------
    context
        PyAV's, of ``libopus``, not open yet.
    kbps
        Constant bitrate in kbit/s.
    packet_ms
        Duration of a packet.
    application
        ``"voip"``, ``"audio"``, or ``"lowdelay"`` (the restricted low-delay mode).
    channels
        1 or 2.
    """
    context.sample_rate, context.layout, context.format = RATE_HZ, LAYOUTS[channels], "flt"
    context.bit_rate = round(1000 * kbps)
    context.options = {
        "application": application,
        "vbr": "off",
        "frame_duration": f"{packet_ms:g}",
        "compression_level": "10",
    }
    context.open()


def lookahead_samples(context: Any) -> int:
    """Return the delay that an open encoder states, in samples at 48 kHz."""
    return int.from_bytes(context.extradata[_PRE_SKIP], "little")


class OpusEncoder:
    """Encodes packet by packet, in mono.

    Parameters
    ----------
    kbps
        Constant bitrate in kbit/s, 6 or more.
    packet_ms
        Duration of a packet.
    application
        ``"voip"``, ``"audio"``, or ``"lowdelay"`` (the restricted low-delay mode).

    Attributes
    ----------
    lookahead_samples
        Encoder and decoder together are this much late, beside the packet itself.

    Raises
    ------
    MetricsError
        PyAV is not installed.

    Examples
    --------
    >>> encoder, decoder = OpusEncoder(12.0), OpusDecoder()
    >>> packet = encoder.encode(np.zeros(960, np.float32))
    >>> len(packet), decoder.decode(packet).shape, decoder.decode(None).shape
    (30, (960,), (960,))
    """

    def __init__(self, kbps: float, packet_ms: float = 20.0, application: str = "voip") -> None:
        self._av = load_av()
        self._context = self._av.CodecContext.create("libopus", "w")
        set_up(self._context, kbps, packet_ms, application)
        self.lookahead_samples = lookahead_samples(self._context)
        self._samples = 0

    def encode(self, audio: Floats) -> bytes:
        """Return the next packet.

        Parameters
        ----------
        audio
            float32 ``[samples]`` at 48 kHz, as long as a packet.
        """
        frame = self._av.AudioFrame.from_ndarray(audio[np.newaxis], format="flt", layout="mono")
        frame.sample_rate, frame.pts = RATE_HZ, self._samples
        self._samples += audio.size
        [packet] = self._context.encode(frame)
        return bytes(packet)


class OpusDecoder:
    """Decodes packet by packet, and conceals the lost ones.

    Parameters
    ----------
    packet_ms
        Duration of a packet.
    channels
        1 or 2.

    Raises
    ------
    MetricsError
        PyAV is not installed.
    """

    def __init__(self, packet_ms: float = 20.0, channels: int = 1) -> None:
        self._av = load_av()
        self._context = self._av.CodecContext.create("libopus", "r")
        self._context.sample_rate, self._context.layout = RATE_HZ, LAYOUTS[channels]
        samples = round(RATE_HZ * packet_ms / 1000.0)
        self._shape = (samples,) if channels == 1 else (channels, samples)
        self._first_byte: int | None = None

    def decode(self, packet: bytes | None) -> Floats:
        """Return the sound of the next packet.

        Parameters
        ----------
        packet
            None for a lost one. libopus conceals a packet of one frame without data, of the mode
            of the last one, like a packet that did not arrive (RFC 6716, 3.2.1, and
            opus_decode_frame); PyAV has no other way to say that one is lost.

        Returns
        -------
        numpy.ndarray
            float32 at 48 kHz: ``[samples]``, or ``[2, samples]``.
        """
        if packet:
            self._first_byte = packet[0]
        elif self._first_byte is None:
            return np.zeros(self._shape, np.float32)
        else:
            packet = bytes([self._first_byte & _ONE_FRAME])
        frames = [frame.to_ndarray() for frame in self._context.decode(self._av.Packet(packet))]
        channels = self._shape[0] if len(self._shape) > 1 else 1
        # PyAV has the channels in rows, or interleaved in one.
        planar = [x if len(x) == channels else x.reshape(-1, channels).T for x in frames]
        sound = np.concatenate(planar, axis=1)
        sound = sound if channels > 1 else sound[0]
        scale = 32768.0 if sound.dtype == np.int16 else 1.0
        return np.asarray(sound / scale, np.float32)
