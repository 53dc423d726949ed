"""The command line: one module per verb. Each verb imports what it needs only when it runs."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.main import get_command

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
    latency,
    loudness,
    master,
    microphone,
    midi,
    page,
    plugin,
    presets,
    render,
    run,
    separate,
    settings,
    site,
    style,
    sweep,
    train,
    tune,
)
from rtaudio.errors import explain, plain

INTERRUPTED = 130
"""Exit status after Ctrl-C."""

_ADDRESS = r"local|auto|(ray://)?[^/\\:\s][^/\\\s]*:\d+"
"""Of a Ray cluster."""

app = typer.Typer(
    name="rtaudio",
    help="Play neural audio models live.",
    epilog="Start with `rtaudio demo`; then `rtaudio doctor`, and `rtaudio run crunch`.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain text is there in half the time, and wraps at 80 columns
)

_SHORT = {
    "demo": "Play a guitar riff through an amp.",
    "page": "Play a preset with knobs and meters in the browser.",
    "microphone": "Offer a denoised microphone to calls.",
    "midi": "List MIDI ports, and show what arrives.",
    "tune": "Show the played note, and how far it is off.",
    "loudness": "Measure loudness and true peak of files.",
    "master": "Make songs loud, balanced and safe.",
    "style": "Learn a style for `master` from songs.",
    "presets": "List presets, cabinets, models and codecs.",
    "render": "Play files through a preset into files.",
    "denoise": "Remove the noise of a file, or of a folder of files.",
    "separate": "Take songs apart into vocals, drums, bass and other.",
    "site": "Take songs apart in the browser, with a queue.",
    "encode": "Encode a sound file in a few kbit/s, or a folder of files.",
    "decode": "Decode an encoded file, or a folder of files.",
    "latency": "Measure the round trip through device and cable.",
    "doctor": "Check whether this machine is fit for live sound.",
    "settings": "Show or change the settings of this machine.",
    "plugin": "Write a preset as a VST3, LV2 and CLAP plugin.",
    "inspect": "Print what a model is and what it costs.",
    "sweep": "Train variants of a configuration and compare them.",
    "bench": "Measure speed or quality of engine, effects and models.",
}
"""For the list of verbs: where the first sentence of a help is too long for a line of it."""

for verb, example in (
    (demo.demo, "rtaudio demo"),
    (run.run, "rtaudio run crunch --block 64"),
    (page.page, "rtaudio page crunch"),
    (microphone.microphone, "rtaudio microphone --install"),
    (midi.midi, "rtaudio midi"),
    (tune.tune, "rtaudio tune"),
    (render.render, "rtaudio render crunch dry.wav wet.wav"),
    (denoise.denoise, "rtaudio denoise noisy.wav clean.wav"),
    (separate.separate, "rtaudio separate song.mp3 stems --model separate.onnx"),
    (site.site, "rtaudio site --model separate.onnx"),
    (loudness.loudness, "rtaudio loudness song.wav --picture loudness.png"),
    (master.master, "rtaudio master mix.wav master.wav --target spotify"),
    (style.style, "rtaudio style my-band songs/"),
    (encode.encode, "rtaudio encode talk.wav talk.rtc --bitrate 6"),
    (decode.decode, "rtaudio decode talk.rtc talk.wav"),
    (presets.presets, "rtaudio presets"),
    (devices.devices, "rtaudio devices"),
    (latency.latency, "rtaudio latency --device USB --seconds 120 --picture latency.png"),
    (doctor.doctor, "rtaudio doctor"),
    (settings.settings, "rtaudio settings --interface-dbu 12.2"),
    (inspect.inspect, "rtaudio inspect amp.onnx"),
    (capture.capture, "rtaudio capture my-amp --device USB --out-channel 3 --in-channel 2"),
    (train.train, "rtaudio train my-amp"),
    (sweep.sweep, "rtaudio sweep training/configs/guitar_study.yaml"),
    (plugin.plugin, "rtaudio plugin crunch plugins"),
    (export.export, "rtaudio export runs/crunch/best.pt crunch.onnx"),
    (bench.bench, "rtaudio bench engine"),
):
    short = _SHORT.get(verb.__name__)
    app.command(short_help=short, epilog=f"Example: `{example}`")(verb)
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


def _print_any_text() -> None:
    """Print "?" for what an output cannot encode: names must not stop a work that is done."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _help(words: Sequence[str]) -> str:
    """Return the help that is asked for; empty if none is, or of an unknown verb.

    The usual way through the parser would first load what checks the values of options.
    """
    command: Any = get_command(app)
    context = command.context_class(command, info_name="rtaudio")
    for word in words[: words.index("--") if "--" in words else None]:
        if word == "--help":
            return str(command.get_help(context))
        if hasattr(command, "commands") and not word.startswith("-"):
            command = command.commands.get(word)
            if command is None:
                break
            context = command.context_class(command, info_name=word, parent=context)
    return ""


def _with_address(words: Sequence[str]) -> list[str]:
    """Give a ``--ray`` without an address the local one; typer knows no optional values."""
    given: list[str] = []
    for place, word in enumerate(words):
        given.append(word)
        following = words[place + 1] if place + 1 < len(words) else ""
        if word == "--ray" and not re.fullmatch(_ADDRESS, following):
            given.append("local")
    return given


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
    words = _with_address(sys.argv[1:] if arguments is None else arguments)
    _print_any_text()
    warnings.formatwarning = lambda message, *place: f"{plain(str(message))}\n"
    if text := _help(words):
        print(text)
        sys.exit(0)
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
