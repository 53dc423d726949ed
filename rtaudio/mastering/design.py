"""Design: the chain that brings a song to a goal, made of ordinary effects.

::

    dc block -> match (eq) -> multiband compressor (dynamics) -> width -> gain -> true-peak limiter
    if needed   spectrum      as far as the peaks are too high            loudness     ceiling
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise
from typing import Literal

import numpy as np

from rtaudio.analysis.spectral_balance import correction_db
from rtaudio.effects.base import Effect
from rtaudio.effects.chain import Chain
from rtaudio.effects.dc_block import DcBlock
from rtaudio.effects.gain import Gain
from rtaudio.effects.match import MOST_DB, Match
from rtaudio.effects.multiband_compressor import MultibandCompressor
from rtaudio.effects.true_peak_limiter import TruePeakLimiter
from rtaudio.effects.width import Width
from rtaudio.mastering.features import HIGH_HZ, LOW_HZ, SPLIT_HZ
from rtaudio.mastering.goal import Goal
from rtaudio.mastering.profile import Profile
from rtaudio.runtime.decibels import from_db
from rtaudio.runtime.memory import Array

Stage = Literal["eq", "width", "dynamics", "loudness"]
STAGES: tuple[Stage, ...] = ("eq", "width", "dynamics", "loudness")

OFFSET = 1e-3
"""A constant offset from here on, -60 dBFS, is removed."""

BAND_HZ = (20.0, 120.0, 800.0, 5000.0, 20000.0)
PEAKS_DB = 9.0
"""The compressor begins so far above the RMS level of a band: at its louder peaks."""

MOST_RATIO, MOST_EXCESS_DB = 2.5, 12.0
"""Highest ratio of the compressor, and the excess of the peaks that asks for it."""

LEAST_EXCESS_DB = 1.0
MONO_HZ = 100.0
LEAST_WIDTH, MOST_WIDTH = 0.5, 2.0


def design_shape(
    profile: Profile,
    goal: Goal,
    *,
    target_lufs: float,
    ceiling_db: float,
    intensity: float = 1.0,
    stages: Collection[Stage] = STAGES,
) -> list[Effect]:
    """Return the effects that give a song spectrum, dynamics and width, before its loudness.

    Parameters
    ----------
    profile, goal
        What the song is, and what it is to be like.
    target_lufs, ceiling_db
        Loudness and true peak of the master: the less room is between them, or between those of
        the goal, the more the compressor does.
    intensity
        0 changes nothing, 1 goes as far as the goal.
    stages
        Which parts may be changed.

    Examples
    --------
    >>> from rtaudio.mastering.goal import goal_of_style
    >>> from rtaudio.mastering.profile import ProfileMeter
    >>> meter = ProfileMeter(48000, 2)
    >>> meter.add(0.1 * np.random.default_rng(0).standard_normal((2, 96000)))
    >>> shape = design_shape(
    ...     meter.finish(), goal_of_style("pink"), target_lufs=-14.0, ceiling_db=-1.0
    ... )
    >>> [effect.name for effect in shape]
    ['eq', 'width']
    """
    gains_db = np.zeros(len(goal.levels_db))
    effects: list[Effect] = [DcBlock(name="offset")] if profile.offset > OFFSET else []
    if "eq" in stages and intensity > 0.0:
        gains_db = correction_db(
            profile.levels_db, goal.levels_db, most_db=goal.most_db, tolerance_db=goal.tolerance_db
        )
        gains_db = gains_db.clip(-MOST_DB, MOST_DB).round(1)
        if gains_db.any():
            effects.append(Match(gains_db.tolist(), amount=intensity, name="eq"))
    if "dynamics" in stages:
        room_db = ceiling_db - target_lufs
        if goal.peak_to_loudness_db is not None:
            room_db = min(room_db, goal.peak_to_loudness_db)
        excess_db = profile.peak_to_loudness_db - room_db
        if excess_db > LEAST_EXCESS_DB and intensity > 0.0:
            share = min(1.0, excess_db / MOST_EXCESS_DB)
            effects.append(_compressor(profile, intensity * gains_db, intensity * share))
    if "width" in stages and profile.channels == 2 and intensity > 0.0:
        effects.append(_width(profile, goal, intensity))
    return effects


def finished_chain(
    shape: list[Effect], gain_db: float, ceiling_db: float, name: str = "master"
) -> Chain:
    """Return the whole chain: the shape, the loudness, the ceiling.

    Parameters
    ----------
    shape
        Of `design_shape`.
    gain_db
        Gain into the limiter.
    ceiling_db
        Its ceiling in dBTP.
    name
        Name of the chain.
    """
    loudness = Gain(gain_db=round(gain_db, 2), name="loudness")
    limiter = TruePeakLimiter(ceiling_db=round(ceiling_db, 2), name="ceiling")
    return Chain([*shape, loudness, limiter], name=name)


def _compressor(profile: Profile, gains_db: Array, strength: float) -> MultibandCompressor:
    """Return a compressor whose thresholds lie above the levels of the corrected bands."""
    corrected = profile.with_levels(profile.levels_db + gains_db)
    high_hz = min(BAND_HZ[3], 0.4 * profile.rate_hz)
    low, low_mid, high_mid, high = (
        round(max(-60.0, min(0.0, corrected.level_db(*edge) + PEAKS_DB)), 1)
        for edge in pairwise(BAND_HZ)
    )
    ratio = round(1.0 + (MOST_RATIO - 1.0) * strength, 2)
    return MultibandCompressor(
        name="dynamics", high_hz=high_hz,
        low_threshold_db=low, low_mid_threshold_db=low_mid,
        high_mid_threshold_db=high_mid, high_threshold_db=high,
        low_ratio=ratio, low_mid_ratio=ratio, high_mid_ratio=ratio, high_ratio=ratio,
    )  # fmt: skip


def _width(profile: Profile, goal: Goal, intensity: float) -> Width:
    """Return the width of the goal, and a mono bass."""

    def factor(own_db: float | None, wanted_db: float | None) -> float:
        if own_db is None or wanted_db is None:
            return 1.0
        ratio = float(from_db(intensity * (wanted_db - own_db)))
        return round(max(LEAST_WIDTH, min(MOST_WIDTH, ratio)), 2)

    return Width(
        name="width",
        mono_hz=round(10.0 * (MONO_HZ / 10.0) ** intensity, 1),
        split_hz=SPLIT_HZ,
        low_width=factor(profile.width_db(LOW_HZ, SPLIT_HZ), goal.low_width_db),
        high_width=factor(profile.width_db(SPLIT_HZ, HIGH_HZ), goal.high_width_db),
    )
