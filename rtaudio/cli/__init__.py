"""The command line: one module per verb. Each verb imports what it needs only when it runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from rtaudio.cli import (
    bench,
    capture,
    codec,
    decode,
    demo,
    denoise,
    devices,
    doctor,
    encode,
    export,
    inspect,
    loudness,
    render,
    run,
    settings,
    sweep,
    train,
    tune,
)
from rtaudio.errors import explain

INTERRUPTED = 130
"""Exit status after Ctrl-C."""

app = typer.Typer(
    name="rtaudio",
    help="Play neural audio models live.",
    epilog="Start with `rtaudio demo`; then `rtaudio doctor`, and `rtaudio run crunch`.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

for verb, example in (
    (demo.demo, "rtaudio demo"),
    (run.run, "rtaudio run crunch --block 64"),
    (tune.tune, "rtaudio tune"),
    (render.render, "rtaudio render crunch dry.wav wet.wav"),
    (denoise.denoise, "rtaudio denoise noisy.wav clean.wav"),
    (loudness.loudness, "rtaudio loudness song.wav --picture loudness.png"),
    (encode.encode, "rtaudio encode talk.wav talk.rtc --bitrate 6"),
    (decode.decode, "rtaudio decode talk.rtc talk.wav"),
    (devices.devices, "rtaudio devices"),
    (doctor.doctor, "rtaudio doctor"),
    (settings.settings, "rtaudio settings --interface-dbu 12.2"),
    (inspect.inspect, "rtaudio inspect amp.onnx"),
    (capture.capture, "rtaudio capture my-amp --device USB --out-channel 3 --in-channel 2"),
    (train.train, "rtaudio train my-amp"),
    (sweep.sweep, "rtaudio sweep training/configs/guitar_study.yaml"),
    (export.export, "rtaudio export runs/crunch/best.pt crunch.onnx"),
    (bench.bench, "rtaudio bench engine"),
):
    app.command(epilog=f"Example: `{example}`")(verb)
app.add_typer(codec.codec, name="codec")


def _version(wanted: bool) -> None:
    if wanted:
        from rtaudio import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    The exit status is 0 for success, 1 for a fault of rtaudio, 2 for a fault of the input, and 130
    after an interruption.

    Parameters
    ----------
    arguments
        The words after the command's name; None: those of the process.

    Raises
    ------
    SystemExit
        Always; with ``--debug``, an error is raised instead.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = app(words, prog_name="rtaudio", standalone_mode=False) or 0
        if status == INTERRUPTED:
            print("stopped; no half-written file is left", file=sys.stderr)
        sys.exit(status)
    except Exception as error:
        if "--debug" in words:
            raise
        line, status = explain(error)
        if line:  # empty if the help has been shown instead
            print(f"error: {line}", file=sys.stderr)
        sys.exit(status)
