"""Third-party model files: their nets, and the model files they would be exported to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rtaudio.errors import FormatError
from rtaudio.models.contract.card import Card, ModelFile
from rtaudio.models.formats.foreign_net import ForeignNet
from rtaudio.models.formats.guitarml import guitarml_net
from rtaudio.models.formats.json_file import read_object
from rtaudio.models.formats.nam.reader import nam_net
from rtaudio.models.formats.rtneural import rtneural_net
from rtaudio.models.net.summary import summary
from rtaudio.models.net.to_graph import streaming_graph
from rtaudio.models.onnx_player import proved_file

__all__ = ["FOREIGN_SUFFIXES", "model_file", "read_foreign"]

FOREIGN_SUFFIXES = (".nam", ".aidax", ".json")


def read_foreign(path: str | Path, *, slim: float = 1.0, rate_hz: int | None = None) -> ForeignNet:
    """Read a third-party model file; its content decides the format, not its name.

    Parameters
    ----------
    path
        A ``.nam`` file, an AIDA-X or RTNeural file (``.aidax``, ``.json``), or one of GuitarML.
    slim
        Which size to take from a ``.nam`` file that holds several: 0 is the smallest, 1 the whole.
    rate_hz
        Sample rate that the net was trained at, for a file that does not state it; None: the
        format's usual one.

    Raises
    ------
    FormatError
        The file has none of these formats, or is damaged; it has one size only and ``slim`` is not
        1; or it states another rate than ``rate_hz``.
    FileNotFoundError
        No such file.
    """
    path = Path(path)
    if not 0 <= slim <= 1:
        raise FormatError(f"{path}: slim = {slim:g} is not from 0 (smallest) to 1 (whole)")
    document, unknown = read_object(path)
    stated = _rate_place(document)
    assumed = stated is None and rate_hz is None
    if rate_hz is not None:
        if stated is None:
            stated = document, "samplerate" if "layers" in document else "sample_rate"
            document[stated[1]] = rate_hz
        if str(stated[0][stated[1]]) != str(rate_hz):
            raise FormatError(
                f"{path}: rate_hz = {rate_hz}: the file states {stated[0][stated[1]]!r:.20} Hz; "
                "remove rate_hz"
            )
    if "architecture" in document:
        net = nam_net(path, document, slim=slim)
    elif "layers" in document:
        net = rtneural_net(path, document)
    elif "model_data" in document:
        net = guitarml_net(path, document)
    elif any(key.rpartition(".")[2] == "weight" for key in document):
        raise FormatError(
            f"{path}: weights without a description of their net; export it with its layers"
        )
    else:
        raise FormatError(
            f"{path}: neither a .nam file nor one of AIDA-X, RTNeural or GuitarML; get it again"
        )
    if slim != 1 and not net.slim_steps:
        raise FormatError(f"{path}: has one size only; leave slim at 1")
    ignored = [f"{place} is not a number and was ignored" for place in unknown]
    if not isinstance(document.get("metadata", {}), dict | None):
        ignored.append("metadata is not an object and was ignored")
    return replace(net, rate_assumed=assumed, warnings=(*net.warnings, *ignored))


def _rate_place(document: dict[str, Any]) -> tuple[dict[str, Any], str] | None:
    """Return the object and the key that state the rate of a net, if the file states it."""
    metadata = document.get("metadata")
    sections = [metadata] if "layers" in document and isinstance(metadata, dict) else []
    for inner in (*sections, document):
        for key in ("samplerate",) if "layers" in document else ("sample_rate",):
            if inner.get(key) is not None:
                return inner, key
    return None


def model_file(net: ForeignNet) -> ModelFile:
    """Return the model file that a third-party net would be exported to.

    The golden vector is the one in the third-party file, or else what ONNX Runtime makes of noise.

    Raises
    ------
    FormatError
        The net makes NaN, infinity or a runaway level.
    ContractError
        It has more state than is supported.
    """
    return proved_file(net.path, streaming_graph(net.net), _card(net), net.golden)


def _card(net: ForeignNet) -> Card:
    metadata = net.metadata
    esr = metadata.get("esr", metadata.get("validation_esr"))
    training = metadata.get("training")
    if esr is None and isinstance(training, Mapping):
        esr = training.get("validation_esr")
    return Card(
        name=_text(metadata.get("name"), net.path.stem)[:100],
        description=_description(metadata),
        rate_hz=net.rate_hz,
        channels=(1, 1),
        hop=0,
        latency_samples=0,
        parameters=net.parameters,
        prewarm_samples=net.prewarm_samples,
        levels=dict(net.levels),
        architecture=summary(net.net),
        license=_text(metadata.get("license"), "not stated"),
        provenance={"format": net.format, "version": net.version},
        metrics={"esr": esr} if isinstance(esr, float) else {},
    )


def _text(value: Any, default: str) -> str:
    """Return a text on one line; lone surrogates, which JSON can hold, become "?"."""
    text = value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else ""
    return " ".join(text.split()) or default


def _description(metadata: Mapping[str, Any]) -> str:
    """Return one line about the gear and who modelled it."""
    gear = " ".join(_text(metadata.get(key), "") for key in ("gear_make", "gear_model")).strip()
    kinds = [_text(metadata.get(key), "") for key in ("gear_type", "tone_type", "style", "based")]
    makers = [_text(metadata.get(key), "") for key in ("modeled_by", "author")]
    parts = [gear, *kinds, *(f"by {maker}" for maker in makers if maker)]
    return ", ".join(part for part in parts if part)[:500]
