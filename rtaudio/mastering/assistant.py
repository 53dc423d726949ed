"""Assistant: listens to a passage, and proposes settings of ordinary effects, with reasons.

::

    passage -> thirds of octaves, widths -> regression -> tilt, five bands, two widths -> chain
                      |                                                              -> words
                      +-> what stands out of its neighbours -> resonance
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rtaudio.analysis.programme_loudness import programme_loudness
from rtaudio.analysis.third_octaves import CENTRES_HZ
from rtaudio.audio.samples import samples
from rtaudio.effects.base import Effect
from rtaudio.effects.chain import Chain
from rtaudio.effects.compressor import Compressor
from rtaudio.effects.equalizer import Equalizer
from rtaudio.effects.tilt import Tilt
from rtaudio.effects.width import Width
from rtaudio.errors import AudioError
from rtaudio.mastering.features import features, peaks_db
from rtaudio.runtime.memory import Array

__all__ = ["OUTPUTS", "Proposal", "Regression", "propose", "regression", "settings"]

LEAST_S = 3.0
SILENT_LUFS = -60.0

OUTPUTS = (
    "tilt.db_per_octave",
    "bands.low_shelf_db",
    "bands.peak1_db",
    "bands.peak2_db",
    "bands.peak3_db",
    "bands.high_shelf_db",
    "width.low_width_db",
    "width.high_width_db",
)
"""Corrections that the regression proposes: slope, gains of the bands, gains of the side."""

BANDS: dict[str, tuple[str, str, str]] = {
    "low_shelf": ("below 120 Hz", "boom", "thin bass"),
    "peak1": ("at 250 Hz", "mud", "little warmth"),
    "peak2": ("at 1 kHz", "boxy middle", "hollow middle"),
    "peak3": ("at 3.5 kHz", "harshness", "little presence"),
    "high_shelf": ("above 6 kHz", "sharp treble", "dull treble"),
}
"""Where a section of `Equalizer` works, and what too much and too little there are called."""

LEAST_DB, MOST_DB = 0.5, 9.0
LEAST_SLOPE = 0.1
LEAST_WIDTH_CHANGE_DB = 1.0

RESONANCE_DB = 6.0
"""A band that stands out by this much more than in finished music rings."""

RESONANCE_Q = 5.0
LOW_RESONANCE_HZ, HIGH_RESONANCE_HZ = 150.0, 8000.0

LOOSE_DB, DENSE_DB = 5.0, -5.0
"""Crest above and below that of finished music at which dynamics are called loose or dense."""


@dataclass(frozen=True)
class Proposal:
    """What the assistant proposes.

    Attributes
    ----------
    chain
        Ordinary effects, whose parameters the user may change.
    reasons
        What each change is for, a line each.
    """

    chain: Chain
    reasons: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Regression:
    """A linear regression from `features` to `OUTPUTS`, and what finished music is like.

    Attributes
    ----------
    mean, weights
        Features of finished music ``[33]``, and weights of what differs from them ``[8, 33]``.
    peaks_db
        How far each third of an octave stands out in finished music, ``[31]``.
    crest_db
        Mean crest of finished music.
    """

    mean: Array
    weights: Array
    peaks_db: Array
    crest_db: float

    def __call__(self, row: Array) -> dict[str, float]:
        """Return the corrections for a row of features, by name."""
        values = self.weights @ (row - self.mean)
        return dict(zip(OUTPUTS, values.tolist(), strict=True))


@cache
def regression() -> Regression:
    """Return the trained regression that comes with rtaudio; its card is beside it."""
    with files("rtaudio.mastering").joinpath("assistant.npz").open("rb") as file:
        stored = np.load(file, allow_pickle=False)
        arrays = {
            name: np.asarray(stored[name], np.float64) for name in ("mean", "weights", "peaks_db")
        }
        return Regression(**arrays, crest_db=float(stored["crest_db"]))


def propose(sound: ArrayLike, rate_hz: int, heard_lufs: float | None = None) -> Proposal:
    """Listen to a passage, and propose a chain that balances it.

    The same passage gets the same proposal. Only what is clearly off is changed: a passage like
    finished music gets an empty chain. The level stays as it is; loudness and ceiling are the
    last effects of a master, after these.

    Parameters
    ----------
    sound
        Three seconds or more, mono ``[frames]`` or ``[channels, frames]``; the loudest passage
        tells most.
    rate_hz
        Its sample rate.
    heard_lufs
        Its loudness where the chain is to stand, if something in front of it changes the level.

    Raises
    ------
    AudioError
        The passage is shorter than 3 s, or silent.

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal(4 * 48000) / 10
    >>> proposal = propose(noise, 48000)         # white noise has too much treble for music
    >>> proposal.chain["tilt"].db_per_octave < -1
    True
    >>> proposal.reasons[0].split(":")[1]
    ' too bright'
    """
    planar = samples(sound)
    if planar.shape[1] < LEAST_S * rate_hz:
        raise AudioError(
            f"the passage is {planar.shape[1] / rate_hz:.1f} s long; give {LEAST_S:g} s or more"
        )
    loudness = programme_loudness(planar, rate_hz)
    if not loudness.integrated_lufs > SILENT_LUFS:
        raise AudioError("the passage is silent; choose another one")
    stereo = planar[:2] if len(planar) > 1 else np.repeat(planar, 2, axis=0)
    row = features(stereo, rate_hz)
    learnt = regression()
    found = learnt(row)
    balance = row[: len(CENTRES_HZ)]
    parts = [
        _tilt(found),
        _bands(found),
        _resonance(peaks_db(balance) - learnt.peaks_db),
        _dynamics(
            loudness.crest_db - learnt.crest_db,
            loudness.integrated_lufs if heard_lufs is None else heard_lufs,
        ),
        _width(found) if np.any(stereo[0] != stereo[1]) else ([], []),  # mono has no sides
    ]
    effects = [effect for some, _ in parts for effect in some]
    return Proposal(Chain(effects), tuple(reason for _, told in parts for reason in told))


NEUTRAL = (
    Tilt(),
    Equalizer(name="bands"),
    Equalizer(name="resonance"),
    Compressor(ratio=1.0),
    Width(name="image"),
)
"""The effects of a proposal, set so that they do nothing."""


def settings(proposal: Proposal) -> dict[str, dict[str, float]]:
    """Return all live parameters of the effects of a proposal, by effect and parameter.

    Effects that it leaves out are set so that they do nothing: one proposal can follow another.

    Examples
    --------
    >>> found = settings(Proposal(Chain([Tilt(db_per_octave=1.0)]), ()))
    >>> found["tilt"]["db_per_octave"], found["bands"]["peak1_db"], found["compressor"]["ratio"]
    (1.0, 0.0, 1.0)
    """
    effects = (*NEUTRAL, *proposal.chain)
    return {effect.name or effect.kind: effect.live_values() for effect in effects}


Part = tuple[list[Effect], list[str]]


def _tilt(found: dict[str, float]) -> Part:
    slope = round(float(np.clip(found["tilt.db_per_octave"], -3.0, 3.0)), 2)
    if abs(slope) < LEAST_SLOPE:
        return [], []
    fault = "too bright" if slope < 0 else "too dark"
    return [Tilt(db_per_octave=slope)], [f"tilt of {slope:+.1f} dB per octave: {fault}"]


def _bands(found: dict[str, float]) -> Part:
    gains: dict[str, Any] = {}
    reasons = []
    for name, (where, much, little) in BANDS.items():
        gain_db = round(float(np.clip(found[f"bands.{name}_db"], -MOST_DB, MOST_DB)), 1)
        if abs(gain_db) >= LEAST_DB:
            gains[f"{name}_db"] = gain_db
            reasons.append(f"{_change(gain_db)} {where}: {much if gain_db < 0 else little}")
    return ([Equalizer(name="bands", **gains)] if gains else []), reasons


def _resonance(excess: Array) -> Part:
    """Cut the band that stands out most, if it does so clearly."""
    inside = (CENTRES_HZ >= LOW_RESONANCE_HZ) & (CENTRES_HZ <= HIGH_RESONANCE_HZ)
    place = int(np.argmax(np.where(inside, excess, -np.inf)))
    if excess[place] < RESONANCE_DB:
        return [], []
    gain_db = -round(float(min(excess[place], MOST_DB)), 1)
    hertz = float(np.round(CENTRES_HZ[place]))
    section: dict[str, Any] = {"peak2_hz": hertz, "peak2_db": gain_db, "peak2_q": RESONANCE_Q}
    return (
        [Equalizer(name="resonance", **section)],
        [f"{_change(gain_db)} at {_hertz(hertz)}: a resonance"],
    )


def _dynamics(excess_db: float, lufs: float) -> Part:
    """Compress loose music gently; nothing brings dense music its dynamics back."""
    if excess_db <= DENSE_DB:
        return [], [f"no compression: peaks are {-excess_db:.0f} dB lower than is common"]
    if excess_db < LOOSE_DB:
        return [], []
    ratio = round(1.5 + min(excess_db, 15.0) / 10.0, 1)
    threshold_db = round(float(np.clip(lufs + 6.0, -60.0, 0.0)), 1)
    compressor = Compressor(
        threshold_db=threshold_db, ratio=ratio, attack_ms=20.0, release_ms=150.0
    )
    told = f"compression of {ratio:g}:1 above {threshold_db:g} dB: peaks are {excess_db:.0f} dB"
    return [compressor], [f"{told} higher than is common"]


def _width(found: dict[str, float]) -> Part:
    widths: dict[str, Any] = {}
    reasons = []
    for part in ("low", "high"):
        change_db = found[f"width.{part}_width_db"]
        if abs(change_db) >= LEAST_WIDTH_CHANGE_DB:
            widths[f"{part}_width"] = round(float(np.clip(10 ** (change_db / 20), 0.3, 2.0)), 2)
            where = "below" if part == "low" else "above"
            fault = "too wide" if change_db < 0 else "too narrow"
            reasons.append(f"sides {change_db:+.1f} dB {where} 2 kHz: {fault}")
    return ([Width(name="image", **widths)] if widths else []), reasons


def _change(gain_db: float) -> str:
    return f"{abs(gain_db):.1f} dB {'less' if gain_db < 0 else 'more'}"


def _hertz(hertz: float) -> str:
    return f"{hertz / 1000:.3g} kHz" if hertz >= 1000 else f"{hertz:.0f} Hz"
