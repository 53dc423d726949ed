"""ViSQOL: how listeners would rate a coded recording, by comparing it with the original."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from numpy.typing import ArrayLike

from rtaudio.analysis.speech import METRICS_HZ, aligned_pair, at_rate, missing_package

__all__ = ["visqol"]

MUSIC_HZ = 48000
"""Sample rate of the comparison of music; speech is compared at 16 kHz."""


def visqol(clean: ArrayLike, x: ArrayLike, rate_hz: int, *, music: bool = False) -> float:
    """Return the objective listening quality of ``x``, from 1 (bad) to 5.

    Parameters
    ----------
    clean, x
        Mono signals ``[frames]`` of one length, of 1 s or more.
    rate_hz
        Sample rate.
    music
        Compare as music (48 kHz; 4.73 at most) instead of speech (16 kHz, and the polynomial
        mapping, scaled to 5). The two scales cannot be compared.

    Raises
    ------
    MetricsError
        As for `rtaudio.analysis.speech.si_sdr_db`; or visqol-python is not installed.

    References
    ----------
    .. [1] M. Chinen, F. Lim, J. Skoglund, N. Gureev, F. O'Gorman, A. Hines, "ViSQOL v3: an open
       source production ready objective speech and audio metric", QoMEX 2020.
    """
    target, found = aligned_pair(clean, x)
    to_hz = MUSIC_HZ if music else METRICS_HZ
    one, other = (at_rate(each, rate_hz, to_hz) for each in (target, found))
    return float(_measure(music).measure_from_arrays(one, other, to_hz).moslqo)


@lru_cache(maxsize=2)
def _measure(music: bool) -> Any:
    try:
        from visqol import VisqolApi
    except ImportError:
        raise missing_package("visqol-python") from None
    api = VisqolApi()
    # The lattice mapping needs a further package; without a choice, the figures depended on it.
    api.create(mode="audio" if music else "speech", use_lattice_model=False)
    return api
