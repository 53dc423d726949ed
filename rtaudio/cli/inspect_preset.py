"""A preset in figures: its effects, what each is, its latency and its cost."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic_core import to_jsonable_python

from rtaudio.view import terminal

if TYPE_CHECKING:
    from rtaudio.effects.base import Effect
    from rtaudio.effects.chain import Chain

RATE_HZ, BLOCK = 48000, 64
REPEATS = 1000


class Part(NamedTuple):
    """One effect of a chain: names, settings, latency, and the median cost of a block.

    ``cost_us`` is None for an effect that computes in a thread of its own.
    """

    name: str
    kind: str
    about: str
    file: str
    settings: dict[str, Any]
    latency_samples: int
    cost_us: float | None


def inspect_preset(path: Path, as_json: bool) -> None:
    """Print what a preset is.

    Parameters
    ----------
    path
        Its file.
    as_json
        Print one JSON object instead of the table.
    """
    from rtaudio.preset.load import describe_preset, load_preset

    chain, about = load_preset(path), describe_preset(path)
    wire_us, total_us, parts = _measure(chain)
    latency = chain.plan(RATE_HZ, BLOCK).latency_samples
    share = 100.0 * total_us * RATE_HZ / (1e6 * BLOCK)
    if as_json:
        terminal.print_json({
            "file": path, "name": chain.name, "description": about, "rate": RATE_HZ,
            "block": BLOCK, "latency_samples": latency, "cost_us": total_us,
            "callback_us": wire_us, "share_percent": share, "effects": parts,
        })  # fmt: skip
        return
    print(about or chain.name)
    rows = [
        (part.name, _words(part), _milliseconds(part.latency_samples), _cost(part.cost_us))
        for part in parts
    ]
    rows.append(("(callback)", "Meters, fades and guards around the chain.", "", f"{wire_us:.1f}"))
    beside = any(part.cost_us is None for part in parts)
    load = f"{share:.1f} % of one core" + (", beside the threads of their own" if beside else "")
    rows.append(("total", load, _milliseconds(latency), f"{total_us:.1f}"))
    terminal.print_table(
        f"{path}: at {RATE_HZ} Hz, microseconds per block of {BLOCK}",
        ["effect", "what it is", "ms late", "us"],
        rows,
        text=True,
    )


def _measure(chain: Chain) -> tuple[float, float, list[Part]]:
    """Return the median cost of the empty callback and of the whole chain, and the parts."""
    from rtaudio.effects.chain import Chain

    wire_us, _, _ = _median_us(Chain([]), 1)
    total_us, _, _ = _median_us(chain, 1)
    return wire_us, total_us, list(_parts(chain, wire_us))


def _parts(chain: Chain, wire_us: float) -> Iterator[Part]:
    """Yield the effects of a chain, each measured alone."""
    channels = 1
    for effect in chain.effects:
        cost_us, channels, plan = _median_us(effect, channels)
        file = getattr(effect, "file", None)
        settings = {
            key: to_jsonable_python(value)
            for key, value in effect.changed().items()
            if key not in ("name", "file", "effects", "branches")
        }
        yield Part(
            effect.name or effect.kind,
            effect.kind,
            (inspect.getdoc(type(effect)) or "").partition("\n")[0],
            Path(file).name if file else "",
            settings,
            plan.latency_samples,
            None if plan.workers else max(0.0, cost_us - wire_us),
        )


def _median_us(effect: Effect, channels: int) -> tuple[float, int, Any]:
    """Return the median time of the callback with an effect, its outputs, and its plan."""
    import numpy as np

    from rtaudio.bench.callback import time_callback

    plan = effect.plan(RATE_HZ, BLOCK, in_channels=channels)
    outs = plan.output.channels
    times = time_callback(
        effect, rate_hz=RATE_HZ, block=BLOCK, channels=(channels, outs), repeats=REPEATS
    )
    return float(np.median(times)), outs, plan


def _words(part: Part) -> str:
    """Return what an effect is, with its file and the settings that are not at their default."""
    settings = ", ".join(f"{key} {_short(value)}" for key, value in part.settings.items())
    return "\n".join(filter(None, [part.about, f"{part.file} {settings}".strip()]))


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key} {inner}" for key, inner in value.items())
    return f"{len(value)} of them" if isinstance(value, list) else str(value)


def _milliseconds(samples: int) -> str:
    return f"{1000 * samples / RATE_HZ:.2f}" if samples else ""


def _cost(us: float | None) -> str:
    return "own thread" if us is None else f"{us:.1f}"
