"""Comfort noise: the background of a pause, made again from its description."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rtaudio.codec.noise_shape import QUIETEST_DBOV, NoiseShape


class ComfortNoise:
    """Makes the noise that a `NoiseShape` describes, frame by frame and without seams.

    Every frame is Gaussian noise of twice its length, shaped in the spectrum and overlapped under
    a sine window: the power is constant, and a new shape fades in over one frame.

    Parameters
    ----------
    frame_samples
        Samples of a frame, 2 or more.
    seed
        Start of the random numbers.

    Examples
    --------
    >>> noise = ComfortNoise(960)
    >>> noise.frame(NoiseShape(-60)).shape
    (960,)
    """

    def __init__(self, frame_samples: int, seed: int = 0) -> None:
        self._samples = frame_samples
        self._window = np.sin(np.pi * (np.arange(2 * frame_samples) + 0.5) / (2 * frame_samples))
        self._tail = np.zeros(frame_samples)
        self._random = np.random.default_rng(seed)

    def frame(self, shape: NoiseShape) -> NDArray[np.float32]:
        """Return the next frame.

        Parameters
        ----------
        shape
            The noise to make.

        Returns
        -------
        numpy.ndarray
            float32 ``[frame_samples]``, full scale 1.
        """
        if shape.level_dbov <= QUIETEST_DBOV:
            whole = np.zeros(2 * self._samples)
        else:
            white = np.fft.rfft(self._random.standard_normal(2 * self._samples))
            level = 10.0 ** (shape.level_dbov / 20.0)
            shaped = np.fft.irfft(white * shape.response(white.size), 2 * self._samples)
            whole = level * shaped * self._window
        frame = self._tail + whole[: self._samples]
        self._tail = whole[self._samples :]
        return frame.astype(np.float32)
