"""The capture folder: dry.wav, wet.wav, capture.json and a picture, written whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from rtaudio.audio.writer import write_audio
from rtaudio.capture.note import FILE
from rtaudio.capture.picture import draw
from rtaudio.capture.recording import Recording
from rtaudio.errors import CaptureError


def save_recording(recording: Recording, folder: Path, force: bool = False) -> None:
    """Write the capture folder: whole, or not at all.

    Parameters
    ----------
    recording
        What to write.
    folder
        A new folder; or, with ``force``, an older capture, which it replaces.

    Raises
    ------
    CaptureError
        The capture is no good, and ``force`` is not given.
    OSError
        The folder cannot be written, or is there and is not a capture.
    """
    if recording.refusal is not None and not force:
        raise CaptureError(f"{recording.refusal} (--force takes it all the same)")
    check_target(folder, force)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    temporary.mkdir()
    try:
        write_audio(temporary / "dry.wav", recording.take.dry, recording.take.rate_hz)
        write_audio(temporary / "wet.wav", recording.take.aligned, recording.take.rate_hz)
        draw(temporary / "capture.png", recording, folder.name)
        (temporary / FILE).write_text(json.dumps(recording.as_json(), indent=1), "utf-8")
        if folder.exists():
            former = folder.with_name(f".{folder.name}.{os.getpid()}.old")
            os.replace(folder, former)
            os.replace(temporary, folder)
            shutil.rmtree(former)
        else:
            os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_target(folder: Path, force: bool) -> None:
    """Refuse a place where a capture folder cannot be written, before the long work.

    Raises
    ------
    OSError
        With the reason.
    """
    if not folder.parent.is_dir():
        raise FileNotFoundError(f"{folder}: the folder {folder.parent} does not exist; create it")
    if folder.exists():
        if not (folder / FILE).is_file():
            raise FileExistsError(f"{folder}: exists and is not a capture; choose another name")
        if not force:
            raise FileExistsError(f"{folder}: exists; choose another name, or replace it: --force")
    if not os.access(folder.parent, os.W_OK):
        raise PermissionError(f"{folder}: not writable; choose another place")
