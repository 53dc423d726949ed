"""The files that a chain reads: models, codecs, cabinets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rtaudio.codec.model import codec_files
from rtaudio.effects.base import Effect


def needed_files(effect: Effect) -> tuple[Path, ...]:
    """Return the files of an effect and of all effects inside it, each once.

    Examples
    --------
    >>> from rtaudio.preset.load import load_preset
    >>> [file.name for file in needed_files(load_preset("denoise"))]
    ['denoise.onnx']
    """
    return tuple(dict.fromkeys(_files(effect)))


def _files(value: Any) -> Iterator[Path]:
    if isinstance(value, Effect):
        for name in type(value).model_fields:
            if name == "file":
                yield from _named(Path(value.file))  # type: ignore[attr-defined]
            else:
                yield from _files(getattr(value, name))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _files(each)


def _named(path: Path) -> Iterator[Path]:
    """Return a file or folder, or the two files of a codec that it names."""
    if not path.is_dir() and (both := codec_files(path))[0].is_file():
        yield from both
    elif path.exists():
        yield path
