"""Bundles: what lies on the disk for a host, and the C compiler that links it."""

from __future__ import annotations

import os
import platform
import plistlib
import shutil
import subprocess
from pathlib import Path

from export.errors import ExportError
from export.plugin.tables import Tables
from export.plugin.turtle import manifest, turtle
from rtaudio.runtime.onnx_runtime import library_path

__all__ = ["FORMATS", "compiler", "files_of", "onnx_name", "write_bundle"]

FORMATS = ("vst3", "lv2", "clap")

_SHIM = Path(__file__).with_name("shim")
_SYSTEM = platform.system()
_SUFFIX = {"Windows": ".dll", "Darwin": ".dylib"}.get(_SYSTEM, ".so")
_FLAGS = ("-std=gnu11", "-O2", "-fPIC", "-fvisibility=hidden", "-shared")
_LINKER = ("-Wl,-x",) if _SYSTEM == "Darwin" else ("-s", "-Wl,--gc-sections,--exclude-libs,ALL")


def compiler() -> str:
    """Return the C compiler: that of ``CC``, or the first that is installed.

    Raises
    ------
    ExportError
        There is none.
    """
    for name in (os.environ.get("CC"), "cc", "gcc", "clang"):
        if name and (found := shutil.which(name)):
            return found
    remedy = {
        "Windows": "install LLVM-MinGW, whose folder bin must be in PATH",
        "Darwin": "xcode-select --install",
    }.get(_SYSTEM, "apt install gcc libc6-dev, or the like")
    raise ExportError(f"a plugin is linked by a C compiler, and none is installed: {remedy}")


def bundle_path(folder: Path, name: str, kind: str) -> Path:
    """Return the file or folder of a plugin.

    Parameters
    ----------
    folder
        Where it lies.
    name
        Its name.
    kind
        One of `FORMATS`.
    """
    return folder / f"{name}.{kind}"


def onnx_name(name: str) -> str:
    """Return the name of the file of ONNX Runtime, which lies beside the machine code."""
    return f"{name}.onnxruntime{_SUFFIX}"


def files_of(folder: Path, name: str, onnx: bool) -> list[Path]:
    """Return all files and folders of a plugin.

    Parameters
    ----------
    folder, name
        As for `bundle_path`.
    onnx
        Whether it has ONNX models: a ``.clap`` that is one file then needs another beside it.
    """
    bundles = [bundle_path(folder, name, kind) for kind in FORMATS]
    alone = _library(bundles[-1], name, "clap") == bundles[-1]
    return [*bundles, folder / onnx_name(name)] if onnx and alone else bundles


def _library(bundle: Path, name: str, kind: str) -> Path:
    """Return the place of the machine code in a bundle, as the format wants it."""
    if kind == "lv2":
        return bundle / f"{name}{_SUFFIX}"
    if _SYSTEM == "Darwin":
        return bundle / "Contents" / "MacOS" / name
    if kind == "clap":
        return bundle
    machine = platform.machine()
    if _SYSTEM == "Windows":
        machine = {"AMD64": "x86_64", "ARM64": "arm64"}.get(machine, machine)
        return bundle / "Contents" / f"{machine}-win" / f"{name}.vst3"
    return bundle / "Contents" / f"{machine}-linux" / f"{name}.so"


def write_bundle(kind: str, folder: Path, tables: Tables, objects: Path) -> Path:
    """Link a plugin of one format, and write what lies beside it.

    Parameters
    ----------
    kind
        One of `FORMATS`.
    folder
        Where the bundle goes.
    tables
        The plugin.
    objects
        The folder of the object files and of ``tables.c``.

    Raises
    ------
    ExportError
        The compiler fails.
    """
    bundle = bundle_path(folder, tables.name, kind)
    library = _library(bundle, tables.name, kind)
    library.parent.mkdir(parents=True, exist_ok=True)
    sources = [_SHIM / "core.c", _SHIM / f"{kind}.c", objects / "tables.c"]
    onnx: list[str | Path] = []
    if tables.onnx_library:
        onnx = ["-DWITH_ONNX", _SHIM / "onnx.c", "-lpthread", "-ldl"]
        shutil.copyfile(library_path(), library.with_name(tables.onnx_library))
    command = [
        compiler(), *_FLAGS, *_LINKER, f"-I{_SHIM}", "-o", library,
        *sources, *sorted(objects.glob("*.o")), *onnx, "-lm",
    ]  # fmt: skip
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "error" in line.lower()]
        reason = (lines or done.stderr.splitlines() or ["no message"])[0]
        raise ExportError(f"{tables.name}.{kind}: {command[0]} cannot link it: {reason}")
    if kind == "lv2":
        (bundle / "manifest.ttl").write_text(manifest(tables, library.name), "utf-8")
        (bundle / "plugin.ttl").write_text(turtle(tables), "utf-8")
    elif _SYSTEM == "Darwin":
        (bundle / "Contents" / "Info.plist").write_bytes(_property_list(tables))
    return bundle


def _property_list(tables: Tables) -> bytes:
    """Return what macOS wants to know of a bundle."""
    return plistlib.dumps(
        {
            "CFBundleExecutable": tables.name,
            "CFBundleIdentifier": tables.identity.replace(":", "."),
            "CFBundleName": tables.name,
            "CFBundlePackageType": "BNDL",
            "CFBundleShortVersionString": tables.version,
            "CFBundleVersion": tables.version,
        }
    )
