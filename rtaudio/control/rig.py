"""Rig: what a session plays on and from, which is changed while it plays: device, file, record."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rtaudio.audio.reader import read_audio
from rtaudio.audio.resampler import Resampler
from rtaudio.control.session import Session
from rtaudio.errors import AudioFileError, DeviceError, RtaudioError
from rtaudio.live.host import Host
from rtaudio.live.recorder import Recorder

BLOCKS = (16, 32, 64, 128, 256, 512, 1024, 2048)
LONGEST_S = 1200.0
"""The longest file that is played into the chain; it lies in memory."""


@dataclass(frozen=True)
class RigState:
    """What a session plays on.

    Attributes
    ----------
    device, block, rate_hz
        Name of the device, frames per block, sample rate.
    playing
        Name of the file that plays in place of the input; empty for the input.
    recording_s
        Seconds recorded so far; None while nothing is recorded.
    remark
        What the device made different from what was asked for.
    """

    device: str
    block: int
    rate_hz: int
    playing: str = ""
    recording_s: float | None = None
    remark: str = ""


class Rig:
    """The device, the file that is played in, and the record of a session.

    Parameters
    ----------
    session
        The session; a change of device or block size gives it another host.
    records
        The folder for records.
    device, out_device
        As given to the host.
    options
        Further options of :class:`~rtaudio.Host` that a restart keeps.
    """

    def __init__(
        self,
        session: Session,
        records: Path,
        device: str | int = "clock",
        out_device: str | int | None = None,
        **options: Any,
    ) -> None:
        self._session, self._records = session, records
        self._device: tuple[str | int, str | int | None] = (device, out_device)
        self._options = options
        self._file: tuple[str, Any, int] | None = None
        self._recorder: tuple[Recorder, Path, float] | None = None
        self._lock = threading.RLock()

    @property
    def state(self) -> RigState:
        """What is used now."""
        host, recorder = self._session.host, self._recorder
        return RigState(
            device=host.device_name,
            block=host.block,
            rate_hz=host.rate_hz,
            playing=self._file[0] if self._file else "",
            recording_s=time.monotonic() - recorder[2] if recorder else None,
            remark=host.remark,
        )

    def restart(self, device: str | int | None = None, block: int | None = None) -> None:
        """Play on another device, or with another block size; the chain keeps its settings.

        Parameters
        ----------
        device
            As for :class:`~rtaudio.Host`, for input and output; None: the same.
        block
            Frames per block; None: as many as now.

        Raises
        ------
        DeviceError, RtaudioError
            It cannot be used; the former one plays on.
        """
        with self._lock:
            if self._recorder is not None:
                raise RtaudioError("a record is running; end it first")
            if self._session.host.recording:
                raise RtaudioError("--record writes a file, which a restart would end")
            wanted = self._device if device is None else (device, None)
            with self._session.between_hosts():
                former = self._session.host
                former.stop()
                try:
                    self._begin(former, wanted, block or former.block)
                except (RtaudioError, OSError):
                    self._begin(former, self._device, former.block)
                    raise
            self._device = wanted

    def _begin(self, former: Host, device: tuple[str | int, str | int | None], block: int) -> None:
        """Start a host that plays what the former one did."""
        same = device == self._device
        # channels are those of a device; a source has its rate
        kept = {key: value for key, value in self._options.items()
                if same or key in ("source", "reconnect")}  # fmt: skip
        rate_hz = former.rate_hz if same or kept.get("source") is not None else None
        host = Host(former.effect, device[0], rate_hz, block, out_device=device[1], **kept)
        host.muted, host.trim_db = former.muted, former.trim_db
        host.start()
        self._session.host = host
        if self._file is not None:
            host.play(_at_rate(*self._file[1:], host.rate_hz))

    def play(self, file: Path | None) -> None:
        """Play a sound file over and over into the chain; None: the input of the device again.

        Parameters
        ----------
        file
            A sound file of at most `LONGEST_S` seconds.

        Raises
        ------
        AudioFileError
            It cannot be read, or is too long.
        """
        with self._lock:
            if file is None:
                self._session.host.play(None)
                self._file = None
                return
            audio, rate_hz = read_audio(file)
            if audio.shape[1] > LONGEST_S * rate_hz:
                raise AudioFileError(f"{file.name}: longer than {LONGEST_S / 60:.0f} minutes")
            self._session.host.play(_at_rate(audio, rate_hz, self._session.host.rate_hz))
            self._file = (file.name, audio, rate_hz)

    def start_record(self) -> Path:
        """Record the output from now on.

        Returns
        -------
        pathlib.Path
            The file, which appears when the record ends.

        Raises
        ------
        RtaudioError
            A record is running already.
        """
        with self._lock:
            if self._recorder is not None:
                raise RtaudioError("a record is running already")
            self._records.mkdir(parents=True, exist_ok=True)
            path = self._records / f"{time.strftime('%Y-%m-%d %H-%M-%S')}.wav"
            self._recorder = (self._session.host.record(path), path, time.monotonic())
            return path

    def end_record(self) -> Path | None:
        """End the record.

        Returns
        -------
        pathlib.Path or None
            The file; None if nothing was recorded.

        Raises
        ------
        OSError
            It could not be written.
        """
        with self._lock:
            if self._recorder is None:
                return None
            recorder, path, _ = self._recorder
            self._recorder = None
            recorder.finish()
            return path

    def records(self) -> list[Path]:
        """Return the finished records, the newest first."""
        return sorted(self._records.glob("*.wav"), reverse=True)


def device_names() -> list[dict[str, Any]]:
    """Return the devices that can be chosen, for a list."""
    clock = {"name": "clock", "title": "virtual clock (no hardware)", "inputs": 1, "outputs": 2}
    try:
        from rtaudio.devices.portaudio import list_devices

        found = list_devices()
    except (DeviceError, OSError):
        return [clock]
    cards = [
        {
            "name": str(card.index),
            "title": f"{card.name} ({card.host_api})",
            "inputs": card.inputs,
            "outputs": card.outputs,
        }
        for card in found
    ]
    return [*cards, clock]


def _at_rate(audio: Any, rate_hz: int, wanted_hz: int) -> Any:
    if rate_hz == wanted_hz:
        return audio
    return Resampler(rate_hz, wanted_hz).process(audio, last=True)
