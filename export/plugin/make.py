"""Make plugins of a chain."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import export
import rtaudio
from export.errors import ExportError
from export.plugin.bundles import compiler, files_of
from export.plugin.processor import Cpu, Processor
from export.plugin.tail import block_us, tail_seconds
from rtaudio.atomic import may_write
from rtaudio.effects.base import Effect
from rtaudio.effects.chain import Chain
from rtaudio.preset.save import save_preset
from rtaudio.runtime.abi import Foreign
from rtaudio.runtime.plan import Plan

__all__ = ["Plugins", "make_plugins"]


class Plugins(NamedTuple):
    """What has been made.

    Attributes
    ----------
    files
        The bundles.
    latency_samples
        By sample rate in Hz.
    tail_seconds
        How long it sounds after its input; below 0: more than 10 s.
    block_us
        Median and 99th percentile of what a block of 64 frames costs on this machine, in
        microseconds.
    parameters
        Number of parameters.
    presets
        Names of its factory presets.
    cpu
        The processor that it is made for.
    """

    files: list[Path]
    latency_samples: dict[int, int]
    tail_seconds: float
    block_us: tuple[float, float]
    parameters: int
    presets: list[str]
    cpu: str


def make_plugins(
    chain: Chain,
    folder: str | Path,
    *,
    name: str = "",
    description: str = "",
    others: Mapping[str, Chain] | None = None,
    cpu: Cpu = "portable",
    force: bool = False,
    progress: Callable[[float], None] = lambda share: None,
) -> Plugins:
    """Write a chain as plugins: ``NAME.vst3``, ``NAME.lv2`` and ``NAME.clap``.

    Parameters
    ----------
    chain
        What they play. If one of its models runs in ONNX Runtime, that goes into the bundles.
    folder
        Where they go; it is made if it is not there.
    name
        Their name; empty: the chain's.
    description
        One line for the host.
    others
        Factory presets by name: the same chain with other values.
    cpu
        See `Processor`.
    force
        Whether existing plugins may be replaced.
    progress
        Is told how far it is, 0 .. 1.

    Raises
    ------
    ExportError
        There is no C compiler, or the chain cannot be a plugin.
    FileExistsError
        There is such a plugin.

    Examples
    --------
    >>> made = make_plugins(rt.load_preset("crunch"), "plugins")       # doctest: +SKIP
    """
    folder, name = Path(folder), name or chain.name or "rtaudio"
    if name != Path(name).name or name.startswith("."):
        raise ExportError(f"{name!r} is no name of a file; choose another")
    compiler()
    plan = _checked(chain, name)
    onnx = any(isinstance(p.target, Foreign) for node in plan.nodes for p in node.pointers)
    files = files_of(folder, name, onnx)
    for file in files:
        may_write(file, force)
    presets = {
        preset: _values(other, preset, chain, plan) for preset, other in (others or {}).items()
    }
    tail, cost = tail_seconds(chain), block_us(chain)
    processor = Processor.chosen(cpu)
    request = {
        "name": name,
        "description": description or f"The chain {name} of rtaudio",
        "version": rtaudio.__version__,
        "tail_seconds": tail,
        "machine": processor.name,
        "features": processor.features,
        "presets": presets,
    }
    with _work_folder(folder) as work:
        save_preset(chain, work / "chain.yaml")
        request |= {"preset": str(work / "chain.yaml"), "work": str(work)}
        latency = _compile(work, request, processor, progress)
        for file in files:
            _put(work / file.name, file)
    controls = len(plan.controls)
    return Plugins(files, latency, tail, cost, controls, list(presets), processor.name)


def _checked(chain: Chain, name: str) -> Plan:
    """Return a plan of the chain, all of whose nodes can leave this process."""
    plan = chain.plan(48000, 512, varying=True)
    foreign = [step.effect for step in plan.steps if not step.node.relocatable]
    if foreign:
        raise ExportError(
            f"{name}: {foreign[0]} only plays in this process; take it out, or play the chain with "
            "`rtaudio run`"
        )
    return plan


def _values(other: Chain, preset: str, chain: Chain, plan: Plan) -> dict[str, float]:
    """Return the values of a factory preset by the keys of the plan's controls."""
    theirs = other.plan(48000, 512, varying=True)
    own, root = plan.effects[0], theirs.effects[0]
    values = {
        (f"{own}.{control.parameter}" if control.effect == root else key): control.value
        for key, control in theirs.controls.items()
    }
    if values.keys() != plan.controls.keys() or _fixed(other) != _fixed(chain):
        raise ExportError(
            f"{preset}: has other effects or files than {chain.name}; the presets of a plugin "
            "differ in live parameters only"
        )
    return values


def _fixed(effect: Effect) -> list[Any]:
    """Return what no parameter changes: kinds, names, files and settings, of all effects."""
    own = {
        key: getattr(effect, key)
        for key in type(effect).model_fields
        if key not in ("mix", "bypass", "parameters", *effect.live_parameters())
        and not type(effect).effect_item(key)
        and not (key == "name" and isinstance(effect, Chain))
    }
    inner = [
        _fixed(each)
        for key in type(effect).model_fields
        if type(effect).effect_item(key)
        for each in getattr(effect, key)
    ]
    return [effect.kind, own, inner]


@contextmanager
def _work_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder inside another one, which is made; nothing is left of both on failure."""
    there = folder.is_dir()
    if not folder.parent.is_dir():
        raise FileNotFoundError(
            f"{folder}: the folder {folder.parent} does not exist; create it first"
        )
    folder.mkdir(exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=".rtaudio-", dir=folder) as work:
            yield Path(work)
    except BaseException:
        if not there:
            folder.rmdir()
        raise


def _compile(
    work: Path, request: dict[str, Any], processor: Processor, progress: Callable[[float], None]
) -> dict[int, int]:
    """Compile in a process of its own; returns the latency in samples at each rate."""
    path = work / "request.json"
    path.write_text(json.dumps(request), "utf-8")
    packages = [str(Path(package.__path__[0]).parent) for package in (export, rtaudio)]
    paths = os.pathsep.join(filter(None, [*packages, os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, **processor.environment, "PYTHONPATH": paths}
    command = [sys.executable, "-m", "export.plugin.compile", str(path)]
    answer: dict[str, Any] = {}
    with (
        (work / "complaints.txt").open("w+", encoding="utf-8") as complaints,
        subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=complaints, text=True
        ) as process,
    ):
        assert process.stdout is not None
        try:
            for line in process.stdout:
                answer = json.loads(line)
                progress(answer.get("share", 1.0))
        except BaseException:
            process.kill()
            raise
        process.wait()
        complaints.seek(0)
        complaint = complaints.read()
    if "error" in answer:
        raise ExportError(answer["error"])
    if process.returncode or "latency" not in answer:
        last = (complaint.strip().splitlines() or [f"exit status {process.returncode}"])[-1]
        raise ExportError(f"{request['name']}: cannot be compiled for {processor.name}: {last}")
    return {int(rate_hz): samples for rate_hz, samples in answer["latency"].items()}


def _put(new: Path, bundle: Path) -> None:
    """Move a bundle to its place; a former one goes first, with the work folder."""
    if bundle.exists():
        bundle.rename(new.with_name(f"former-{bundle.name}"))
    shutil.move(new, bundle)
