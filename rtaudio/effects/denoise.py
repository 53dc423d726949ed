"""Denoise: a voice without what is around it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, PrivateAttr

from rtaudio.effects.base import Effect, Slots, parameter
from rtaudio.effects.model import Model
from rtaudio.runtime.builder import Builder, Bus
from rtaudio.runtime.kernels.denoise import denoise
from rtaudio.shipped import shipped_models


def shipped_denoiser() -> Path:
    """Return the model that :class:`Denoise` plays unless it is given another one."""
    return shipped_models()["denoise"]


class Denoise(Effect):
    """Keep the voice, remove the noise: a denoising model and what is asked of one while it plays.

    The noisy signal is delayed by exactly what the model takes (its window and look-ahead, and
    resampling, hop and worker where they are needed), so what is mixed of the two never combs, and
    an attenuation limit of 0 dB, mix 0 and bypass are pure delays.

    Parameters
    ----------
    file
        The model: any denoiser that :class:`~rtaudio.Model` plays; default: the shipped one.
    worker
        As for :class:`~rtaudio.Model`: None decides live.
    attenuation_limit_db
        The most by which noise is turned down: ``10^(-limit / 20)`` of the noisy signal is mixed
        in, 0 .. 100 dB. 0 is a pure delay, 100 no limit.
    pause_db
        Turn the rest down by this much more between words, 0 (off) .. 40 dB, within the limit.
    hold_ms
        How long a word is taken to last after its last sound, 50 .. 2000 ms.
    gain_db
        Level of the output, -40 .. 40 dB.
    compare
        True plays the noisy signal in place of the cleaned one, with its speech at the same level,
        so that the ear compares noise and not loudness; a ramp of 20 ms. ``bypass`` and ``mix``
        leave the level alone.

    Raises
    ------
    FileNotFoundError, ContractError
        No such file, or it is not a model that can be played.

    Notes
    -----
    The limit is that of DeepFilterNet (H. Schröter et al., 2022), on samples in place of spectra.
    Voice is measured on what the model lets through (see
    :mod:`rtaudio.runtime.kernels.denoise`); it costs no latency.

    Examples
    --------
    >>> clean = Denoise(attenuation_limit_db=24.0)(noisy, 48000)   # doctest: +SKIP
    """

    file: Path = Field(default_factory=shipped_denoiser)
    worker: bool | None = Field(None, description="run in a thread of its own; null: decide live")
    attenuation_limit_db: float = parameter(100.0, 0.0, 100.0, "dB", "noise goes down by this much")
    pause_db: float = parameter(0.0, 0.0, 40.0, "dB", "further down between words")
    hold_ms: float = parameter(250.0, 50.0, 2000.0, "ms", "length of a word behind its last sound")
    gain_db: float = parameter(0.0, -40.0, 40.0, "dB", "level of the output")
    compare: bool = Field(
        default=False,
        description="play the noisy signal, its speech equally loud",
        json_schema_extra={"unit": "", "live": True},
    )

    _model: Model = PrivateAttr()

    def __init__(self, file: str | Path | None = None, **fields: Any) -> None:
        super().__init__(**({"file": file} if file is not None else {}), **fields)
        self._model = Model(self.file, worker=self.worker)

    @property
    def card(self) -> Any:
        """The model's :class:`~rtaudio.models.contract.card.Card`."""
        return self._model.card

    def build(self, builder: Builder, x: Bus, params: Slots) -> Bus:
        """Append the model, the delay of the noisy signal, and what mixes the two."""
        own = list(self._model.live_values().values())[2:]
        wet = self._model.build(builder, x, np.array(own, np.float32))
        dry = builder.delay_to(builder.adapt(x, wet.channels), wet.latency_samples)
        return builder.run(denoise(dry.address, params, builder.rate_hz), wet)
