"""Shipped presets, cabinets and models, by name."""

from __future__ import annotations

from pathlib import Path


def shipped_presets() -> dict[str, Path]:
    """Return the presets that come with rtaudio: name -> file."""
    return _files("*.yaml")


def shipped_cabinets() -> dict[str, Path]:
    """Return the cabinets that come with rtaudio: name -> impulse response."""
    return _files("cabinets/*.wav")


def shipped_models() -> dict[str, Path]:
    """Return the models that come with rtaudio: name -> model file."""
    return _files("models/*.onnx")


def shipped_codecs() -> dict[str, Path]:
    """Return the codecs that come with rtaudio: name -> common start of their two files."""
    files = _files("codecs/*.encoder.onnx").values()
    return {name: file.with_name(name) for file in files for name in [file.name.split(".")[0]]}


def shipped_separators() -> dict[str, Path]:
    """Return the separators that come with rtaudio: name -> model file."""
    return _files("separators/*.onnx")


def _files(pattern: str) -> dict[str, Path]:
    """Find shipped files: stem -> path.

    In an installed package their folder is inside ``rtaudio``, in a checkout beside it.
    """
    here = Path(__file__).parent
    folder = next((f for f in (here / "presets", here.parent / "presets") if f.is_dir()), None)
    found = sorted(folder.glob(pattern), key=lambda file: file.stem) if folder else []
    return {file.stem: file for file in found}
