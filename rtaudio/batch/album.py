"""Albums: songs that are mastered together, so that the differences between them stay."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from rtaudio.batch.master_file import (
    MOST_LIMITED_DB,
    MasterSettings,
    check_audible,
)
from rtaudio.batch.measure_profile import measure_profile
from rtaudio.mastering.design import design_shape
from rtaudio.mastering.profile import Profile


def album_settings(
    settings: MasterSettings,
    sources: Sequence[Path],
    *,
    progress: Callable[[float], None] = lambda share: None,
) -> tuple[dict[Path, MasterSettings], str]:
    """Return the settings of each song of an album.

    Parameters
    ----------
    settings
        What is asked of the whole album: its loudness is the mean power of the songs, weighted by
        their lengths.
    sources
        The songs.
    progress
        Called with the share of the songs that are measured.

    Returns
    -------
    by_source : dict of Path to MasterSettings
        One shape for all songs, and targets that differ as the songs do.
    note
        Why the album stays below its target; empty if it does not.

    Raises
    ------
    AudioFileError
        A song cannot be mastered; then none is.
    """
    profiles = {}
    for number, path in enumerate(sources):
        profiles[path] = measure_profile(path)
        check_audible(path, profiles[path])
        progress((number + 1) / len(sources))
    album = merged([*profiles.values()])
    asked, album_lufs = settings.target_lufs, album.loudness.integrated_lufs
    if "loudness" not in settings.stages:
        asked = album_lufs
    reached, note = _reachable_lufs(asked, album_lufs, settings.ceiling_db, profiles)
    shape = design_shape(
        album, settings.goal, target_lufs=reached, ceiling_db=settings.ceiling_db,
        intensity=settings.intensity, stages=settings.stages,
    )  # fmt: skip
    gain_db = reached - album_lufs
    return {
        path: replace(
            settings, shape=shape, stages=(*settings.stages, "loudness"),
            target_lufs=profile.loudness.integrated_lufs + gain_db,
        )
        for path, profile in profiles.items()
    }, note  # fmt: skip


def _reachable_lufs(
    asked: float, album_lufs: float, ceiling_db: float, profiles: Mapping[Path, Profile]
) -> tuple[float, str]:
    """Return the target that no song has to be crushed for, and a note if it is another one."""
    room_db = {
        path: ceiling_db + MOST_LIMITED_DB - profile.loudness.true_peak_dbtp
        for path, profile in profiles.items()
    }
    first = min(room_db, key=room_db.__getitem__)
    reached = min(asked, album_lufs + room_db[first])
    if reached == asked:
        return asked, ""
    return reached, (
        f"the album gets {reached:.1f} LUFS: {asked:.1f} LUFS would crush {first.name}, and the "
        "differences of the songs are kept"
    )


def merged(profiles: Sequence[Profile]) -> Profile:
    """Return the profile of songs one after the other.

    Parameters
    ----------
    profiles
        Of the songs, at least one. Powers are averaged over their lengths, without another gate;
        ``channels`` and peaks are the largest, ``rate_hz`` is the lowest.
    """
    weights = np.array([profile.duration_s for profile in profiles])
    weights /= weights.sum()

    def mean_db(levels: Sequence[object]) -> np.ndarray:
        return 10.0 * np.log10(weights @ 10.0 ** (np.array(levels, float) / 10.0))

    loudness = replace(
        profiles[0].loudness,
        integrated_lufs=float(mean_db([p.loudness.integrated_lufs for p in profiles])),
        true_peak_dbtp=max(p.loudness.true_peak_dbtp for p in profiles),
    )
    return replace(
        profiles[0],
        rate_hz=min(p.rate_hz for p in profiles),
        channels=max(p.channels for p in profiles),
        frames=sum(p.frames for p in profiles),
        loudness=loudness,
        levels_db=mean_db([p.levels_db for p in profiles]),
        side_db=mean_db([p.side_db for p in profiles]),
        clipped=sum(p.clipped for p in profiles),
        offset=max(p.offset for p in profiles),
    )
