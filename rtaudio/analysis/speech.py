"""Quality of enhanced speech against clean speech: PESQ, STOI, SI-SDR, and the gain in SNR.

Every measure compares sample with sample and does not search for a delay: the caller shifts the
output of a system back by the latency that the system reports. So a wrong report costs points, as
it costs sound quality in a mix.

PESQ and STOI are defined below 8 kHz and are computed at 16 kHz. SI-SDR and SNR are computed at the
sample rate of the signals, so that all removal above 8 kHz counts; `score` has SI-SDR at 16 kHz,
too, to compare systems that run at 16 kHz.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rtaudio.errors import MetricsError

__all__ = [
    "METRICS_HZ",
    "aligned_pair",
    "at_rate",
    "level_change_db",
    "missing_package",
    "pesq_wb",
    "score",
    "si_sdr_db",
    "snr_db",
    "stoi",
]

METRICS_HZ = 16000
"""Sample rate of PESQ, STOI and DNSMOS."""

SILENCE = 1e-12
"""A signal with a mean power below this, relative to full scale, counts as silent."""

_TAPS_PER_SIDE = 128
_STOP_DB = 100.0


def si_sdr_db(clean: ArrayLike, x: ArrayLike) -> float:
    """Return the scale-invariant signal-to-distortion ratio of ``x``, in decibels.

    It compares the part of ``x`` that is a multiple of ``clean`` with the rest.

    Parameters
    ----------
    clean, x
        Mono signals ``[frames]`` of one length, aligned; any sample rate.

    Returns
    -------
    float
        Infinite if ``x`` is an exact multiple of ``clean``, minus infinity if it is orthogonal to
        ``clean``.

    Raises
    ------
    MetricsError
        The signals differ in length, are not finite, or ``clean`` is silent.

    References
    ----------
    .. [1] J. Le Roux, S. Wisdom, H. Erdogan, J. Hershey, "SDR - half-baked or well done?",
       ICASSP 2019. As in most published figures, the mean is not removed.

    Examples
    --------
    >>> si_sdr_db([1.0, 0.0], [5.0, 0.5])
    20.0
    """
    target, found = aligned_pair(clean, x)
    part = float(np.dot(found, target) / np.dot(target, target)) * target
    return _ratio_db(part, found - part)


def snr_db(clean: ArrayLike, x: ArrayLike) -> float:
    """Return the signal-to-noise ratio of ``x`` in decibels; the noise is ``x - clean``.

    Unlike in `si_sdr_db`, a wrong level counts as noise.

    Parameters
    ----------
    clean, x
        As for `si_sdr_db`.

    Examples
    --------
    >>> snr_db([1.0, 0.0], [1.0, 0.1])
    20.0
    """
    target, found = aligned_pair(clean, x)
    return _ratio_db(target, found - target)


def level_change_db(clean: ArrayLike, x: ArrayLike) -> float:
    """Return the level of ``clean`` in ``x``, relative to ``clean``, in decibels.

    A listener hears such a change, and neither `si_sdr_db` nor PESQ does.

    Parameters
    ----------
    clean, x
        As for `si_sdr_db`.

    Returns
    -------
    float
        Minus infinity if ``x`` is orthogonal to ``clean``, or has it inverted.

    Examples
    --------
    >>> level_change_db([1.0, 0.0], [0.1, 5.0])
    -20.0
    """
    target, found = aligned_pair(clean, x)
    gain = float(np.dot(found, target) / np.dot(target, target))
    return 20.0 * math.log10(gain) if gain > 0 else -math.inf


def stoi(clean: ArrayLike, x: ArrayLike, rate_hz: int) -> float:
    """Return the short-time objective intelligibility of ``x``; 1 is best.

    Parameters
    ----------
    clean, x
        Mono signals ``[frames]`` of one length, aligned, with at least 0.4 s of speech.
    rate_hz
        Sample rate.

    Raises
    ------
    MetricsError
        As for `si_sdr_db`; or pystoi is not installed.

    References
    ----------
    .. [1] C. Taal, R. Hendriks, R. Heusdens, J. Jensen, "An algorithm for intelligibility
       prediction of time-frequency weighted noisy speech", IEEE TASLP 19(7), 2011.
    """
    target, found = aligned_pair(clean, x)
    try:
        from pystoi import stoi as measure
    except ImportError:
        raise missing_package("pystoi") from None
    narrow = (at_rate(each, rate_hz, METRICS_HZ) for each in (target, found))
    return float(measure(*narrow, METRICS_HZ))


def pesq_wb(clean: ArrayLike, x: ArrayLike, rate_hz: int) -> float:
    """Return the perceptual quality of ``x`` by wide-band PESQ, from 1.04 to 4.64 (clean).

    Parameters
    ----------
    clean, x
        Mono signals ``[frames]`` of one length, of at least 0.25 s.
    rate_hz
        Sample rate.

    Returns
    -------
    float
        The listening quality (MOS-LQO); NaN where PESQ finds no utterance.

    Raises
    ------
    MetricsError
        As for `si_sdr_db`; or pesq is not installed.

    References
    ----------
    .. [1] ITU-T P.862.2, "Wideband extension to Recommendation P.862", 2007.
    """
    target, found = aligned_pair(clean, x)
    try:
        import pesq
    except ImportError:
        raise missing_package("pesq") from None
    narrow = (at_rate(each, rate_hz, METRICS_HZ).astype(np.float32) for each in (target, found))
    try:
        return float(pesq.pesq(METRICS_HZ, *narrow, "wb"))
    except pesq.NoUtterancesError:
        return math.nan
    except pesq.PesqError as error:
        raise MetricsError(f"PESQ: {error}") from None


def score(
    noisy: ArrayLike, clean: ArrayLike, enhanced: ArrayLike, rate_hz: int
) -> dict[str, float]:
    """Return all measures of one enhanced recording.

    Parameters
    ----------
    noisy, clean, enhanced
        Mono signals ``[frames]`` of one length, ``enhanced`` shifted back by the latency of its
        system.
    rate_hz
        Sample rate.

    Returns
    -------
    dict
        ``pesq``, ``stoi``, ``si_sdr_db``, ``si_sdr_16k_db`` (below 8 kHz), ``level_change_db``, and
        the gains over the noisy recording ``si_sdr_gain_db`` and ``snr_gain_db``, both 0 if nothing
        was changed. A gain is NaN if the noisy recording equals the clean one.

    Raises
    ------
    MetricsError
        The signals differ in length, are not finite, or ``clean`` is silent.

    Examples
    --------
    >>> scores = [score(noisy, clean, enhanced, 16000)]                     # doctest: +SKIP
    >>> np.nanmean([s["pesq"] for s in scores])                             # doctest: +SKIP
    2.64
    """
    found_db, given_db = si_sdr_db(clean, enhanced), si_sdr_db(clean, noisy)
    narrow = (at_rate(each, rate_hz, METRICS_HZ) for each in (clean, enhanced))
    return {
        "pesq": pesq_wb(clean, enhanced, rate_hz),
        "stoi": stoi(clean, enhanced, rate_hz),
        "si_sdr_db": found_db,
        "si_sdr_16k_db": si_sdr_db(*narrow),
        "level_change_db": level_change_db(clean, enhanced),
        "si_sdr_gain_db": _gain(found_db, given_db),
        "snr_gain_db": _gain(snr_db(clean, enhanced), snr_db(clean, noisy)),
    }


def at_rate(x: ArrayLike, rate_hz: int, to_hz: int) -> NDArray[np.float64]:
    """Return a mono signal at another sample rate, without delay.

    The response is flat up to 0.95 of the lower Nyquist frequency.

    Parameters
    ----------
    x
        Mono signal ``[frames]``.
    rate_hz, to_hz
        Its sample rate, and that of the result.

    Returns
    -------
    numpy.ndarray
        float64, ``ceil(len(x) * to_hz / rate_hz)`` samples.
    """
    x = np.asarray(x, np.float64)
    if rate_hz == to_hz:
        return x
    from scipy import signal

    common = math.gcd(rate_hz, to_hz)
    up, down = to_hz // common, rate_hz // common
    return np.asarray(signal.resample_poly(x, up, down, window=_low_pass(up, down)))


@lru_cache(maxsize=16)
def _low_pass(up: int, down: int) -> NDArray[np.float64]:
    """Return a Kaiser-windowed low pass whose stop band begins at the lower Nyquist frequency."""
    from scipy import signal

    slower = max(up, down)
    half = _TAPS_PER_SIDE * slower
    beta = signal.kaiser_beta(_STOP_DB)
    # Kaiser's formula, solved for the transition width of a filter of this length
    width = (_STOP_DB - 7.95) / (2.285 * np.pi * 2 * half)
    return np.asarray(
        signal.firwin(2 * half + 1, 1.0 / slower - width / 2, window=("kaiser", beta))
    )


def aligned_pair(clean: ArrayLike, x: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return two signals as float64, checked for a comparison sample by sample.

    Parameters
    ----------
    clean, x
        As for `si_sdr_db`.

    Raises
    ------
    MetricsError
        As for `si_sdr_db`.
    """
    target, found = np.asarray(clean, np.float64), np.asarray(x, np.float64)
    if target.ndim != 1 or target.shape != found.shape:
        raise MetricsError(
            f"needs two mono signals of one length, not {target.shape} and {found.shape}"
        )
    if not (np.isfinite(target).all() and np.isfinite(found).all()):
        raise MetricsError("a signal holds NaN or infinite samples; record it again")
    if not target.size or float(np.mean(target**2)) < SILENCE:
        raise MetricsError("the clean signal is silent; compare with a recording of speech")
    return target, found


def _ratio_db(wanted: NDArray[Any], rest: NDArray[Any]) -> float:
    over, under = float(np.sum(wanted**2)), float(np.sum(rest**2))
    if under == 0.0:
        return math.inf
    return 10.0 * math.log10(over / under) if over else -math.inf


def _gain(found_db: float, given_db: float) -> float:
    return found_db - given_db if math.isfinite(given_db) else math.nan


def missing_package(package: str) -> MetricsError:
    """Return the error that names a package and how to install it."""
    return MetricsError(f"the package {package} is missing: pip install 'rtaudio[metrics]'")
