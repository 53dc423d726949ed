"""Files of other programs: from a capture to a model file in memory, as if it had been exported."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rtaudio.errors import FormatError
from rtaudio.models.contract.card import Card, ModelFile
from rtaudio.models.formats.foreign_net import Capture
from rtaudio.models.formats.guitarml import guitarml_capture
from rtaudio.models.formats.json_file import read_object
from rtaudio.models.formats.rtneural import rtneural_capture
from rtaudio.models.nam import nam_capture
from rtaudio.models.net.summary import summary
from rtaudio.models.net.to_graph import streaming_graph
from rtaudio.models.onnx_player import proved_file

__all__ = ["FOREIGN_SUFFIXES", "model_file", "read_capture"]

FOREIGN_SUFFIXES = (".nam", ".aidax", ".json")


def read_capture(path: str | Path, *, slim: float = 1.0) -> Capture:
    """Read a file of another program, whichever it is; its content says, not its name.

    Parameters
    ----------
    path
        A ``.nam`` file, an AIDA-X or RTNeural file (``.aidax``, ``.json``), or one of GuitarML.
    slim
        Which size to take, from a ``.nam`` file that holds several: 0 is the smallest, 1 the whole.

    Raises
    ------
    FormatError
        The file is none of these, or damaged; or it has one size only and ``slim`` is not 1.
    FileNotFoundError
        No such file.
    """
    path = Path(path)
    if not 0 <= slim <= 1:
        raise FormatError(f"{path}: slim = {slim:g} is not from 0 (smallest) to 1 (whole)")
    document = read_object(path)
    if "architecture" in document:
        capture = nam_capture(path, document, slim=slim)
    elif "layers" in document:
        capture = rtneural_capture(path, document)
    elif "model_data" in document:
        capture = guitarml_capture(path, document)
    elif any(key.rpartition(".")[2] == "weight" for key in document):
        raise FormatError(
            f"{path}: weights without a description of their net; export it with its layers"
        )
    else:
        raise FormatError(
            f"{path}: neither a .nam file nor one of AIDA-X, RTNeural or GuitarML; get it again"
        )
    if slim != 1 and not capture.slim_steps:
        raise FormatError(f"{path}: has one size only; leave slim at 1")
    return capture


def model_file(capture: Capture) -> ModelFile:
    """Make the model file that a capture would be exported to.

    The golden vector is the one of the file, or what ONNX Runtime makes of noise.

    Raises
    ------
    FormatError
        The net makes NaN, infinity or a runaway level.
    ContractError
        It keeps more state than is played.
    """
    graph = streaming_graph(capture.net)
    return proved_file(capture.path, graph, _card(capture), capture.golden)


def _card(capture: Capture) -> Card:
    metadata = capture.metadata
    esr = metadata.get("esr", metadata.get("validation_esr"))
    training = metadata.get("training")
    if esr is None and isinstance(training, Mapping):
        esr = training.get("validation_esr")
    return Card(
        name=_text(metadata.get("name"), capture.path.stem)[:100],
        description=_description(metadata),
        rate_hz=capture.sample_rate,
        channels=(1, 1),
        hop=0,
        latency_samples=0,
        parameters=capture.parameters,
        prewarm_samples=capture.prewarm_samples,
        levels=dict(capture.levels),
        architecture=summary(capture.net),
        license=_text(metadata.get("license"), "not stated"),
        provenance={"format": capture.format, "version": capture.version},
        metrics={"esr": esr} if isinstance(esr, int | float) else {},
    )


def _text(value: Any, default: str) -> str:
    """Return a text on one line; halves of characters, which JSON can hold, become "?"."""
    text = value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else ""
    return " ".join(text.split()) or default


def _description(metadata: Mapping[str, Any]) -> str:
    """One line of what the gear is and who captured it."""
    gear = " ".join(_text(metadata.get(key), "") for key in ("gear_make", "gear_model")).strip()
    kinds = [_text(metadata.get(key), "") for key in ("gear_type", "tone_type", "style", "based")]
    makers = [_text(metadata.get(key), "") for key in ("modeled_by", "author")]
    parts = [gear, *kinds, *(f"by {maker}" for maker in makers if maker)]
    return ", ".join(part for part in parts if part)[:500]
