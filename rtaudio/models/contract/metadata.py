"""The metadata of a model file: card and golden vector as text, written and read."""

from __future__ import annotations

import base64
import binascii
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from pydantic import ValidationError

from rtaudio.errors import ContractError, first_fault
from rtaudio.models.contract.card import CONTRACT, EXPORT_AGAIN, GOLDEN_SAMPLES, Card, Golden

CARD_KEY = "rtaudio"
GOLDEN_KEY = "rtaudio.golden"


def write_metadata(proto: onnx.ModelProto, card: Card, golden: Golden) -> None:
    """Store the card and the golden vector in a graph, in place of any it has.

    Parameters
    ----------
    proto
        The graph; it is changed.
    card, golden
        What to store.
    """
    vector = {
        "input": _encode(golden.input),
        "output": _encode(golden.output),
        "channels": [golden.input.shape[0], golden.output.shape[0]],
        "samples": GOLDEN_SAMPLES,
    }
    kept = [entry for entry in proto.metadata_props if entry.key not in (CARD_KEY, GOLDEN_KEY)]
    del proto.metadata_props[:]
    proto.metadata_props.extend(kept)
    card_json = card.model_dump_json(by_alias=True)
    for key, value in ((CARD_KEY, card_json), (GOLDEN_KEY, json.dumps(vector))):
        proto.metadata_props.add(key=key, value=value)


def _encode(values: NDArray[Any]) -> str:
    kind = "<i8" if np.issubdtype(values.dtype, np.integer) else "<f4"
    return base64.b64encode(np.ascontiguousarray(values, kind).tobytes()).decode("ascii")


def has_card(proto: onnx.ModelProto) -> bool:
    """Return whether a graph has a card, so that it claims to be a model file."""
    return _metadata(proto, CARD_KEY) is not None


def _metadata(proto: onnx.ModelProto, key: str) -> str | None:
    return next((entry.value for entry in proto.metadata_props if entry.key == key), None)


def read_card(path: Path, proto: onnx.ModelProto) -> Card:
    """Return the card of a graph.

    Parameters
    ----------
    path
        The file, for messages.
    proto
        The graph.

    Raises
    ------
    ContractError
        There is none, one of another version of the contract, or one that is not valid.
    """
    text = _metadata(proto, CARD_KEY)
    if text is None:
        raise ContractError(
            f"{path}: no metadata {CARD_KEY!r}, so not a model file of rtaudio; "
            "make one with `rtaudio export`"
        )
    try:
        version = json.loads(text).get("contract")
    except (ValueError, AttributeError, RecursionError):
        raise ContractError(
            f"{path}: metadata {CARD_KEY!r} is not a JSON object; {EXPORT_AGAIN}"
        ) from None
    if version != CONTRACT:
        raise ContractError(
            f"{path}: contract version {version!r} is not supported, only {CONTRACT}; "
            "update rtaudio, or export the model again"
        )
    try:
        return Card.model_validate_json(text)
    except ValidationError as error:
        raise ContractError(f"{path}: {first_fault(error, Card, 'card')}; {EXPORT_AGAIN}") from None


def read_golden(
    path: Path, proto: onnx.ModelProto, card: Card, codes_shape: tuple[int, int] | None
) -> Golden:
    """Return the golden vector of a graph.

    Parameters
    ----------
    path
        The file, for messages.
    proto
        The graph.
    card
        Its card.
    codes_shape
        (codebooks, frames per hop) of an encoder or decoder, else None.

    Raises
    ------
    ContractError
        There is none, or it does not have the shape that the card says.
    """
    text = _metadata(proto, GOLDEN_KEY)
    if text is None:
        raise ContractError(f"{path}: no golden vector ({GOLDEN_KEY!r}); {EXPORT_AGAIN}")

    def refuse(fault: str) -> ContractError:
        return ContractError(f"{path}: golden vector {fault}; {EXPORT_AGAIN}")

    try:
        vector = json.loads(text)
    except (ValueError, RecursionError):
        raise refuse("is not JSON") from None
    if not isinstance(vector, dict) or set(vector) != {"input", "output", "channels", "samples"}:
        raise refuse("needs exactly the keys input, output, channels and samples")
    if vector["samples"] != GOLDEN_SAMPLES:
        raise refuse(f"has {vector['samples']!r} samples, not {GOLDEN_SAMPLES}")

    sides = []
    for key, channels in (("input", card.channels[0]), ("output", card.channels[1])):
        if channels == 0 and codes_shape is not None:
            shape = (codes_shape[0], codes_shape[1] * -(-GOLDEN_SAMPLES // card.hop))
            kind = "<i8"
        else:
            shape, kind = (channels, GOLDEN_SAMPLES), "<f4"
        try:
            raw = base64.b64decode(vector[key], validate=True)
        except (TypeError, ValueError, binascii.Error):
            raise refuse(f"{key} is not base64") from None
        if len(raw) != math.prod(shape) * np.dtype(kind).itemsize:
            raise refuse(f"{key} has {len(raw)} bytes, which do not fill the shape {list(shape)}")
        values = np.frombuffer(raw, kind).reshape(shape)
        if not np.isfinite(values).all():
            raise refuse(f"{key} holds NaN or infinity")
        sides.append(values.astype(kind[1:], copy=False))
    if vector["channels"] != [sides[0].shape[0], sides[1].shape[0]]:
        raise refuse(
            f"says {vector['channels']!r} channels, the model has "
            f"{[sides[0].shape[0], sides[1].shape[0]]}"
        )
    return Golden(*sides)
