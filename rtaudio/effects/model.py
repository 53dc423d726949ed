"""Model: a neural network as an effect."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Unpack

from pydantic import Field, PrivateAttr

from rtaudio.analysis.loudness import loudness_db
from rtaudio.effects.base import Common, Effect
from rtaudio.effects.model_player import ModelPlayer
from rtaudio.errors import ParameterError, out_of_range
from rtaudio.models.contract.card import Card
from rtaudio.models.loader import LoadedModel, load_model
from rtaudio.runtime.abi import Bus
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.kernels.gain import level_node
from rtaudio.runtime.limits import MAX_RATE_HZ, MIN_RATE_HZ
from rtaudio.runtime.onnx_runtime import Provider
from rtaudio.runtime.slots import Slots
from rtaudio.settings import load_settings

_NORMAL_DB = -18.0


class _ModelOptions(Common, total=False):
    slim: float
    rate_hz: int | None
    engine: Literal["auto", "onnx", "native"]
    provider: Provider
    worker: bool | None
    oversample: Literal[1, 2, 4]
    input: Literal["raw", "calibrated"]
    output: Literal["raw", "normalized", "calibrated"]
    interface_dbu: float | None
    parameters: dict[str, float]


class Model(Effect):
    """A neural net from a file, one state per channel.

    A streaming model file (see :mod:`rtaudio.models.contract`); ``.nam``, AIDA-X, RTNeural and
    GuitarML files; or a third-party denoiser, a file or a folder (see :mod:`rtaudio.models.read`).
    The knobs of a net are live parameters. It starts settled, without a thump. Resampling to
    another rate and the adaptation of a hop to the block are in the reported latency.

    Parameters
    ----------
    file
        The file.
    slim
        The size to play, of a ``.nam`` file that holds several: 0 the smallest .. 1 the full size.
    rate_hz
        Sample rate of a net whose file states none; null: the usual one of its format.
    engine
        ``"auto"``: a native kernel, if it reproduces the golden vector, or ONNX Runtime.
    provider
        ``"cuda"`` computes on a GPU, in a thread of its own; without one, a warning says why.
    worker
        True runs the model in a thread of its own, one block late or more; False in the callback;
        None decides: a thread, if all models would take more than half of a block.
    oversample
        2 or 4 plays the model at a multiple of its rate and of its cost, with less aliasing.
    input
        ``"calibrated"`` brings the signal to the level that the file states (``input_dbu``).
    output
        ``"normalized"`` brings the loudness to -18 dB (`rtaudio.analysis.loudness`),
        ``"calibrated"`` to the level of the amplifier (``output_dbu``). ``"raw"`` changes nothing.
    interface_dbu
        Level of the interface, -20 .. 40 dBu; live. None: that of the settings.
    parameters
        Values of the model's own parameters by name, in natural units; live.

    Raises
    ------
    FileNotFoundError, ContractError, FormatError
        No such file, or it is not a model that can be played.

    Examples
    --------
    >>> amp = Model("presets/models/crunch.onnx", name="amp")      # doctest: +SKIP
    """

    file: Path
    slim: float = Field(1.0, ge=0.0, le=1.0, description="size of a .nam file that holds several")
    rate_hz: int | None = Field(
        None,
        ge=MIN_RATE_HZ,
        le=MAX_RATE_HZ,
        description="rate of a net whose file states none; null: the format's usual one",
        json_schema_extra={"unit": "Hz"},
    )
    engine: Literal["auto", "onnx", "native"] = "auto"
    provider: Provider = Field("cpu", description="where ONNX Runtime computes")
    worker: bool | None = Field(None, description="run in a thread of its own; null: decide live")
    oversample: Literal[1, 2, 4] = 1
    input: Literal["raw", "calibrated"] = "raw"
    output: Literal["raw", "normalized", "calibrated"] = "raw"
    interface_dbu: float | None = Field(
        None,
        ge=-20.0,
        le=40.0,
        description="level that reads 0 dBFS; null: the settings'",
        json_schema_extra={"unit": "dBu"},
    )
    parameters: dict[str, float] = Field(default_factory=dict)

    _loaded: LoadedModel = PrivateAttr()
    _measured_db: float | None = PrivateAttr(None)

    def __init__(self, file: str | Path, **options: Unpack[_ModelOptions]) -> None:
        super().__init__(file=file, **options)
        self._loaded = load_model(self.file, slim=self.slim, rate_hz=self.rate_hz)
        if self.provider != "cpu" and (self.worker is False or self.engine == "native"):
            other = "worker = False" if self.worker is False else "engine = native"
            raise ParameterError(
                f"{self.file}: provider = {self.provider} and {other}: it is ONNX Runtime in a "
                "thread of its own; remove one"
            )
        known = {p.name: p for p in self._loaded.file.card.parameters}
        for name, value in self.parameters.items():
            if name not in known:
                raise ParameterError(
                    f"{self.file}: the model has no parameter {name!r}; it has: "
                    f"{', '.join(known) or 'none'}"
                )
            self._check_range(name, value)
        if self.oversample > 1 and (self.card.hop or self.card.channels != (1, 1)):
            raise ParameterError(
                f"{self.file}: oversample = {self.oversample}: only models of one channel that "
                "take any number of frames can be oversampled; remove it"
            )
        self._levels()

    @property
    def card(self) -> Card:
        """The model's :class:`~rtaudio.models.contract.card.Card`."""
        return self._loaded.file.card

    def _check_range(self, name: str, value: float) -> None:
        parameter = next(p for p in self.card.parameters if p.name == name)
        if not parameter.min <= value <= parameter.max:
            key = f"{self.name or self.kind}.{name}"
            raise ParameterError(
                out_of_range(key, f"{value:g}", parameter.min, parameter.max, parameter.unit)
            )

    def live_values(self) -> dict[str, float]:
        """Return mix, bypass, and the model's own parameters in the order of its card."""
        own = {p.name: self.parameters.get(p.name, p.default) for p in self.card.parameters}
        calibrated = "calibrated" in (self.input, self.output)
        levels = {"interface_dbu": self._interface_dbu()} if calibrated else {}
        return super().live_values() | own | levels

    def _interface_dbu(self) -> float:
        if self.interface_dbu is not None:
            return self.interface_dbu
        return load_settings().interface_dbu

    def _levels(self) -> list[tuple[float, float] | None]:
        """Return the gains before and after the model, or None for no change.

        Each is (a, b): a + b * interface_dbu, in decibels.
        """
        before = (-self._stated("input"), 1.0) if self.input == "calibrated" else None
        after = None
        if self.output == "calibrated":
            after = (self._stated("output"), -1.0)
        elif self.output == "normalized":
            after = (_NORMAL_DB - self._loudness_db(), 0.0)
        return [before, after]

    def _stated(self, side: str) -> float:
        try:
            return float(self.card.levels[f"{side}_dbu"])
        except KeyError:
            raise ParameterError(
                f"{self.file}: does not state its {side} level ({side}_dbu), so it cannot be "
                f"calibrated; remove {side}: calibrated"
            ) from None

    def _loudness_db(self) -> float:
        """Return the loudness that the file states, or else measure it once."""
        if "loudness_db" in self.card.levels:
            return float(self.card.levels["loudness_db"])
        if self._measured_db is None:
            model = Model(
                self.file, slim=self.slim, rate_hz=self.rate_hz, engine=self.engine, worker=False
            )
            self._measured_db = loudness_db(model, self.card.rate_hz)
        return self._measured_db

    def set_live(self, parameter: str, value: float | bool) -> float:
        """Assign mix, bypass, the interface's level or one of the model's parameters."""
        if parameter in ("mix", "bypass", "interface_dbu"):
            return super().set_live(parameter, value)
        self._check_range(parameter, float(value))
        self.parameters[parameter] = float(value)
        return float(value)

    def live_range(self, parameter: str) -> tuple[float, float, str]:
        """Return the range and the unit of mix, bypass, a level or one of the model's own."""
        own = next((p for p in self.card.parameters if p.name == parameter), None)
        return (own.min, own.max, own.unit) if own else super().live_range(parameter)

    def live_default(self, parameter: str) -> float | bool:
        """Return the value that the card states, or that of the settings for the interface."""
        if parameter == "interface_dbu":
            return load_settings().interface_dbu
        own = next((p for p in self.card.parameters if p.name == parameter), None)
        return own.default if own else super().live_default(parameter)

    def build(self, builder: Builder, x: Bus, slots: Slots) -> Bus:
        """Append the model once per channel, or once if it takes all channels together."""
        knobs = len(self.card.parameters)
        interface = slots.slot("interface_dbu") if "interface_dbu" in slots else None
        before, after = self._levels()
        if before:
            x = builder.run(level_node(*before, interface, builder.rate_hz), x)
        player = ModelPlayer(
            self._loaded,
            engine=None if self.engine == "auto" else self.engine,
            worker=self.worker,
            oversample=self.oversample,
            provider=self.provider,
        )
        y = player.append(builder, x, slots.own[:knobs] if knobs else None)
        if after:
            y = builder.run(level_node(*after, interface, builder.rate_hz), y)
        return y
