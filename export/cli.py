"""The work of ``rtaudio export``."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from export.aidax import aidax_document
from export.errors import ExportError
from export.exporter import export_model
from export.loudness import measure_loudness
from export.nam import nam_document
from export.streaming import StreamingModule
from rtaudio.atomic import may_write, new_file, replacing
from rtaudio.models.contract.card import Golden, ModelFile
from rtaudio.models.contract.check import read_model
from rtaudio.models.formats.read import FOREIGN_SUFFIXES, model_file, read_foreign
from rtaudio.models.net.from_graph import net_of
from rtaudio.models.net.types import Net
from rtaudio.models.onnx_player import model_node, play
from rtaudio.models.read import read_onnx
from rtaudio.runtime.memory import Floats

__all__ = ["export", "export_net"]


TOLERANCE = 2e-5
"""Largest error of a written file, relative to the larger of the golden vector's peak and 1."""


def export(source: Path, out: Path, force: bool = True) -> None:
    """Write a net to a file, and prove that it plays the same before it is put in its place.

    Parameters
    ----------
    source
        A model file (.onnx), a third-party model file (.nam, .aidax, .json), or a third-party
        denoiser (a file, or the folder of its files).
    out
        The file to write. Its suffix chooses the format: .onnx, .nam (Neural Amp Modeler), .aidax
        (the AIDA-X plugin) or .json (RTNeural).
    force
        Whether an existing file may be replaced.

    Raises
    ------
    ExportError
        The net cannot be exported, or not in this format; one line that says why.
    FileNotFoundError
        No such file.
    """
    _check_target(source, out, force)
    if source.suffix in FOREIGN_SUFFIXES:
        foreign = read_foreign(source)
        model = model_file(foreign)
        net: Net | None = foreign.net
    else:
        model = read_onnx(source)
        if out.suffix == ".onnx" and not model.sources:
            raise ExportError(
                f"{source}: is a model file already; copy it, or choose another suffix"
            )
        net = net_of(model)
    _write(model, net, out)


def export_net(
    net: StreamingModule,
    card: dict[str, Any],
    source: Path,
    out: Path,
    force: bool = True,
    half: bool = False,
) -> None:
    """Write a trained net, as `export` does.

    Parameters
    ----------
    net, card
        As for `export.exporter.export_model`.
    source
        The file that the net was read from, for messages.
    out
        As for `export`. A net of several parts, as a codec, becomes a file each:
        ``OUT.encoder.onnx`` and ``OUT.decoder.onnx`` for ``OUT.onnx``.
    force
        Whether existing files may be replaced.
    half
        Whether to round the weights to half precision; for .onnx only.

    Raises
    ------
    ExportError
        As for `export`.
    """
    _check_target(source, out, force)
    if half and out.suffix != ".onnx":
        raise ExportError(f"{out}: half precision is for .onnx only; export it without --half")
    parts = net.parts()
    if out.suffix == ".onnx":
        files = {name: out.with_suffix(f".{name}.onnx") if name else out for name in parts}
        for file in files.values():
            may_write(file, force)
        for name, part in parts.items():
            _export_onnx(part, card, files[name], half)
        return
    if len(parts) > 1:
        raise ValueError(
            f"{source}: has the parts {', '.join(parts)}, which {out.suffix} cannot hold; export "
            "it as .onnx"
        )
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / "net.onnx"
        export_model(net, card, exported)
        model = read_model(exported)
    _write(dataclasses.replace(model, path=source), net_of(model), out)


def _export_onnx(net: StreamingModule, card: dict[str, Any], out: Path, half: bool) -> None:
    parity = export_model(net, card, out, half=half)
    if net.kind == "encoder":
        proof = "ONNX Runtime = PyTorch, blocks = whole, code for code"
        if differing := max(parity.onnx_error, parity.streaming_error):
            proof += f" but {differing:.2%}, where two entries are equally near"
    else:
        proof = (
            f"ONNX Runtime = PyTorch within {parity.onnx_error:.1e}, blocks = whole within "
            f"{parity.streaming_error:.1e}"
        )
    if net.kind == "effect":
        peak = parity.latency_samples
        measured = "not measurable" if peak is None else f"peak at {peak} samples"
        proof += f"; impulse response: {measured}"
    print(f"{out}: {out.stat().st_size:,} bytes; {proof}")


def _check_target(source: Path, out: Path, force: bool) -> None:
    if out.suffix not in (".onnx", *FOREIGN_SUFFIXES):
        raise ExportError(f"{out}: unknown suffix; choose .onnx, .nam, .aidax or .json")
    new_file(source, out, force)


def _write(model: ModelFile, net: Net | None, out: Path) -> None:
    if out.suffix == ".onnx":
        with replacing(out) as temporary:
            temporary.write_bytes(model.data)
        print(f"{out}: {out.stat().st_size:,} bytes; plays in any host with ONNX Runtime")
        return
    if net is None:
        kind = model.card.architecture.get("type", "this kind of net")
        raise ExportError(
            f"{model.path}: {kind} cannot be written as {out.suffix}; export it as .onnx"
        )
    card = model.card
    model = _with_knobs_down(model)
    golden = Golden(model.golden_input, _play(model, model.golden_input))
    try:
        if out.suffix == ".nam":
            loudness = measure_loudness(lambda x: _play(model, x[None])[0], card.rate_hz)
            document = nam_document(net, card, loudness)
        else:
            document = aidax_document(net, card, golden, plugin=out.suffix == ".aidax")
    except ExportError as error:
        raise ExportError(f"{out}: not written: {error}") from None
    with replacing(out) as temporary:
        temporary.write_text(json.dumps(document, allow_nan=False), encoding="utf-8")
        read = model_file(read_foreign(temporary))
        difference = float(np.abs(_play(read, golden.input) - golden.output).max())
        if not difference <= TOLERANCE * max(1.0, float(np.abs(golden.output).max())):
            raise ExportError(
                f"{out}: not written: it would differ by {difference:.1g} from {model.path}; "
                "export it as .onnx"
            )
    size = out.stat().st_size
    print(f"{out}: {size:,} bytes; read back, it plays the same within {difference:.1e}")


def _with_knobs_down(model: ModelFile) -> ModelFile:
    """Make the lowest value of every knob its default, as in the third-party formats."""
    down = tuple(knob.model_copy(update={"default": knob.min}) for knob in model.card.parameters)
    return dataclasses.replace(model, card=model.card.model_copy(update={"parameters": down}))


def _play(model: ModelFile, x: Floats) -> Floats:
    return np.asarray(
        play(model, lambda block, params: model_node(model, block, params), x), np.float32
    )
