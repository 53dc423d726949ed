"""The capture folder: dry.wav, wet.wav, capture.json and capture.png."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from rtaudio.atomic import may_write
from rtaudio.audio.writer import write_audio
from rtaudio.capture.note import FILE
from rtaudio.capture.picture import draw
from rtaudio.capture.recording import Recording
from rtaudio.errors import CaptureError


def save_recording(recording: Recording, folder: Path, force: bool = False) -> None:
    """Write the capture folder, completely or not at all.

    Parameters
    ----------
    recording
        The recording to write.
    folder
        A new folder; with ``force``, also an older capture, which is replaced.
    force
        Write a recording even if the checks refused it, and replace an older capture.

    Raises
    ------
    CaptureError
        The checks refused the recording.
    OSError
        The folder cannot be written, or exists and is not a capture.
    """
    if recording.refusal is not None and not force:
        raise CaptureError(f"{recording.refusal} (to keep it nevertheless: --force)")
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
    """Check that a capture folder can be written, before the long work begins.

    Parameters
    ----------
    folder, force
        As for `save_recording`.

    Raises
    ------
    OSError
        It cannot be written; the message says why.
    """
    if not folder.parent.is_dir():
        raise FileNotFoundError(f"{folder}: the folder {folder.parent} does not exist; create it")
    if folder.exists():
        if not (folder / FILE).is_file():
            raise FileExistsError(f"{folder}: exists and is not a capture; choose another name")
        may_write(folder, force)
    if not os.access(folder.parent, os.W_OK):
        raise PermissionError(f"{folder}: not writable; choose another place")
