"""The figures of encoded and decoded files, as JSON and as a line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtaudio.view import terminal
from rtaudio.view.words import counted, speed_words

if TYPE_CHECKING:
    from rtaudio.batch.coded import Coded


def coded_figures(done: Coded) -> dict[str, Any]:
    """Return the figures of a file for its JSON object."""
    return {
        "audio_seconds": done.duration_s,
        **done._asdict(),
        "payload_kbps": done.payload_kbps,
        "file_kbps": done.file_kbps,
        "payload_ratio": done.payload_ratio,
        "file_ratio": done.file_ratio,
        "real_time_factor": done.seconds / done.duration_s,
    }


def coded_line(target: object, done: Coded) -> str:
    """Return the line about a file."""
    channels = {1: "mono", 2: "stereo"}.get(done.channels, f"{done.channels} channels")
    speed = done.duration_s / done.seconds
    return (
        f"{target}: {done.duration_s:.2f} s, {channels} at {done.rate_hz} Hz, coded in "
        f"{counted(done.file_bytes, 'byte')}, {done.payload_kbps:.2f} kbit/s "
        f"({done.file_kbps:.2f} with headers), {done.payload_ratio:.1f} ({done.file_ratio:.1f}) "
        f"times smaller than 16 bit, {speed_words(speed)}"
    )


def coded_total(done: Sequence[Coded]) -> str:
    """Return the end of the line about a folder."""
    size = sum(o.file_bytes for o in done)
    ratio = sum(o.pcm_bytes for o in done) / size
    return f", coded in {counted(size, 'byte')}, {ratio:.1f} times smaller than 16 bit"


def remark_clipped(target: Path, done: Coded) -> None:
    """Say on stderr if samples were clipped."""
    if done.clipped:
        text = f"{counted(done.clipped, 'sample')} clipped; decode to .wav, which keeps them"
        terminal.remark(f"{target}: {text}")
