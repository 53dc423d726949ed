"""``rtaudio capture``: record gear, to learn it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rtaudio.cli.run import Device, Rate, device_of
from rtaudio.errors import UsageError
from rtaudio.view import terminal as show

if TYPE_CHECKING:
    from rtaudio.capture.player import Progress
    from rtaudio.capture.recording import Recording

_SILENT = 1e-4


def capture(
    out: Annotated[
        Path | None, typer.Argument(metavar="[OUT]", help="The capture folder to write.")
    ] = None,
    dry: Annotated[
        Path | None, typer.Option(help="Play this file, not the test signal; or see --wet.")
    ] = None,
    wet: Annotated[
        Path | None, typer.Option(help="Play nothing: this file came back when --dry was played.")
    ] = None,
    signal: Annotated[
        Path | None, typer.Option(help="Write the test signal to this file, for a DAW, and end.")
    ] = None,
    device: Device = "default",
    rate: Rate = 48000,
    block: Annotated[int, typer.Option(min=1, max=8192, help="Frames per block.")] = 256,
    in_channel: Annotated[int, typer.Option(min=1, help="Input the gear comes back to.")] = 1,
    out_channel: Annotated[int, typer.Option(min=1, help="Output the gear is fed from.")] = 1,
    level: Annotated[
        float, typer.Option(min=-60.0, max=0.0, help="Peak of what is played, in dBFS.")
    ] = -12.0,
    latency: Annotated[
        int | None, typer.Option(help="Latency in samples, if it is known; else it is found.")
    ] = None,
    knob: Annotated[
        list[str] | None, typer.Option(help="How the gear is set, such as gain=0.5; repeatable.")
    ] = None,
    input_dbu: Annotated[
        float | None, typer.Option(help="Level of a 0 dBFS sine at the interface's output, in dBu.")
    ] = None,
    output_dbu: Annotated[
        float | None, typer.Option(help="Level of a 0 dBFS sine at the interface's input, in dBu.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Keep a bad take; replace an older capture.")
    ] = False,
    json: show.Json = False,
) -> None:
    """Record an amp or a pedal, to train a model of it.

    Wire the interface's output to the gear (an amp by a reamp box) and the gear to its input (an
    amp by a load box or a microphone, never by its speaker jack alone). Begin with the gear turned
    down. Set --level so that the gear reacts as it does to your guitar, and the interface's input
    so that the loudest stays below full scale.

    For a DAW: write the test signal with --signal, play it through the gear there, and give both
    files with --dry and --wet.
    """
    if signal is not None:
        _write_signal(signal, rate)
        return
    if out is None:
        raise UsageError("name the folder to write: rtaudio capture OUT")
    if wet is not None and dry is None:
        raise UsageError(f"--wet {wet}: give the file that was played, too: --dry FILE")
    from rtaudio.capture.folder import check_target, save_recording
    from rtaudio.capture.recording import Recording

    knobs = _knobs(knob or [])
    for option, value in (("--input-dbu", input_dbu), ("--output-dbu", output_dbu)):
        if value is not None and not math.isfinite(value):
            raise UsageError(f"{option} {value}: give a level in dBu, such as 12")
    check_target(out, force)
    played = None if dry is None else _mono(dry)
    if played is not None and wet is not None:
        x, rate = played
        y = _came_back(dry, wet, x, rate, force)
    else:
        x, file_rate = played or (_test_signal(rate), rate)
        if file_rate != rate:
            raise UsageError(f"{dry}: is at {file_rate} Hz; add --rate {file_rate}")
        y, gain_db = _play(x, rate, level, device, block, in_channel, out_channel, force, not json)
        # The dry file keeps its level: what is played softer makes 0 dBFS stand for less.
        input_dbu = None if input_dbu is None else input_dbu + gain_db
    with show.progress(not json) as bars:
        bars.add_task("comparing dry and wet", total=None)
        found = Recording.of(
            x, y, rate, latency_samples=latency, input_dbu=input_dbu, output_dbu=output_dbu,
            knobs=knobs,
        )  # fmt: skip
        save_recording(found, out, force)
    _tell(out, found, json)


def _test_signal(rate_hz: int) -> Any:
    show.first_start()
    from rtaudio.capture.signal import capture_signal

    return capture_signal(rate_hz).audio


def _play(
    x: Any, rate_hz: int, level_dbfs: float, device: str, block: int, in_channel: int,
    out_channel: int, force: bool, live: bool,
) -> tuple[Any, float]:  # fmt: skip
    """Play a signal; returns what came back, and by how much the level was changed."""
    import numpy as np

    from rtaudio.capture.player import play_through

    peak = float(np.abs(x).max())
    if peak == 0.0:
        raise UsageError("the dry file is silent; choose another one")
    # by then something must have come back
    patience = (int(np.argmax(np.abs(x) > 0.1 * peak)) + 2 * rate_hz) / x.size
    gain_db = level_dbfs - 20.0 * math.log10(peak)
    with show.progress(live) as bars:
        task = bars.add_task("playing", total=1.0)

        def watch(progress: Progress) -> None:
            text = f"playing, input {show.decibels(progress.peak):6.1f} dBFS"
            text += " CLIPPED" if progress.highest >= 0.999 else ""
            bars.update(task, completed=progress.share, description=text)
            if progress.share > patience and progress.highest < _SILENT and not force:
                raise UsageError(
                    f"nothing comes back (input {show.decibels(progress.highest):.0f} dBFS); "
                    "check cables, channels and levels; see: rtaudio devices"
                )

        played = play_through(
            10.0 ** (gain_db / 20.0) * x,
            device_of(device),
            rate_hz,
            block,
            in_channel=in_channel,
            out_channel=out_channel,
            watch=watch,
        )
    if played.lost_blocks:
        text = (
            f"{played.lost_blocks} blocks were lost while it played; play again, with a larger "
            f"--block ({2 * block}) and fewer programs running"
        )
        if not force:
            raise UsageError(text)
        show.remark(text)
    return played.wet, gain_db


def _mono(path: Path) -> tuple[Any, int]:
    """Read a file of one channel, or of two equal ones, and its rate."""
    from rtaudio.audio.reader import read_audio
    from rtaudio.errors import AudioFileError

    audio, rate_hz = read_audio(path)
    if not (audio == audio[0]).all():
        raise AudioFileError(f"{path}: is stereo, with two different sides; export it mono")
    return audio[0], rate_hz


def _came_back(dry: Path | None, wet: Path, x: Any, rate_hz: int, force: bool) -> Any:
    """Read the file that goes with ``dry``, whose audio is ``x``."""
    from rtaudio.capture.recording import check_lengths
    from rtaudio.errors import AudioFileError

    if dry is not None and wet.exists() and dry.samefile(wet):
        raise AudioFileError(f"{wet}: is the dry file, too; give what came back from the gear")
    y, wet_hz = _mono(wet)
    if wet_hz != rate_hz:
        raise AudioFileError(
            f"{wet}: is at {wet_hz} Hz and {dry} at {rate_hz} Hz; export both at one rate"
        )
    if not force:
        check_lengths(x, y, rate_hz)
    return y


def _write_signal(path: Path, rate: int) -> None:
    from rtaudio.audio.writer import write_audio
    from rtaudio.capture.signal import capture_signal

    audio = capture_signal(rate).audio
    write_audio(path, audio, rate, "PCM_24")
    print(f"{path}: {audio.size / rate:.0f} s at {rate} Hz; play it through the gear, record it, "
          f"then: rtaudio capture OUT --dry {path} --wet RECORDING")  # fmt: skip


def _knobs(texts: list[str]) -> dict[str, float]:
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


def _tell(out: Path, found: Recording, json: bool) -> None:
    """Print what was found."""
    if json:
        show.print_json({"out": out, **found.as_json()})
        return
    rows = [(finding.check, finding.severity, finding.text) for finding in found.findings]
    seconds = found.take.dry.size / found.take.rate_hz
    title = f"{out}: {seconds:.0f} s at {found.take.rate_hz} Hz"
    show.table(title, ["check", "", "what was found"], rows, words=True)
    print(f"picture {out / 'capture.png'}; next: rtaudio train {out}")
