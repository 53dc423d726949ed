"""Denoise sound that comes through a socket, piece by piece, without a sound device.

A server cleans int16 at 48 kHz as it arrives and sends it back; a client, here in the same program,
sends frames of 20 ms. With aiortc it is the same: `frame.to_ndarray()` of a received
`av.AudioFrame` goes into `stream.process`, and the result becomes the frame that
`MediaStreamTrack.recv` returns. A pipe of FFmpeg (`-f s16le`) may take the place of the socket.

    python examples/stream_socket.py
"""

from __future__ import annotations

import socket
import threading

import numpy as np

import rtaudio as rt

RATE_HZ, FRAMES = 48000, 960


def serve(connection: socket.socket) -> None:
    """Clean what comes until the other side has finished, and send it back."""
    stream = rt.load_preset("denoise-low-latency").stream(RATE_HZ)
    with connection, connection.makefile("rb") as source:
        while data := source.read(2 * FRAMES):
            connection.sendall(as_int16(stream.process(np.frombuffer(data, np.int16))))
        connection.sendall(as_int16(stream.process(np.zeros(0), last=True)))


def as_int16(sound: np.typing.NDArray[np.floating]) -> bytes:
    """Return sound as 16-bit samples."""
    return (32767 * sound.clip(-1, 1)).astype(np.int16).tobytes()


def send(connection: socket.socket, sound: bytes) -> None:
    """Send sound as it is spoken, frame by frame, and finish."""
    for start in range(0, len(sound), 2 * FRAMES):
        connection.sendall(sound[start : start + 2 * FRAMES])
    connection.shutdown(socket.SHUT_WR)


def main() -> None:
    """Send two seconds of noise, and say how loud they come back."""
    noise = 0.02 * np.random.default_rng(0).standard_normal(2 * RATE_HZ)
    near, far = socket.socketpair()
    threading.Thread(target=serve, args=(far,)).start()
    threading.Thread(target=send, args=(near, as_int16(noise))).start()
    with near, near.makefile("rb") as answer:
        clean = np.frombuffer(answer.read(), np.int16) / 32768
    late_ms = 1000 * (len(clean) - len(noise)) / RATE_HZ
    reduction_db = 20 * np.log10(np.std(noise) / (np.std(clean) + 1e-6))
    print(f"{len(noise)} samples came back {late_ms:.1f} ms late, {reduction_db:.0f} dB softer")


if __name__ == "__main__":
    main()
