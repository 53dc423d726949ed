"""Base of the effects: a name, mix, bypass, declared parameters, and the way into a program."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import KW_ONLY
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, field_validator

from rtaudio.audio.samples import samples
from rtaudio.effects.fields import Common, Fields, parameter
from rtaudio.effects.stream import Stream
from rtaudio.errors import AudioError, ParameterError
from rtaudio.runtime.abi import Bus
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.limits import RefusedError
from rtaudio.runtime.memory import Floats
from rtaudio.runtime.offline import run
from rtaudio.runtime.plan import Plan
from rtaudio.runtime.program import Program
from rtaudio.runtime.slots import Slots
from rtaudio.runtime.words import struct_at

__all__ = ["FILE", "Common", "Effect", "parameter", "refusals", "slots_at"]

FILE = "file"
"""The field of an effect that holds a path; in a preset it is relative to the preset."""

STREAM_BLOCK = 512
"""Most frames per call of the program of a stream."""


class Effect(Fields):
    """Base of all effects: call one with an array, stream through it, or play it on a host.

    A subclass declares its live parameters with :func:`parameter`, parameters that are fixed at
    build time as plain fields, and implements :meth:`build`. Presets know it by its ``kind``, the
    name of the class in small letters.

    Parameters
    ----------
    name
        Its name for :meth:`rtaudio.Host.set` and the statistics; default: the kind of effect.
    mix
        0 is dry, 1 is wet. The dry signal is delayed by the effect's own latency.
    bypass
        True is the same as mix 0: the delay stays, the change is a 20 ms ramp.

    Raises
    ------
    ParameterError
        An unknown field, a wrong type or a value out of range, here or in a later assignment.
    """

    latency_part: ClassVar[bool] = True

    if TYPE_CHECKING:
        _: KW_ONLY

        def __init__(self, *values: Any, **fields: Any) -> None: ...

    name: str = ""
    mix: float = parameter(1.0, 0.0, 1.0, "", "0 dry .. 1 wet")
    bypass: bool = Field(default=False, description="pass the dry signal, equally delayed")

    @field_validator("name")
    @classmethod
    def _one_line(cls, name: str) -> str:
        if not name.isprintable():
            raise ValueError("is not one line of text")
        return name

    @property
    def usual_name(self) -> str:
        """Its name in a program, where it has none of its own: the kind; a number may follow."""
        return self.kind

    @classmethod
    def effect_item(cls, key: str) -> type[Effect] | None:
        """Return the class of the effects that a list field holds, or None."""
        item = cls.list_item(key)
        return item if item is not None and issubclass(item, Effect) else None

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

    def live_default(self, parameter: str) -> float | bool:
        """Return the value of a live parameter in a new effect; true or false for a switch."""
        default: float | bool = type(self).model_fields[parameter].get_default()
        return default

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
        with builder.named(self.name, self.usual_name) as name:
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
        varying: bool = False,
    ) -> Plan:
        """Return what this effect compiles to, as data.

        Parameters
        ----------
        rate_hz, block
            Sample rate and largest number of frames per call.
        in_channels, out_channels
            Channels of the input and output; None: as the effect needs for its input.
        offline, varying
            See :class:`~rtaudio.runtime.builder.Builder`.

        Raises
        ------
        ParameterError
            It cannot be built at this rate or block size, or two of its effects have one name.
        """
        with refusals():
            builder = Builder(rate_hz, block, offline=offline, varying=varying)
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
        varying: bool = False,
    ) -> Program:
        """Return the program that plays this effect.

        Parameters
        ----------
        rate_hz, block, in_channels, out_channels, offline, varying
            As for :meth:`plan`.
        """
        return Program(
            self.plan(
                rate_hz,
                block,
                in_channels=in_channels,
                out_channels=out_channels,
                offline=offline,
                varying=varying,
            )
        )

    def __call__(
        self, x: ArrayLike, rate_hz: int, *, block: int = 512, out_channels: int | None = None
    ) -> Floats:
        """Render an array, from the initial state of the effect.

        Parameters
        ----------
        x
            Audio, mono ``[frames]`` or ``[channels, frames]``. Kinds as for
            :func:`rtaudio.audio.samples.samples`.
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
            ``x`` has no frames, or is no sound.

        Warns
        -----
        RuntimeWarning
            An effect made NaN, Inf or a runaway level; it was silenced for a block and reset.
        """
        planar = samples(x)
        if planar.shape[1] == 0:
            raise AudioError("the audio must be [frames] or [channels, frames], not without frames")
        program = self.compile(
            rate_hz, block, in_channels=planar.shape[0], out_channels=out_channels, offline=True
        )
        tail = np.zeros((planar.shape[0], program.latency_samples), np.float32)
        wet = run(program, np.concatenate([planar, tail], axis=1))[:, program.latency_samples :]
        if program.faults:
            warnings.warn(f"silenced and reset: {program.faults}", RuntimeWarning, stacklevel=2)
        return wet[0] if np.ndim(x) == 1 and wet.shape[0] == 1 else wet

    def stream(self, rate_hz: int, channels: int = 1) -> Stream:
        """Return a stream: sound goes through piece by piece, and the state is kept.

        Parameters
        ----------
        rate_hz
            Sample rate.
        channels
            Channels of the input.

        Raises
        ------
        ParameterError
            It cannot be built at this rate.

        Examples
        --------
        >>> stream = Gain(-6).stream(48000)
        >>> stream.process(np.ones(3, np.float32)).round(3)
        array([0.501, 0.501, 0.501], dtype=float32)
        """
        return Stream(
            lambda: self.compile(
                rate_hz, STREAM_BLOCK, in_channels=channels, offline=True, varying=True
            )
        )


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
