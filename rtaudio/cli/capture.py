"""``rtaudio capture``: record gear, to train a model of it."""

from __future__ import annotations

import contextlib
import math
from json import JSONDecodeError
from json import loads as json_of
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from rtaudio.atomic import may_write
from rtaudio.cli.run import Device, Rate, parse_device
from rtaudio.errors import UsageError
from rtaudio.view import terminal
from rtaudio.view.words import counted

if TYPE_CHECKING:
    from rtaudio.capture.player import Progress
    from rtaudio.capture.recording import Recording

_SILENT = 1e-4
_CLIPPED = 0.999
_SIGNAL_HZ = 48_000
_LATENCY_BYTES = 1 << 20
"""Most bytes of a measurement: an hour has 3600 delays."""


def capture(
    out: Annotated[
        Path | None, typer.Argument(metavar="[OUT]", help="The capture folder to write.")
    ] = None,
    dry: Annotated[
        Path | None, typer.Option(help="Play this file instead of the test signal; or see --wet.")
    ] = None,
    wet: Annotated[
        Path | None, typer.Option(help="Play nothing: this is the recording of the played --dry.")
    ] = None,
    signal: Annotated[
        Path | None, typer.Option(help="Write the test signal to this file, for a DAW, and exit.")
    ] = None,
    device: Device = "default",
    rate_hz: Rate = None,
    block: Annotated[int, typer.Option(min=1, max=8192, help="Frames per block.")] = 256,
    in_channel: Annotated[
        int, typer.Option(min=1, help="Input channel that the gear is connected to.")
    ] = 1,
    out_channel: Annotated[
        int, typer.Option(min=1, help="Output channel that the gear is connected to.")
    ] = 1,
    level: Annotated[
        float, typer.Option(min=-60.0, max=0.0, help="Peak of the played signal in dBFS.")
    ] = -12.0,
    latency: Annotated[
        str | None,
        typer.Option(
            metavar="SAMPLES|FILE",
            help="Latency in samples, or the JSON file of `rtaudio latency` (default: measured).",
        ),
    ] = None,
    knob: Annotated[
        list[str] | None,
        typer.Option(help="Setting of a knob of the gear, such as gain=0.5; repeatable."),
    ] = None,
    input_dbu: Annotated[
        float | None, typer.Option(help="Level of a 0 dBFS sine at the interface's output, in dBu.")
    ] = None,
    output_dbu: Annotated[
        float | None, typer.Option(help="Level of a 0 dBFS sine at the interface's input, in dBu.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Keep a bad recording; replace existing files.")
    ] = False,
    json: terminal.Json = False,
) -> None:
    """Record an amp or a pedal, to train a model of it.

    Connect the interface's output to the gear (to an amp through a reamp box), and the gear to the
    interface's input (an amp through a load box or a microphone, never its bare speaker jack).
    Begin with the gear turned down. Set --level so that the gear reacts as it does to your guitar,
    and the interface's input so that the loudest parts stay below full scale.

    With a DAW: write the test signal with --signal, play it through the gear, record the result,
    and give both files with --dry and --wet.
    """
    if signal is not None:
        may_write(signal, force)
        _write_signal(signal, rate_hz or _SIGNAL_HZ)
        return
    if out is None:
        raise UsageError("name the folder to write: rtaudio capture OUT")
    if wet is not None and dry is None:
        raise UsageError(f"--wet {wet}: also give the file that was played: --dry FILE")
    from rtaudio.capture.folder import check_target, save_recording
    from rtaudio.capture.recording import Recording

    knobs = _parse_knobs(knob or [])
    for option, value in (("--input-dbu", input_dbu), ("--output-dbu", output_dbu)):
        if value is not None and not math.isfinite(value):
            raise UsageError(f"{option} {value}: give a level in dBu, such as 12")
    check_target(out, force)
    if dry is not None and wet is not None:
        latency_samples = _parse_latency(latency, None)
        x, y, rate_hz = _read_pair(dry, wet, force)
    else:
        x, rate_hz = _read_dry(dry, rate_hz, device)
        loop = _Loop(device, rate_hz, block, in_channel, out_channel)
        latency_samples = _parse_latency(latency, loop)
        y, gain_db = _record(x, level, loop, force, not json)
        # The dry file keeps its level. It was played by gain_db louder, so 0 dBFS in it stands for
        # a level at the gear that is by gain_db higher.
        input_dbu = None if input_dbu is None else input_dbu + gain_db
    with terminal.progress(not json) as bars:
        bars.add_task("comparing dry and wet", total=None)
        recording = Recording.of(
            x, y, rate_hz, latency_samples=latency_samples, input_dbu=input_dbu,
            output_dbu=output_dbu, knobs=knobs,
        )  # fmt: skip
        save_recording(recording, out, force)
    _print_findings(out, recording, json)


class _Loop(NamedTuple):
    """The device and its channels that the gear is connected to."""

    device: str
    rate_hz: int
    block: int
    in_channel: int
    out_channel: int


def _parse_latency(text: str | None, loop: _Loop | None) -> int | None:
    """Return ``--latency`` in samples: as it was written, or as the loop was measured."""
    if text is None:
        return None
    with contextlib.suppress(ValueError):
        return int(text)
    path = Path(text)
    if not path.exists():
        raise UsageError(f"--latency {text}: is neither a number of samples nor a file")
    if loop is None:
        raise UsageError(f"--latency {path}: is of a device; with --wet give samples")
    from rtaudio.capture.latency import capture_latency
    from rtaudio.capture.player import device_settings
    from rtaudio.errors import CaptureError

    if path.stat().st_size > _LATENCY_BYTES:
        raise UsageError(f"--latency {path}: is too long for a measurement")
    try:
        measured = json_of(path.read_bytes())
        name, block = device_settings(parse_device(loop.device), loop.block)
        return capture_latency(measured, name, loop.rate_hz, block)
    except (CaptureError, UnicodeDecodeError, JSONDecodeError) as error:
        reason = error if isinstance(error, CaptureError) else "is not JSON; give another file"
        raise UsageError(f"--latency {path}: {reason}") from None


def _read_dry(dry: Path | None, rate_hz: int | None, device: str) -> tuple[Any, int]:
    """Return the signal to play and its rate: a file, or the test signal at the device's rate."""
    if dry is None:
        terminal.say_loading("the test signal")
        from rtaudio.capture.player import own_rate_hz
        from rtaudio.capture.signal import capture_signal

        rate_hz = rate_hz or own_rate_hz(parse_device(device))
        return capture_signal(rate_hz).audio, rate_hz
    x, file_hz = _read_mono(dry)
    if rate_hz not in (None, file_hz):
        raise UsageError(f"{dry}: is at {file_hz} Hz, and is played as it is; remove --rate")
    return x, file_hz


def _record(x: Any, level_dbfs: float, loop: _Loop, force: bool, live: bool) -> tuple[Any, float]:
    """Play a signal through the gear.

    Returns
    -------
    tuple
        The recording, and the gain in dB with which the signal was played.
    """
    import numpy as np

    from rtaudio.capture.player import play_through
    from rtaudio.runtime.decibels import from_db, to_db

    peak = float(np.abs(x).max())
    if peak == 0.0:
        raise UsageError("the dry file is silent; choose another one")
    gain_db = level_dbfs - to_db(peak, -math.inf)
    # Two seconds after the first loud sample something must have come back.
    patience = (int(np.argmax(np.abs(x) > 0.1 * peak)) + 2 * loop.rate_hz) / x.size
    with terminal.progress(live) as bars:
        task = bars.add_task("playing", total=1.0)

        def watch(progress: Progress) -> None:
            text = f"playing, input {to_db(progress.peak):6.1f} dBFS"
            text += " CLIPPED" if progress.highest >= _CLIPPED else ""
            bars.update(task, completed=progress.share, description=text)
            if progress.share > patience and progress.highest < _SILENT and not force:
                raise UsageError(
                    f"nothing comes back (input {to_db(progress.highest):.0f} dBFS); "
                    "check cables, channels and levels; see: rtaudio devices"
                )

        played = play_through(
            from_db(gain_db) * x,
            parse_device(loop.device),
            loop.rate_hz,
            loop.block,
            in_channel=loop.in_channel,
            out_channel=loop.out_channel,
            watch=watch,
        )
    if played.lost_blocks:
        text = (
            f"the device lost {counted(played.lost_blocks, 'block')}; play again with a larger "
            f"--block ({2 * loop.block}) and fewer programs running"
        )
        if not force:
            raise UsageError(text)
        terminal.remark(text)
    return played.wet, gain_db


def _read_mono(path: Path) -> tuple[Any, int]:
    """Read a file of one channel, or of two equal ones, and its sample rate."""
    from rtaudio.audio.reader import read_audio
    from rtaudio.errors import AudioFileError

    audio, rate_hz = read_audio(path)
    if not (audio == audio[0]).all():
        raise AudioFileError(f"{path}: is stereo, with two different sides; export it mono")
    return audio[0], rate_hz


def _read_pair(dry: Path, wet: Path, force: bool) -> tuple[Any, Any, int]:
    """Read a dry file and its recording; return both and their sample rate."""
    from rtaudio.capture.recording import check_lengths
    from rtaudio.errors import AudioFileError

    x, rate_hz = _read_mono(dry)
    if wet.exists() and dry.samefile(wet):
        raise AudioFileError(f"{wet}: is also the dry file; give the recording of the gear")
    y, wet_hz = _read_mono(wet)
    if wet_hz != rate_hz:
        raise AudioFileError(
            f"{wet}: is at {wet_hz} Hz and {dry} at {rate_hz} Hz; export both at one rate"
        )
    if not force:
        check_lengths(x, y, rate_hz)
    return x, y, rate_hz


def _write_signal(path: Path, rate_hz: int) -> None:
    from rtaudio.audio.writer import write_audio
    from rtaudio.capture.signal import capture_signal

    audio = capture_signal(rate_hz).audio
    write_audio(path, audio, rate_hz, "PCM_24")
    print(
        f"{path}: {audio.size / rate_hz:.0f} s at {rate_hz} Hz; play it through the gear, record "
        f"it, then: rtaudio capture OUT --dry {path} --wet RECORDING"
    )


def _parse_knobs(texts: list[str]) -> dict[str, float]:
    """Read options such as ``gain=0.5``."""
    from pydantic import ValidationError

    from rtaudio.models.contract.card import ModelParameter

    knobs: dict[str, float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not name.isidentifier() or not math.isfinite(number):
            raise UsageError(f"--knob {text}: give a name and a number, such as gain=0.5")
        try:
            ModelParameter(name=name, min=0.0, max=1.0, default=0.0)
        except ValidationError:
            raise UsageError(
                f"--knob {name}: a model cannot have a knob of this name; use small letters, "
                "digits and _, and neither mix nor bypass"
            ) from None
        if name in knobs:
            raise UsageError(f"--knob {name}: is given twice")
        knobs[name] = number
    return knobs


def _print_findings(out: Path, recording: Recording, json: bool) -> None:
    if json:
        terminal.print_json({"out": out, **recording.as_json()})
        return
    rows = [(finding.check, finding.severity, finding.text) for finding in recording.findings]
    seconds = recording.take.dry.size / recording.take.rate_hz
    title = f"{out}: {seconds:.0f} s at {recording.take.rate_hz} Hz"
    terminal.print_table(title, ["check", "", "finding"], rows, text=True)
    print(f"picture: {out / 'capture.png'}; next: rtaudio train {out}")
