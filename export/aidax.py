"""Write the JSON of RTNeural, as the AIDA-X plugin reads it (``.aidax``).

The format is described in `rtaudio.models.formats.rtneural`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from export.errors import ExportError
from rtaudio.models.contract.card import Card, Golden, ModelParameter
from rtaudio.models.formats.rtneural import MAX_KNOBS
from rtaudio.models.net.types import Activation, Dense, Gru, Lstm, Net, Stack
from rtaudio.runtime.memory import Floats

__all__ = ["aidax_document"]

PLUGIN_UNITS = (8, 12, 16, 20, 32, 40, 64, 80)
"""Sizes of the one layer that the AIDA-X plugin plays."""


def aidax_document(net: Net, card: Card, golden: Golden, *, plugin: bool = True) -> dict[str, Any]:
    """Make the JSON object of an AIDA-X file.

    Parameters
    ----------
    net
        LSTMs or GRUs with a linear head.
    card
        Its name, sample rate, license and error (`Card.esr`) go into the metadata. Its knobs
        become the plugin's, from 0 to 1.
    golden
        A test vector of the net with every knob at its lowest value.
    plugin
        Whether the file must suit the AIDA-X plugin: units without weights are added up to the
        next size that it plays. RTNeural itself takes any size and number of layers.

    Returns
    -------
    dict
        The object, ready for ``json.dump``.

    Raises
    ------
    ExportError
        The format, or the plugin, cannot hold this net.
    """
    if len(card.parameters) > MAX_KNOBS:
        raise ExportError(
            f"the net has {len(card.parameters)} knobs, AIDA-X at most {MAX_KNOBS}; export it as "
            ".onnx"
        )
    cells, head = _parts(net)
    assert isinstance(net, Stack)
    if card.parameters:
        cells[0] = _from_zero_to_one(cells[0], card.parameters)
    if plugin:
        cells, head = _padded(cells, head)
    return {
        "in_shape": [None, None, net.inputs],
        "in_skip": int(net.skip),
        "in_gain": _decibels(net.in_gain),
        "out_gain": _decibels(net.out_gain),
        "metadata": {
            "name": card.name,
            "samplerate": str(card.rate_hz),
            "license": card.license,
            **({} if card.esr is None else {"esr": card.esr}),
        },
        "layers": [
            *(_cell(cell) for cell in cells),
            {
                "type": "dense",
                "activation": "",
                "shape": [None, None, 1],
                "weights": [head.weight.T.tolist(), head.bias.tolist()],
            },
        ],
        "input_batch": golden.input[0].tolist(),
        "output_batch": golden.output[0].tolist(),
    }


def _parts(net: Net) -> tuple[list[Lstm | Gru], Dense]:
    cells = (
        [layer for layer in net.layers if isinstance(layer, Lstm | Gru)]
        if isinstance(net, Stack)
        else []
    )
    head = net.layers[-1] if isinstance(net, Stack) else None
    if (
        not isinstance(net, Stack)
        or not cells
        or len(cells) != len(net.layers) - 1
        or not isinstance(head, Dense)
        or head.activation != Activation()
    ):
        raise ExportError(
            "an AIDA-X file holds LSTMs and GRUs with a linear head; export it as .onnx or .nam"
        )
    if any(isinstance(cell, Lstm) and (cell.hidden.any() or cell.cell.any()) for cell in cells):
        raise ExportError(
            "the net has a start state, and an AIDA-X file starts from zero; export it as .onnx or "
            ".nam"
        )
    return cells, head


def _decibels(factor: float) -> float:
    if not factor > 0:
        raise ExportError(f"a gain of {factor:g} has no level in dB; export it as .onnx")
    return float(20 * np.log10(factor))


def _from_zero_to_one(cell: Lstm | Gru, knobs: Sequence[ModelParameter]) -> Lstm | Gru:
    """Make a layer that takes knobs as 0..1 of one that takes them in natural units."""
    low = np.array([knob.min for knob in knobs])
    span = np.array([knob.max for knob in knobs]) - low
    slopes = cell.weight_ih[:, 1:].astype(np.float64)
    weight_ih = np.hstack([cell.weight_ih[:, :1], slopes * span]).astype(np.float32)
    moved = (slopes @ low).astype(np.float32)
    if isinstance(cell, Gru):
        return Gru(weight_ih, cell.weight_hh, cell.bias_ih + moved, cell.bias_hh)
    return Lstm(weight_ih, cell.weight_hh, cell.bias + moved, cell.hidden, cell.cell)


def _padded(cells: list[Lstm | Gru], head: Dense) -> tuple[list[Lstm | Gru], Dense]:
    """Add units that stay at zero, as nothing reaches them, up to a size of the plugin."""
    units = cells[0].weight_hh.shape[1]
    size = next((size for size in PLUGIN_UNITS if size >= units), None)
    if len(cells) > 1 or size is None:
        raise ExportError(
            f"the net has {len(cells)} layers of {units} units, and the AIDA-X plugin plays one "
            f"of at most {PLUGIN_UNITS[-1]}; export it as .json for other players of RTNeural"
        )
    cell = cells[0]
    more = size - units

    def rows(array: Floats) -> Floats:
        gates = array.reshape(-1, units, *array.shape[1:])
        padding = [(0, 0), (0, more), *((0, 0) for _ in array.shape[1:])]
        return np.pad(gates, padding).reshape(-1, *array.shape[1:])

    weight_ih = rows(cell.weight_ih)
    weight_hh = np.pad(rows(cell.weight_hh), ((0, 0), (0, more)))
    wide = Dense(np.pad(head.weight, ((0, 0), (0, more))), head.bias)
    if isinstance(cell, Gru):
        return [Gru(weight_ih, weight_hh, rows(cell.bias_ih), rows(cell.bias_hh))], wide
    return [Lstm(weight_ih, weight_hh, rows(cell.bias), rows(cell.hidden), rows(cell.cell))], wide


def _cell(cell: Lstm | Gru) -> dict[str, Any]:
    """Return a layer in Keras' layout: matrices transposed; gates i, f, c, o and z, r, h."""
    if isinstance(cell, Lstm):
        kind, weights = "lstm", [cell.weight_ih.T, cell.weight_hh.T, cell.bias]
    else:
        units = cell.weight_hh.shape[1]
        order = np.r_[units : 2 * units, :units, 2 * units : 3 * units]
        kind, weights = (
            "gru",
            [
                cell.weight_ih[order].T,
                cell.weight_hh[order].T,
                np.stack([cell.bias_ih[order], cell.bias_hh[order]]),
            ],
        )
    return {
        "type": kind,
        "activation": "",
        "shape": [None, None, cell.weight_hh.shape[1]],
        "weights": [part.tolist() for part in weights],
    }
