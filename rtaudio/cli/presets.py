"""``rtaudio presets``: what can be played by its name."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rtaudio.errors import RtaudioError, plain
from rtaudio.view import terminal

if TYPE_CHECKING:
    from rtaudio.catalogue import Kind

WIDTH = 80

_USE: dict[Kind, str] = {
    "preset": "rtaudio run NAME",
    "cabinet": "rtaudio run amp.nam --cabinet NAME",
    "model": "rtaudio export NAME amp.nam, or `file:` of a preset",
    "codec": "rtaudio encode talk.wav talk.rtc --model NAME",
    "plugin": "`plugin: {file: NAME}` in a preset",
}


def presets(json: terminal.Json = False) -> None:
    """List presets, cabinets, models, codecs and plugins: those that ship, and your own.

    A name works wherever a file does, and so does a part of it that no other name has.
    """
    from rtaudio.catalogue import catalogue

    found = {kind: catalogue(kind) for kind in _USE}
    if json:
        terminal.print_json(
            {
                f"{kind}s": {
                    name: {"file": file, "description": _about(kind, file)}
                    for name, file in files.items()
                }
                for kind, files in found.items()
            }
        )
        return
    for kind, files in found.items():
        if not files:
            continue
        print(f"{kind}s: {_USE[kind]}")
        for line in _lines(kind, files):
            print(line)


def _lines(kind: Kind, files: dict[str, Path]) -> Iterator[str]:
    """Yield one line for each name, no wider than `WIDTH` unless the name is."""
    column = 2 + max((len(name) for name in files), default=0)
    for name, file in files.items():
        room = max(20, WIDTH - column - 2)
        about = textwrap.shorten(plain(_about(kind, file)), room, placeholder=" ...")
        yield f"  {name:<{column}}{about}".rstrip()


def _about(kind: Kind, file: Path) -> str:
    """Return one line about a file; for one that is damaged, what is wrong with it."""
    try:
        return _described(kind, file)
    except (RtaudioError, OSError) as error:
        return f"cannot be played: {str(error).removeprefix(str(file)).lstrip(':')}"


def _described(kind: Kind, file: Path) -> str:
    if kind == "preset":
        from rtaudio.preset.load import describe_preset

        return describe_preset(file)
    if kind == "cabinet":
        from rtaudio.audio.reader import read_audio

        response, rate_hz = read_audio(file)
        return f"{1000 * response.shape[1] / rate_hz:.0f} ms at {rate_hz} Hz"
    if kind == "plugin":
        return str(file)
    if kind == "codec":
        from rtaudio.codec.model import read_codec

        return read_codec(file).encoder.card.description
    from rtaudio.models.read import read_onnx

    return read_onnx(file).card.description
