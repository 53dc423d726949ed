"""Base of the effects: a name, mix, bypass, declared parameters, and the way into a program."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, get_args, get_origin

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from rtaudio.errors import AudioError, ParameterError, dotted, fault_text
from rtaudio.runtime.abi import Bus
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.limits import MAX_CHANNELS, RefusedError
from rtaudio.runtime.offline import run
from rtaudio.runtime.plan import Plan
from rtaudio.runtime.program import Program
from rtaudio.runtime.slots import Slots
from rtaudio.runtime.words import struct_at

FILE = "file"
"""The field of an effect that holds a path; in a preset it is relative to the preset."""


def parameter(default: Any, low: float, high: float, unit: str, description: str) -> Any:
    """Declare a parameter that can be changed while the effect plays.

    Parameters
    ----------
    default, low, high
        Start value and the inclusive range.
    unit
        ``"dB"``, ``"Hz"``, ``"ms"``, ``":1"`` or ``""`` for a plain number.
    description
        One line for help texts.
    """
    return Field(
        default,
        ge=low,
        le=high,
        description=description,
        json_schema_extra={"unit": unit, "live": True},
    )


class Effect(BaseModel):
    """Base of all effects.

    A subclass declares its live parameters with :func:`parameter`, parameters that are fixed at
    build time as plain pydantic fields, and implements :meth:`build`. Assigning to a field
    validates it; an unknown field, a wrong type or a value out of range raises
    :class:`~rtaudio.errors.ParameterError`.

    Parameters
    ----------
    name
        Its name for :meth:`rtaudio.Host.set` and the statistics; default: the kind of effect.
    mix
        0 is dry, 1 is wet. The dry signal is delayed by the effect's own latency.
    bypass
        True is the same as mix 0: the delay stays, the change is a 20 ms ramp.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True, allow_inf_nan=False)

    kind: ClassVar[str] = "effect"
    latency_part: ClassVar[bool] = True

    name: str = ""
    mix: float = parameter(1.0, 0.0, 1.0, "", "0 dry .. 1 wet")
    bypass: bool = Field(default=False, description="pass the dry signal, equally delayed")

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse true and false for a number, which pydantic would take for 1 and 0."""
        wanted = cls.model_fields[str(info.field_name)].annotation
        if isinstance(value, bool) and (wanted is float or float in get_args(wanted)):
            raise PydanticCustomError("float_type", "Input should be a valid number")
        return value

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise _parameter_error(error, type(self), fields.get("name")) from None

    def __setattr__(self, name: str, value: Any) -> None:
        try:
            super().__setattr__(name, value)
        except ValidationError as error:
            raise _parameter_error(error, type(self), self.name) from None

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        cls.kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()

    @classmethod
    def list_item(cls, key: str) -> type | None:
        """Return the type of the items of a list field, or None if the field is no list."""
        annotation = cls.model_fields[key].annotation
        if get_origin(annotation) is not list:
            return None
        item = get_args(annotation)[0]
        item = get_args(item)[0] if get_args(item) else item
        return item if isinstance(item, type) else None

    @classmethod
    def effect_item(cls, key: str) -> type[Effect] | None:
        """Return the class of the effects that a list field holds, or None."""
        item = cls.list_item(key)
        return item if item is not None and issubclass(item, Effect) else None

    @classmethod
    def missing_argument(cls, values: Mapping[str, Any]) -> str | None:
        """Return the first argument that the constructor needs and ``values`` lack, or None."""
        for name, argument in inspect.signature(cls).parameters.items():
            named = argument.kind is not argument.VAR_KEYWORD
            if named and argument.default is argument.empty and name not in values:
                return name
        return None

    @classmethod
    def live_parameters(cls) -> list[str]:
        """Return the names of the effect's own live parameters, in slot order."""
        return [
            name
            for name, field in cls.model_fields.items()
            if name != "mix" and (field.json_schema_extra or {}).get("live")  # type: ignore[union-attr]
        ]

    def live_values(self) -> dict[str, float]:
        """Return the value of every slot: mix, bypass, then the effect's own live parameters."""
        names = ["mix", "bypass", *self.live_parameters()]
        return {name: float(getattr(self, name)) for name in names}

    def set_live(self, parameter: str, value: float | bool) -> float:
        """Assign a live parameter.

        Parameters
        ----------
        parameter
            Its name.
        value
            In natural units.

        Returns
        -------
        float
            The value for the slot.

        Raises
        ------
        ParameterError
            The value is out of range, or no number.
        """
        setattr(self, parameter, value)
        return float(getattr(self, parameter))

    def live_range(self, parameter: str) -> tuple[float, float, str]:
        """Return the smallest and the largest value of a live parameter, and its unit."""
        field = type(self).model_fields[parameter]
        low = next((m.ge for m in field.metadata if hasattr(m, "ge")), 0.0)
        high = next((m.le for m in field.metadata if hasattr(m, "le")), 1.0)
        extra = field.json_schema_extra
        unit = extra.get("unit", "") if isinstance(extra, dict) else ""
        return float(low), float(high), str(unit)

    def build(self, builder: Builder, x: Bus, slots: Slots) -> Bus:
        """Append this effect's nodes and return the bus of the wet signal.

        Parameters
        ----------
        builder
            Takes the nodes.
        x
            The input.
        slots
            The live parameters by name; hand them to the nodes, whose kernels read them at each
            block (see `slots_at`).
        """
        raise NotImplementedError

    def publish(self, builder: Builder) -> Slots:
        """Make the parameters settable under ``builder.effect``."""
        return builder.publish(self, self.live_values())

    def add_to(self, builder: Builder, x: Bus) -> Bus:
        """Append the whole effect: its nodes, then the blend with the equally late dry signal.

        Parameters
        ----------
        builder
            Takes the nodes.
        x
            The input.
        """
        with builder.named(self.name, self.kind) as name:
            slots = self.publish(builder)
            wet = self.build(builder, x, slots)
            out = builder.blend(x, wet, slots)
            if self.latency_part:
                builder.latency_parts[name] = out.latency_samples - x.latency_samples
        return out

    def plan(
        self,
        rate_hz: int,
        block: int,
        *,
        in_channels: int = 1,
        out_channels: int | None = None,
        offline: bool = False,
    ) -> Plan:
        """Return what this effect compiles to, as data.

        Parameters
        ----------
        rate_hz, block
            Sample rate and largest number of frames per call.
        in_channels, out_channels
            Channels of the input and output; None: as the effect needs for its input.
        offline
            See :class:`~rtaudio.runtime.builder.Builder`.

        Raises
        ------
        ParameterError
            It cannot be built at this rate or block size, or two of its effects have one name.
        """
        with refusals():
            builder = Builder(rate_hz, block, offline=offline)
            source = builder.bus(in_channels)
            output = self.add_to(builder, source)
            if out_channels is not None:
                output = builder.adapt(output, out_channels)
            return builder.finish(source, output)

    def compile(
        self,
        rate_hz: int,
        block: int,
        *,
        in_channels: int = 1,
        out_channels: int | None = None,
        offline: bool = False,
    ) -> Program:
        """Return the program that plays this effect.

        Parameters
        ----------
        rate_hz, block, in_channels, out_channels, offline
            As for :meth:`plan`.
        """
        return Program(
            self.plan(
                rate_hz,
                block,
                in_channels=in_channels,
                out_channels=out_channels,
                offline=offline,
            )
        )

    def __call__(
        self, x: Any, rate_hz: int, *, block: int = 512, out_channels: int | None = None
    ) -> np.ndarray[Any, Any]:
        """Render an array, from the initial state of the effect.

        Parameters
        ----------
        x
            Audio, mono ``[frames]`` or ``[channels, frames]``.
        rate_hz
            Its sample rate.
        block
            Frames per call of the program; the result does not depend on it.
        out_channels
            Channels of the result; None: as the effect needs for the input.

        Returns
        -------
        numpy.ndarray
            float32, as long as ``x`` and aligned with it (the latency is compensated);
            one-dimensional if ``x`` was and the effect stays mono.

        Raises
        ------
        AudioError
            ``x`` has no frames, a wrong shape, or samples that are not finite.

        Warns
        -----
        RuntimeWarning
            An effect made NaN, Inf or a runaway level; it was silenced for a block and reset.
        """
        planar = np.atleast_2d(np.asarray(x, np.float32))
        if planar.ndim != 2 or planar.shape[1] == 0 or planar.shape[0] == 0:
            raise AudioError(f"audio must be [frames] or [channels, frames], not {np.shape(x)}")
        if planar.shape[0] > MAX_CHANNELS:
            raise AudioError(
                f"audio must be [channels, frames], not {np.shape(x)}: at most {MAX_CHANNELS} "
                "channels; turn what soundfile read with .T"
            )
        if not np.isfinite(planar).all():
            raise AudioError("the audio holds NaN or infinite samples; repair it first")
        program = self.compile(
            rate_hz, block, in_channels=planar.shape[0], out_channels=out_channels, offline=True
        )
        tail = np.zeros((planar.shape[0], program.latency_samples), np.float32)
        wet = run(program, np.concatenate([planar, tail], axis=1))[:, program.latency_samples :]
        if program.faults:
            warnings.warn(f"silenced and reset: {program.faults}", RuntimeWarning, stacklevel=2)
        return wet[0] if np.ndim(x) == 1 and wet.shape[0] == 1 else wet


def _parameter_error(error: ValidationError, effect: type[Effect], name: object) -> ParameterError:
    """Return a fault that pydantic found, in the usual words."""
    fault = error.errors()[0]
    owner = name if isinstance(name, str) and name else effect.kind
    return ParameterError(fault_text(fault, dotted(owner, fault["loc"]), effect), fault)


@contextmanager
def refusals() -> Iterator[None]:
    """Raise an error of the runtime that the user can mend as a `ParameterError`."""
    try:
        yield
    except RefusedError as error:
        raise ParameterError(str(error)) from None


def slots_at(effect: type[Effect]) -> Any:
    """Make the compiled function by which a kernel reads an effect's own slots, by name.

    Parameters
    ----------
    effect
        The class; its live parameters are the fields of the record.

    Notes
    -----
    In a kernel::

        p = _slots_at(s.params)        # _slots_at = slots_at(Gain), at the top of the module
        factor = from_db(p.gain_db)
    """
    return struct_at(np.dtype([(name, "f4") for name in effect.live_parameters()]))
