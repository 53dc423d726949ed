"""Read GuitarML files (``.json``): Proteus, NeuralPi, TS-M1N3, Chameleon.

The files come from Alec Wright's CoreAudioML: ``model_data`` has the sizes, ``state_dict`` the
weights of a torch LSTM or GRU ``rec`` and of a linear head ``lin``, by their torch names. With
``skip`` the audio is added to the output. Inputs after the first are knobs from 0 to 1. All states
start at zero. The sample rate is 44,100 Hz unless the file has ``sample_rate``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rtaudio.errors import FormatError, first_fault
from rtaudio.models.contract.card import ModelParameter
from rtaudio.models.formats.foreign_net import ForeignNet
from rtaudio.models.formats.json_file import float32_table, read_object, read_rate_hz, section
from rtaudio.models.net.types import Dense, Gru, Layer, Lstm, Stack

__all__ = ["guitarml_net", "read_guitarml"]

DEFAULT_RATE_HZ = 44_100
PREWARM_S = 0.5


class _ModelData(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    model: Literal["SimpleRNN"] = "SimpleRNN"
    input_size: int = Field(ge=1, le=3)
    output_size: Literal[1] = 1
    skip: Literal[0, 1] | None = None
    unit_type: Literal["LSTM", "GRU"] = "LSTM"
    num_layers: int = Field(1, ge=1, le=16)
    hidden_size: int = Field(ge=1, le=4096)
    bias_fl: bool = True


def read_guitarml(path: str | Path) -> ForeignNet:
    """Read and check a GuitarML file.

    Raises
    ------
    FormatError
        Not such a file, a net of another kind, or weights that do not have the sizes in
        ``model_data``.
    FileNotFoundError
        No such file.

    Examples
    --------
    >>> import json, tempfile
    >>> table = {"rec.weight_ih_l0": [[0.5]] * 4, "rec.weight_hh_l0": [[0.0]] * 4,
    ...          "rec.bias_ih_l0": [0.0] * 4, "rec.bias_hh_l0": [0.0] * 4,
    ...          "lin.weight": [[1.0]], "lin.bias": [0.0]}
    >>> content = {"model_data": {"input_size": 1, "hidden_size": 1}, "state_dict": table}
    >>> path = Path(tempfile.mkdtemp()) / "amp.json"
    >>> _ = path.write_text(json.dumps(content))
    >>> net = read_guitarml(path)
    >>> net.rate_hz, len(net.net.layers)
    (44100, 2)
    """
    path = Path(path)
    return guitarml_net(path, read_object(path)[0])


def guitarml_net(path: Path, document: Mapping[str, Any]) -> ForeignNet:
    """Read a net as `read_guitarml` does, from the JSON object in the file.

    Parameters
    ----------
    path
        The file, for messages.
    document
        The object.

    Raises
    ------
    FormatError
        As `read_guitarml`.
    """
    try:
        data = _ModelData.model_validate(section(path, document, "model_data"))
    except ValidationError as error:
        raise FormatError(
            f"{path}: {first_fault(error, _ModelData, 'model_data'):.180}; only recurrent nets "
            "with one output are supported"
        ) from None
    rate_hz = read_rate_hz(path, document.get("sample_rate"), DEFAULT_RATE_HZ)
    return ForeignNet(
        path=path,
        format="guitarml",
        version="",
        rate_hz=rate_hz,
        net=_stack(path, data, section(path, document, "state_dict")),
        metadata=section(path, document, "metadata"),
        parameters=tuple(
            ModelParameter(name=f"param{number}", min=0.0, max=1.0, default=0.5)
            for number in range(1, data.input_size)
        ),
        prewarm_samples=round(PREWARM_S * rate_hz),
    )


def _stack(path: Path, data: _ModelData, weights: Mapping[str, Any]) -> Stack:
    """Return the net of a table of weights by their torch names."""
    size, given = data.hidden_size, data.input_size
    gates = 4 if data.unit_type == "LSTM" else 3

    def table(name: str, *shape: int) -> NDArray[np.float32]:
        if name not in weights and name.startswith(("rec.bias", "lin.bias")) and not data.bias_fl:
            return np.zeros(shape, np.float32)
        return float32_table(path, f"state_dict, {name}", weights.get(name), shape)

    layers: list[Layer] = []
    for place in range(data.num_layers):
        matrices = (
            table(f"rec.weight_ih_l{place}", gates * size, given),
            table(f"rec.weight_hh_l{place}", gates * size, size),
        )
        biases = [table(f"rec.bias_{part}_l{place}", gates * size) for part in ("ih", "hh")]
        zeros = np.zeros(size, np.float32)
        if data.unit_type == "LSTM":
            layers.append(Lstm(*matrices, biases[0] + biases[1], zeros, zeros))
        else:
            layers.append(Gru(*matrices, *biases))
        given = size
    layers.append(Dense(table("lin.weight", 1, size), table("lin.bias", 1)))
    return Stack(tuple(layers), data.input_size, skip=bool(data.skip))
