"""The settings of a DeepFilterNet3, read from its ``config.ini``."""

from __future__ import annotations

import configparser
import math
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rtaudio.errors import first_fault
from rtaudio.runtime.memory import Array

OPSET = 17
RATE_HZ = 48000
CONFIG = "config.ini"
MAX_CONFIG_BYTES = 1 << 20

Size = Annotated[int, Field(ge=1, le=4096)]
Frames = Annotated[int, Field(ge=0, le=16)]


class DeepFilterNetSettings(BaseModel):
    """Settings of the net that stand in ``config.ini`` only, not in its graphs."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    model: Literal["deepfilternet3"]
    sr: Literal["48000"]
    fft_size: Annotated[int, Field(ge=64, le=8192)]
    hop_size: Size
    nb_erb: Annotated[int, Field(ge=8, le=512, multiple_of=8)]
    nb_df: Annotated[int, Field(ge=2, le=4096, multiple_of=2)]
    min_nb_erb_freqs: Size = 2
    norm_tau: Annotated[float, Field(gt=0, le=3600)] = 1.0
    df_order: Annotated[int, Field(ge=1, le=32)]
    df_lookahead: Frames
    conv_lookahead: Frames
    conv_ch: Size
    emb_hidden_dim: Size
    emb_num_layers: Annotated[int, Field(ge=2, le=8)]
    df_hidden_dim: Size
    df_num_layers: Annotated[int, Field(ge=1, le=8)]
    mask_pf: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.fft_size % 2 or self.fft_size % self.hop_size or 2 * self.hop_size > self.fft_size:
            raise ValueError(f"fft_size {self.fft_size} does not fit hop_size {self.hop_size}")
        if self.df_lookahead > min(self.conv_lookahead, self.df_order - 1):
            raise ValueError(f"df_lookahead {self.df_lookahead} is more than the filter sees")
        if self.nb_df >= self.fft_size // 2:
            raise ValueError(
                f"nb_df {self.nb_df} is more than the bins of fft_size {self.fft_size}"
            )
        if self.emb_hidden_dim != self.df_hidden_dim:
            raise ValueError("emb_hidden_dim and df_hidden_dim differ")
        if self.mask_pf:
            raise ValueError("mask_pf: the post-filter is not supported")
        return self

    @property
    def alpha(self) -> float:
        """Share of a running level that stays per frame: three digits, or enough to be below 1."""
        exact = math.exp(-self.hop_size / RATE_HZ / self.norm_tau)
        return next(a for digits in range(3, 18) if (a := round(exact, digits)) < 1 or digits == 17)

    @property
    def band_bins(self) -> Array:
        """Bins per band, int [bands]: equal steps of Glasberg and Moore's ERB rate, rounded.

        A band that would have fewer than ``min_nb_erb_freqs`` takes them from the next one.
        """
        steps = np.arange(1, self.nb_erb + 1) / self.nb_erb
        rate = 9.265 * np.log1p(RATE_HZ / 2 / (24.7 * 9.265))
        edges_hz = 24.7 * 9.265 * np.expm1(rate * steps / 9.265)
        edges = np.rint(edges_hz * self.fft_size / RATE_HZ).astype(int)
        bins: list[int] = []
        taken = 0
        for size in np.diff(edges, prepend=0):
            bins.append(max(int(size) - taken, self.min_nb_erb_freqs))
            taken = max(self.min_nb_erb_freqs - (int(size) - taken), 0)
        bins[-1] += self.fft_size // 2 + 1 - sum(bins)
        return np.array(bins)


def read_settings(path: Path) -> DeepFilterNetSettings:
    """Read the settings from a ``config.ini``.

    Raises
    ------
    ValueError
        The file is missing or damaged, or describes another net.
    """
    if not path.is_file():
        raise ValueError(f"its {CONFIG} is missing; put it into the folder")
    if path.stat().st_size > MAX_CONFIG_BYTES:
        raise ValueError(f"its {CONFIG} is too large; get it again")
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(path.read_text("utf-8"))
    except (configparser.Error, ValueError):
        raise ValueError(f"its {CONFIG} is damaged; get it again") from None
    values: dict[str, str] = {}
    for section in ("train", "deepfilternet", "df"):
        values |= parser[section] if parser.has_section(section) else {}
    try:
        settings = DeepFilterNetSettings.model_validate(values)
    except ValidationError as error:
        raise ValueError(f"{CONFIG}: {first_fault(error, DeepFilterNetSettings)}") from None
    if settings.band_bins.min() < 1:
        raise ValueError(f"{CONFIG}: {settings.nb_erb} bands are too many for the frame")
    return settings
