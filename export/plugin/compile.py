"""Compile a plugin, in a process whose numba is set to the plugin's processor.

The request is a JSON file, and the answers are lines of JSON on stdout: how far it is, the result,
or the error. ``export.plugin.make`` starts it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from export.plugin.bundles import FORMATS, onnx_name, write_bundle
from export.plugin.image import Layout, Pool, lay_out
from export.plugin.objects import bytes_object, function_object, function_symbol
from export.plugin.tables import Tables, parameters_of
from rtaudio.effects.base import Effect
from rtaudio.errors import ParameterError, explain
from rtaudio.preset.load import load_preset
from rtaudio.runtime.program import run_alone

__all__ = ["BLOCK", "CHANNELS", "RATES_HZ", "compile_plugin"]

RATES_HZ = (44100, 48000, 88200, 96000, 192000)
CHANNELS = ((1, 1), (1, 2), (2, 2))
"""Inputs and outputs."""

BLOCK = 512
"""Most frames per call of the program; a longer block of the host is several calls."""

Progress = Callable[[float], None]
"""How far it is, 0 .. 1."""

_IMAGES, _CODE = 0.2, 0.9
"""How far it is after the images, and after the object code."""


def _layouts(chain: Effect, keys: list[str], pool: Pool, progress: Progress) -> list[Layout]:
    """Return the images of every rate that the chain plays at."""
    layouts, refused = [], None
    for rate_hz in RATES_HZ:
        for inputs, outputs in CHANNELS:
            try:
                plan = chain.plan(
                    rate_hz, BLOCK, in_channels=inputs, out_channels=outputs, varying=True
                )
            except ParameterError as error:
                refused = error
            else:
                layouts.append(lay_out(plan, keys, pool))
        progress(_IMAGES * (RATES_HZ.index(rate_hz) + 1) / len(RATES_HZ))
    if not layouts and refused is not None:
        raise refused
    return layouts


def compile_plugin(request: dict[str, Any], chain: Effect, progress: Progress) -> list[Layout]:
    """Write the bundles of a plugin.

    Parameters
    ----------
    request
        ``name``, ``description``, ``version``, ``tail_seconds``, ``machine``, ``features`` and
        ``presets``, as in `Tables`; ``work``, the folder for the bundles and what they are made of.
    chain
        What it plays.
    progress
        Is told how far it is.

    Raises
    ------
    ParameterError, ExportError
        The chain cannot be a plugin.
    """
    parameters = parameters_of(chain.plan(RATES_HZ[1], BLOCK, varying=True))
    pool = Pool([run_alone])
    layouts = _layouts(chain, [parameter.key for parameter in parameters], pool, progress)
    folder = Path(request["work"]) / "objects"
    folder.mkdir()
    for number, function in enumerate(pool.functions):
        progress(_IMAGES + (_CODE - _IMAGES) * number / len(pool.functions))
        (folder / f"function-{number}.o").write_bytes(function_object(function))
    (folder / "image.o").write_bytes(bytes_object("rtaudio_blob", pool.blob))
    tables = Tables(
        request["name"],
        request["description"],
        request["version"],
        parameters,
        layouts,
        [function_symbol(function) for function in pool.functions],
        request["tail_seconds"],
        request["machine"],
        tuple(request["features"]),
        request["presets"],
        pool.models,
        onnx_name(request["name"]) if pool.models else "",
    )
    (folder / "tables.c").write_text(tables.source(), "utf-8")
    for number, kind in enumerate(FORMATS):
        progress(_CODE + (1.0 - _CODE) * number / len(FORMATS))
        write_bundle(kind, Path(request["work"]), tables, folder)
    return layouts


def _say(**answer: Any) -> None:
    print(json.dumps(answer), flush=True)


def _main(path: Path) -> int:
    request = json.loads(path.read_text("utf-8"))
    try:
        layouts = compile_plugin(
            request,
            load_preset(request["preset"]),
            lambda share: _say(share=share),
        )
    except Exception as error:
        line, status = explain(error)
        _say(error=line)
        return status
    _say(latency={each.rate_hz: each.latency_samples for each in layouts})
    return 0


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1])))
