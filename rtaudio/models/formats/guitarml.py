"""Read GuitarML captures (``.json``): Proteus, NeuralPi, TS-M1N3, Chameleon.

The files of Alec Wright's CoreAudioML: ``model_data`` names the sizes, ``state_dict`` holds the
weights of a torch LSTM or GRU ``rec`` and of a linear head ``lin``, by their torch names. With
``skip`` the audio is added to the output. Inputs behind the first are knobs from 0 to 1. All
state starts at zero. The rate is 44,100 Hz unless the file has ``sample_rate``.
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
from rtaudio.models.formats.foreign_net import Capture
from rtaudio.models.formats.json_file import float32_table, read_object, sample_rate, section
from rtaudio.models.net.types import Dense, Gru, Layer, Lstm, Stack

__all__ = ["guitarml_capture", "read_guitarml"]

DEFAULT_RATE = 44_100
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


def read_guitarml(path: str | Path) -> Capture:
    """Read and check a GuitarML capture.

    Raises
    ------
    FormatError
        Not such a file, a net of another kind, or weights of another size than it says.
    FileNotFoundError
        No such file.

    Examples
    --------
    >>> [knob.name for knob in read_guitarml("ts9.json").parameters]        # doctest: +SKIP
    ['param1']
    """
    path = Path(path)
    return guitarml_capture(path, read_object(path))


def guitarml_capture(path: Path, document: Mapping[str, Any]) -> Capture:
    """As `read_guitarml`, from the JSON object that ``path`` held."""
    try:
        data = _ModelData.model_validate(section(path, document, "model_data"))
    except ValidationError as error:
        raise FormatError(
            f"{path}: {first_fault(error, _ModelData, 'model_data'):.180}; "
            "a recurrent net of one output is played"
        ) from None
    weights = section(path, document, "state_dict")
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
    rate = sample_rate(path, document.get("sample_rate"), DEFAULT_RATE)
    return Capture(
        path=path, format="guitarml", version="", sample_rate=rate,
        net=Stack(tuple(layers), data.input_size, skip=bool(data.skip)),
        metadata=section(path, document, "metadata"),
        parameters=tuple(
            ModelParameter(name=f"param{number}", min=0.0, max=1.0, default=0.5)
            for number in range(1, data.input_size)
        ),
        prewarm_samples=round(PREWARM_S * rate),
    )  # fmt: skip
