"""``rtaudio doctor``: check whether this machine is fit for live audio, and how to improve it."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from rtaudio.view import terminal
from rtaudio.view.words import counted

if TYPE_CHECKING:
    from rtaudio.models.loader import LoadedModel
    from rtaudio.runtime.onnx_runtime import Provider

RATE_HZ = 48000
JITTER_BLOCK = 64
JITTER_SECONDS = 3.0
PRESET = "crunch-stereo"
BLOCKS = (32, 64, 128, 256, 512, 1024, 2048)
GPU_STREAMS = 8
_RUNTIMES = ("onnxruntime", "onnxruntime-gpu")

WIDTH = 240
"""Columns of a report that is not printed on a terminal."""

State = Literal["green", "yellow", "red"]


class Check(NamedTuple):
    """One line of the report: what was checked, its state, the finding, and what to do."""

    what: str
    state: State
    found: str
    advice: str = ""


def doctor(json: terminal.Json = False) -> None:
    """Check sound servers, devices, permissions, native libraries and timing."""
    terminal.say_loading("the checks")
    findings: list[Check] = []
    with terminal.progress(not json) as bars:
        for check in bars.track(_CHECKS, description="checking"):
            findings.extend(check())
    if json:
        from rtaudio.bench.machine import machine

        terminal.print_json({"machine": machine(), "findings": findings})
        return
    _print_report(findings)


def _print_report(findings: list[Check]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from rtaudio.bench.machine import machine_line

    out = terminal.make_console()
    if not out.is_terminal:
        out.width = WIDTH
    print(machine_line())
    grid = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for finding in findings:
        advice = f"\n-> {finding.advice}" if finding.advice else ""
        mark = {"green": "ok", "yellow": "could be better", "red": "bad"}[finding.state]
        grid.add_row(
            finding.what, f"[{finding.state}]{mark}[/]", escape(f"{finding.found}{advice}")
        )
    out.print(grid)


def _list_processes() -> set[str]:
    """Return the names of the running processes (Linux)."""
    names = set()
    for file in Path("/proc").glob("[0-9]*/comm"):
        try:
            names.add(file.read_text().strip())
        except OSError:
            continue
    return names


def _check_sound_system() -> Iterator[Check]:
    """Look for sound servers and, on Linux, for sound cards."""
    if sys.platform == "darwin":
        yield Check("sound system", "green", "CoreAudio, part of macOS")
        return
    if sys.platform == "win32":
        yield Check(
            "sound system", "green", "WASAPI, part of Windows",
            "for low latency choose a WASAPI or ASIO device in `rtaudio devices`",
        )  # fmt: skip
        return
    running = _list_processes()
    for name, process in (
        ("JACK", {"jackd", "jackdbus"}),
        ("PipeWire", {"pipewire"}),
        ("PulseAudio", {"pulseaudio", "pipewire-pulse"}),
    ):
        if running & process:
            yield Check(name, "green", "running")
        else:
            installed = any(shutil.which(program) for program in process)
            yield Check(name, "green", "installed, not running" if installed else "not installed")
    cards = Path("/proc/asound/cards")
    lines = cards.read_text().splitlines() if cards.exists() else []
    names = [line.partition(": ")[2] for line in lines if " [" in line]
    if names:
        yield Check("ALSA", "green", "; ".join(names))
    else:
        yield Check("ALSA", "yellow", "no sound card", "connect one, or use --device clock")


def _check_devices() -> Iterator[Check]:
    from rtaudio.devices.portaudio import list_devices
    from rtaudio.errors import DeviceError

    try:
        found = list_devices()
    except DeviceError as error:
        text, _, advice = str(error).partition("; ")
        yield Check("devices", "red", text, advice)
        return
    default = next((d.name for d in found if d.default_output), None)
    if not found:
        advice = "connect one, or start a sound server; --device clock works without"
        yield Check("devices", "yellow", "none", advice)
    elif default is None:
        yield Check("devices", "yellow", f"{len(found)}, no default", "choose one with --device")
    else:
        yield Check("devices", "green", f"{len(found)}, default {default}")
    if _list_processes() & {"pipewire", "pulseaudio"}:
        if any(device.name in ("pulse", "pipewire") for device in found):
            text = "possible: rtaudio microphone"
            yield Check("virtual microphone", "green", text)
        else:
            advice = "apt install libasound2-plugins (or pipewire-alsa)"
            text = "the sound server runs, but PortAudio does not reach it"
            yield Check("virtual microphone", "yellow", text, advice)


def _check_priority() -> Iterator[Check]:
    """Try to get real-time priority, as the audio thread does."""
    from rtaudio.runtime.system import AUDIO_PRIORITY, LINUX, realtime_permitted

    permitted, text = realtime_permitted()
    if not LINUX:
        yield Check("real-time priority", "green", text)
        return
    outcome: list[OSError | None] = []

    def attempt() -> None:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(AUDIO_PRIORITY))
            outcome.append(None)
        except OSError as error:
            outcome.append(error)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    if outcome == [None]:
        yield Check("real-time priority", "green", f"SCHED_FIFO {AUDIO_PRIORITY} granted")
    elif permitted:
        advice = "allow it to the container (--cap-add SYS_NICE --ulimit rtprio=95), or use "
        yield Check("real-time priority", "yellow", f"{outcome[0]}", f"{advice}larger blocks")
    else:
        found, _, advice = text.partition(": ")
        yield Check("real-time priority", "yellow", found, advice)


def _check_governor() -> Iterator[Check]:
    files = Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor")
    governors = sorted({file.read_text().strip() for file in files})
    if not governors:
        yield Check("CPU governor", "green", "cannot be set on this machine")
    elif governors == ["performance"]:
        yield Check("CPU governor", "green", "performance")
    else:
        advice = "while you play: sudo cpupower frequency-set -g performance"
        yield Check("CPU governor", "yellow", ", ".join(governors), advice)


def _check_models() -> Iterator[Check]:
    """Check ONNX Runtime, and whether the shipped models reproduce their golden vectors."""
    from rtaudio.errors import ContractError
    from rtaudio.models.loader import load_model
    from rtaudio.runtime.onnx_runtime import OnnxRuntimeError, api, library_path
    from rtaudio.shipped import shipped_models

    try:
        yield Check("ONNX Runtime", "green", f"{api().version}, {library_path()}")
    except (OnnxRuntimeError, OSError) as error:
        yield Check("ONNX Runtime", "red", str(error), "pip install -U onnxruntime")
        return
    for name, file in shipped_models().items():
        try:
            errors = load_model(file).golden_errors
        except ContractError as error:
            text, _, advice = str(error).partition("; ")
            yield Check(f"model {name}", "red", text, advice)
        else:
            text = ", ".join(f"{engine} {error:.1e}" for engine, error in errors.items())
            yield Check(f"model {name}", "green", f"reproduces its golden vector: {text}")


def _check_packages() -> Iterator[Check]:
    """Look for packages of ONNX Runtime that were installed over each other."""
    found = [name for name in _RUNTIMES if _is_installed(name)]
    if len(found) > 1:
        yield Check(
            "ONNX Runtime packages", "red",
            f"{' and '.join(found)} write the same files, so one overwrote the other",
            f"pip uninstall -y {' '.join(found)}; then: pip install {found[-1]}",
        )  # fmt: skip


def _is_installed(package: str) -> bool:
    from importlib.metadata import PackageNotFoundError, version

    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def _check_gpu() -> Iterator[Check]:
    """Say whether a GPU can play, and for which of the shipped models it pays."""
    from rtaudio.models.loader import load_model
    from rtaudio.runtime.onnx_runtime import OnnxRuntimeError, api
    from rtaudio.shipped import shipped_models

    try:
        if not api().has_cuda:
            yield Check("GPU", "green", "not used: this ONNX Runtime has no CUDA")
            return
    except (OnnxRuntimeError, OSError):
        return  # is reported with the models
    with warnings.catch_warnings(record=True) as remarks:
        warnings.simplefilter("always")
        models = {name: load_model(file) for name, file in shipped_models().items()}
        played = {n: m for n, m in models.items() if m.usable_provider("cuda") == "cuda"}
    if not played:
        yield Check("GPU", "yellow", str(remarks[0].message), "install the driver, CUDA and cuDNN")
        return
    for name, model in played.items():
        yield _compare_providers(name, model)


def _compare_providers(name: str, model: LoadedModel) -> Check:
    """Time a model on the CPU, by its fastest engine, and on the GPU: one stream, and eight."""
    import numpy as np

    from rtaudio.runtime.timing import block_microseconds

    card = model.file.card
    block = card.hop or JITTER_BLOCK
    times_us: dict[Provider, list[float]] = {}
    providers: tuple[Provider, ...] = ("cpu", "cuda")
    for provider in providers:
        nodes = [
            model.node(block, model.default_params(), provider=provider) for _ in range(GPU_STREAMS)
        ]
        costs = [block_microseconds(node, block, 200, channels=card.channels) for node in nodes]
        times_us[provider] = [float(np.median(costs[0])), float(np.median(costs, axis=1).sum())]
    (one, all_), (gpu_one, gpu_all) = times_us["cpu"], times_us["cuda"]
    pays = "pays" if gpu_one < one else "does not pay"
    text = (
        f"{pays}: {gpu_one:.0f} us per {block} frames, the CPU {one:.0f} us; {GPU_STREAMS} streams "
        f"one after the other {gpu_all:.0f} us, the CPU {all_:.0f} us"
    )
    advice = "provider: cuda in the preset" if gpu_one < one else ""
    return Check(f"GPU, {name}", "green", text, advice)


def _check_kernel_cache() -> Iterator[Check]:
    from rtaudio.runtime.kernel_cache import cache_folder

    folder = cache_folder()
    found = folder.glob("*.kernel") if folder is not None else ()
    count = sum(1 for _ in found)
    if count:
        yield Check("kernel cache", "green", f"{counted(count, 'compiled function')} in {folder}")
        return
    text = "this user has no home directory" if folder is None else f"{folder} cannot be written"
    advice = "every start compiles again; set NUMBA_CACHE_DIR to a folder that can be written"
    yield Check("kernel cache", "yellow", text, advice)


def _check_timing() -> Iterator[Check]:
    """Measure how late the audio thread wakes up, and recommend a block size."""
    from rtaudio.effects.chain import Chain
    from rtaudio.live.host import Host

    with Host(Chain(), "clock", RATE_HZ, JITTER_BLOCK) as host:
        host.wait(JITTER_SECONDS)
        stats = host.stats()
    period_us = 1e6 * JITTER_BLOCK / RATE_HZ
    late_us = {name: getattr(stats.gap_us, name) - period_us for name in ("p99", "p99_9", "max")}
    steady = late_us["p99_9"] < 0.5 * period_us
    yield Check(
        "scheduling jitter",
        "green" if steady else "yellow",
        f"wakes up later than planned by {late_us['p99']:.0f} us (p99), {late_us['p99_9']:.0f} us "
        f"(p99.9), {late_us['max']:.0f} us (max); {stats.missed} of {stats.blocks} blocks missed",
        "" if steady else "close other programs while you play, and check again",
    )
    yield _recommend_block(max(0.0, late_us["p99_9"]))


def _recommend_block(late_us: float) -> Check:
    """Find the smallest block in which the demo's chain and the lateness take less than 80 %."""
    from rtaudio.analysis.percentiles import Percentiles
    from rtaudio.bench.callback import time_callback
    from rtaudio.preset.load import load_preset

    chain = load_preset(PRESET)
    for block in BLOCKS:
        period_us = 1e6 * block / RATE_HZ
        times = Percentiles.of_samples(
            time_callback(chain, rate_hz=RATE_HZ, block=block, channels=(1, 2), repeats=2000)
        )
        if times.p99 + late_us < 0.8 * period_us:
            return Check(
                "block size",
                "green" if block <= 128 else "yellow",
                f"--block {block} ({period_us / 1000:.2f} ms at {RATE_HZ} Hz) is recommended: "
                f"{PRESET} takes {times.p99:.0f} us of it (p99)",
            )
    advice = "close other programs and check again, or use a faster machine"
    return Check("block size", "red", "none is large enough", advice)


_CHECKS: list[Callable[[], Iterator[Check]]] = [
    _check_sound_system,
    _check_devices,
    _check_priority,
    _check_governor,
    _check_packages,
    _check_models,
    _check_gpu,
    _check_kernel_cache,
    _check_timing,
]
