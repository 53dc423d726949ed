"""The folding of a lapped transform: ``hop + overlap`` samples of a frame to ``hop``, and back.

After it the modified discrete cosine transform is a cosine transform of type IV (Princen and
Bradley, "Analysis/synthesis filter bank design based on time domain aliasing cancellation", 1986).
"""

from __future__ import annotations

import numpy as np

from rtaudio.runtime.memory import Array


def fold(hop: int, overlap: int) -> tuple[Array, Array]:
    """Return the two samples of a frame that make each folded one, and their factors.

    Parameters
    ----------
    hop
        Samples from frame to frame.
    overlap
        Samples of a slope of the window, at most ``hop``.

    Returns
    -------
    places : numpy.ndarray
        int64 ``[2, hop]``, samples of a frame of ``hop + overlap``.
    factors : numpy.ndarray
        float64 ``[2, hop]``.
    """
    zero = (hop - overlap) // 2
    rise = np.sin(np.pi / 2 * (np.arange(overlap) + 0.5) / overlap)
    flat = np.ones(hop - overlap)
    window = np.concatenate([np.zeros(zero), rise, flat, rise[::-1], np.zeros(zero)])
    n = np.arange(hop)
    early = n < hop // 2
    places = np.stack(
        [
            np.where(early, 3 * hop // 2 - 1 - n, n - hop // 2),
            np.where(early, 3 * hop // 2 + n, 3 * hop // 2 - 1 - n),
        ]
    )
    signs = np.stack([np.where(early, -1.0, 1.0), -np.ones(hop)])
    # Beyond the slopes the window is zero, and the frame holds no samples.
    return np.clip(places - zero, 0, hop + overlap - 1), signs * window[places]


def unfold(places: Array, slopes: Array, length: int) -> tuple[Array, Array]:
    """Return the folded sample of each sample of a frame, and its factor: the transpose.

    Parameters
    ----------
    places, slopes
        From :func:`fold`.
    length
        Samples of a frame.
    """
    folded, factors = np.zeros(length, np.int64), np.zeros(length)
    for place, slope in zip(places, slopes, strict=True):
        used = np.flatnonzero(slope)
        folded[place[used]], factors[place[used]] = used, slope[used]
    return folded, factors
