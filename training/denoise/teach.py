"""Mixtures with a teacher's answer, written as folders of pairs to train on.

::

    python -m training.denoise.teach training/configs/mixtures/dry.yaml pairs \
        --teacher DeepFilterNet3 --count 8000

A teacher larger than the net to train shows what is worth keeping, which clean speech alone does
not: see Hinton et al.: Distilling the knowledge in a neural network, 2015.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

import rtaudio as rt
from rtaudio.atomic import replacing
from rtaudio.errors import RtaudioError
from rtaudio.view.terminal import progress
from training.config import read_yaml
from training.denoise.corpus import Part
from training.denoise.mixer import Mixtures
from training.denoise.mixture import MixtureConfig

__all__ = ["write_pairs"]

Teacher = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def write_pairs(
    mixtures: Mixtures, folder: Path, name: str, teacher: Teacher | None = None
) -> list[Path]:
    """Write mixtures as FLAC files of 16 bits, ``noisy/NAME-000000.flac`` and ``clean/...``.

    Pairs that are there already are kept, so that a stopped run goes on.

    Parameters
    ----------
    mixtures
        What to write; all of them.
    folder
        Where; it is made if needed.
    name
        Begin of the file names.
    teacher
        Its answer to the noisy sound, as long and aligned, takes the place of the clean one where
        there is speech.

    Returns
    -------
    list of Path
        The files of the noisy sounds.

    Examples
    --------
    >>> config = MixtureConfig(root="data", excerpt_samples=144000)            # doctest: +SKIP
    >>> mixtures = Mixtures(config, "validation", seed=0, length=100)          # doctest: +SKIP
    >>> len(write_pairs(mixtures, Path("pairs/validation"), "dry-0"))          # doctest: +SKIP
    100
    """
    sides = [folder / side for side in ("noisy", "clean")]
    for side in sides:
        side.mkdir(parents=True, exist_ok=True)
    written = []
    with progress() as bar:
        task = bar.add_task(f"{folder.name} {name}", total=len(mixtures))
        for number in range(len(mixtures)):
            noisy_file, clean_file = (side / f"{name}-{number:06d}.flac" for side in sides)
            written.append(noisy_file)
            # The clean side comes last: a pair is whole where it is there.
            if not (noisy_file.exists() and clean_file.exists()):
                mixture = mixtures[number]
                noisy, clean = mixture.noisy[0].numpy(), mixture.clean[0].numpy()
                if teacher is not None and mixture.snr_db > -np.inf:
                    clean = teacher(noisy)
                for file, sound in ((noisy_file, noisy), (clean_file, clean)):
                    with replacing(file) as temporary:
                        soundfile.write(
                            temporary,
                            np.clip(sound, -1.0, 1.0),
                            mixtures.config.rate_hz,
                            format="FLAC",
                            subtype="PCM_16",
                        )
            bar.update(task, advance=1)
    return written


def _main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m training.denoise.teach",
        description="Write mixtures and a teacher's answers as folders of pairs.",
    )
    parser.add_argument("mixtures", type=Path, help="YAML file of their distribution")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--teacher", help="a denoiser that rtaudio plays: name, file or folder")
    parser.add_argument("--count", type=int, default=8000, help="pairs to train on")
    parser.add_argument("--held-out", type=int, default=96, help="pairs to validate on, untaught")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    config = read_yaml(options.mixtures, MixtureConfig).placed(options.mixtures)
    teacher = None
    if options.teacher:
        teacher = partial(rt.Denoise(options.teacher), rate_hz=config.rate_hz)
    name = f"{options.mixtures.stem}-{options.seed}"
    counts: dict[Part, int] = {"train": options.count, "validation": options.held_out}
    for part, count in counts.items():
        mixtures = Mixtures(config, part, seed=options.seed, length=count)
        taught = teacher if part == "train" else None
        write_pairs(mixtures, options.folder / part, name, taught)


if __name__ == "__main__":
    try:
        _main()
    except RtaudioError as error:
        sys.exit(f"{error}")
