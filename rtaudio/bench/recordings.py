"""The recordings that denoisers are measured on, by group."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from rtaudio.analysis.speech import at_rate
from rtaudio.errors import MetricsError
from rtaudio.runtime.decibels import from_db

GROUPS = ("vbd17", "dfns6", "p287x6", "dns4x6", "maxine5", "held_out", "clean", "quiet")
"""Names of the groups; `rtaudio.bench.denoise` describes them."""

SNRS_DB = (0, 5, 10, 15)
"""Signal-to-noise ratios of the mixtures."""

VOICES = ("ptdb_", "nsd_", "librispeech_", "magphase_hvd_577")
"""Prefixes of the voice files that no shipped model was trained on."""

LONGEST_SECONDS = 8.0
"""Length of a mixture."""

QUIET_DB = -40.0
"""Gain of the group ``quiet``."""

QUICK_STEP = 6
"""A quick measurement takes one recording of this many."""

Signal = NDArray[np.float64]


@dataclass(frozen=True)
class EvalClip:
    """Noisy speech, and the clean speech in it if it is known.

    Attributes
    ----------
    group, name
        One of `GROUPS`, and the name in that group.
    noisy, clean
        Mono sound files of one sample rate and length.
    noise
        A noise file. If there is one, ``noisy`` is clean speech, to which it is added.
    snr_db
        Signal-to-noise ratio of that mixture.
    seed
        Chooses the position in the noise file.
    gain_db
        Gain of everything that is read.
    """

    group: str
    name: str
    noisy: Path
    clean: Path | None = None
    noise: Path | None = None
    snr_db: float = 0.0
    seed: int = 0
    gain_db: float = 0.0

    @property
    def sex(self) -> str | None:
        """``women`` or ``men``, as the name of a mixture's voice tells; else None."""
        told = re.search(r"_([fm])(_|\d)", self.noisy.stem) if self.noise else None
        return {"f": "women", "m": "men"}[told[1]] if told else None

    def read(self) -> tuple[Signal, Signal | None, int]:
        """Read the files.

        Returns
        -------
        noisy : numpy.ndarray
            float64 ``[frames]``.
        clean : numpy.ndarray or None
            The same without noise, if it is known.
        rate_hz : int
            Sample rate of both.
        """
        noisy, rate_hz = _read(self.noisy)
        clean = None if self.clean is None else _read(self.clean)[0]
        if self.noise is not None:
            clean = noisy[: int(LONGEST_SECONDS * rate_hz)]
            noise, noise_hz = _read(self.noise)
            noise = at_rate(noise, noise_hz, rate_hz)
            noisy = clean + _scaled_noise(noise, clean, self.snr_db, self.seed)
            scale = min(1.0, 0.98 / float(np.abs(noisy).max()))
            noisy, clean = scale * noisy, scale * clean
        gain = from_db(self.gain_db)
        return gain * noisy, None if clean is None else gain * clean, rate_hz


def recordings(data: Path, *, quick: bool = False) -> list[EvalClip]:
    """List the recordings to measure with.

    Parameters
    ----------
    data
        Folder with the subfolders ``denoise_eval``, ``speech/test`` and ``noise/test``; some may be
        missing.
    quick
        Take only every sixth of each group.

    Raises
    ------
    MetricsError
        There are no recordings in that folder.

    Examples
    --------
    >>> clips = recordings(Path("data"))                                    # doctest: +SKIP
    >>> noisy, clean, rate_hz = clips[0].read()                             # doctest: +SKIP
    """
    folder = data / "denoise_eval"
    groups: dict[str, list[EvalClip]] = {group: [] for group in GROUPS}
    for group in ("vbd17", "dfns6", "p287x6", "dns4x6"):
        for file in sorted((folder / group / "noisy").glob("*.flac")):
            clean = folder / group / "clean" / file.name
            groups[group].append(
                EvalClip(group, file.stem, file, clean if clean.is_file() else None)
            )
    for file in sorted((folder / "maxine5").glob("*.flac")):
        groups["maxine5"].append(EvalClip("maxine5", file.stem, file))
    groups["held_out"] = _mixtures(data)
    for pair in groups["dfns6"]:
        assert pair.clean is not None
        groups["clean"].append(EvalClip("clean", pair.name, pair.clean, pair.clean))
        quiet = EvalClip("quiet", pair.name, pair.noisy, pair.clean, gain_db=QUIET_DB)
        groups["quiet"].append(quiet)
    found = [each for rows in groups.values() for each in rows[:: QUICK_STEP if quick else 1]]
    if not found:
        raise MetricsError(
            f"{data}: holds no recordings to measure on (denoise_eval, speech/test, noise/test); "
            "name another folder: --data or RTAUDIO_DATA"
        )
    return found


def _mixtures(data: Path) -> list[EvalClip]:
    """List the mixtures: every noise at every SNR, with the voices in turn."""
    noises = sorted((data / "noise" / "test").glob("*.flac"))
    voices = [
        file for file in sorted((data / "speech" / "test").glob("*.flac"))
        if file.name.startswith(VOICES)
    ]  # fmt: skip
    made: list[EvalClip] = []
    for noise in noises:
        for snr_db in SNRS_DB:
            if not voices:
                return []
            voice, seed = voices[len(made) % len(voices)], len(made)
            name = f"{voice.stem} in {noise.stem} at {snr_db} dB"
            made.append(EvalClip("held_out", name, voice, None, noise, snr_db, seed))
    return made


def _read(file: Path) -> tuple[Signal, int]:
    x, rate_hz = soundfile.read(file, dtype="float64")
    return np.asarray(x if x.ndim == 1 else x.mean(axis=1)), int(rate_hz)


def _scaled_noise(noise: Signal, clean: Signal, snr_db: float, seed: int) -> Signal:
    """Return noise as long as the speech, from a random position, at that SNR."""
    start = int(np.random.default_rng(seed).integers(noise.size))
    stretch = np.resize(np.roll(noise, -start), clean.size)
    power = float(np.sum(clean**2) / np.sum(stretch**2))
    return stretch * math.sqrt(power * 10.0 ** (-snr_db / 10.0))
