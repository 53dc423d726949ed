"""The recordings that denoisers are measured on, by group."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from rtaudio.analysis.speech import at_rate
from rtaudio.errors import MetricsError

GROUPS = ("vbd17", "dfns6", "p287x6", "dns4x6", "maxine5", "held_out", "clean", "quiet")

SNRS_DB = (0, 5, 10, 15)
VOICES = ("ptdb_", "nsd_", "librispeech_", "magphase_hvd_577")
"""How the files of the voices begin that nothing was trained on."""

LONGEST_SECONDS = 8.0
QUIET_DB = -40.0
QUICK_STEP = 6
"""Which part of the recordings a quick measurement takes, and of the rounds."""

Signal = NDArray[np.float64]


@dataclass(frozen=True)
class EvalClip:
    """Noisy speech, and the clean speech in it if that is known.

    Attributes
    ----------
    group, name
        Which of `GROUPS`, and its name there.
    noisy, clean
        Sound files, mono, of one rate and length.
    noise
        A third file that is mixed to ``noisy``, at ``snr_db``, from a place that ``seed`` decides.
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

    def read(self) -> tuple[Signal, Signal | None, int]:
        """Return noisy and clean speech, and their sample rate."""
        noisy, rate_hz = _read(self.noisy)
        clean = None if self.clean is None else _read(self.clean)[0]
        if self.noise is not None:
            clean = noisy[: int(LONGEST_SECONDS * rate_hz)]
            noise, noise_hz = _read(self.noise)
            noisy = clean + _noise(at_rate(noise, noise_hz, rate_hz), clean, self.snr_db, self.seed)
            scale = min(1.0, 0.98 / float(np.abs(noisy).max()))
            noisy, clean = scale * noisy, scale * clean
        gain = 10.0 ** (self.gain_db / 20.0)
        return gain * noisy, None if clean is None else gain * clean, rate_hz


def recordings(data: Path, *, quick: bool = False) -> list[EvalClip]:
    """Return what to measure on.

    Parameters
    ----------
    data
        Folder that holds ``denoise_eval``, ``speech/test`` and ``noise/test``.
    quick
        Only every sixth of each group.

    Raises
    ------
    MetricsError
        There are no recordings in that folder.
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
            "name another folder by --data or RTAUDIO_DATA"
        )
    return found


def _mixtures(data: Path) -> list[EvalClip]:
    """Every noise at every SNR, the voices by turns."""
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


def _noise(noise: Signal, clean: Signal, snr_db: float, seed: int) -> Signal:
    """A stretch of noise as long as the speech, from a place of its own, at that SNR."""
    start = int(np.random.default_rng(seed).integers(noise.size))
    stretch = np.resize(np.roll(noise, -start), clean.size)
    power = float(np.sum(clean**2) / np.sum(stretch**2))
    return stretch * math.sqrt(power * 10.0 ** (-snr_db / 10.0))
