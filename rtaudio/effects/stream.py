"""Stream: sound through an effect piece by piece, as it comes, without a device."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from rtaudio.audio.samples import samples
from rtaudio.runtime.memory import Floats
from rtaudio.runtime.offline import run
from rtaudio.runtime.program import Program


class Stream:
    """An effect that is fed piece by piece: for WebRTC, sockets and pipes.

    Made by :meth:`rtaudio.Effect.stream`. Every call returns as many samples as it is given, at
    once, so a frame of a call goes out as a frame of the same size. What comes out is constantly
    ``latency_samples`` late, however the sound is cut: the first samples are silence, and ``last``
    brings the rest. Whoever wants the output in time with the input, as a file does, drops that
    many samples at the beginning. The whole then equals ``effect(x, rate_hz)``.

    Assigning to a live parameter of an effect between two calls is a ramp, as it is live. Other
    changes of the effect are heard after :meth:`clear`.

    Parameters
    ----------
    make
        Compiles the effect for calls of any size.

    Examples
    --------
    >>> gain = Gain(-6)
    >>> stream = Chain(gain, Limiter()).stream(48000)
    >>> pieces = np.split(np.full(960, 0.5, np.float32), [100, 101])
    >>> wet = np.concatenate([*map(stream.process, pieces), stream.process([], last=True)])
    >>> len(wet) == 960 + stream.latency_samples
    True
    """

    def __init__(self, make: Callable[[], Program]) -> None:
        self._make = make
        self._program: Program | None = make()
        self._faults: dict[str, int] = {}

    @property
    def _playing(self) -> Program:
        if self._program is None:
            self._program, self._faults = self._make(), {}
        return self._program

    @property
    def latency_samples(self) -> int:
        """By how many samples the output lags the input."""
        return self._playing.latency_samples

    @property
    def in_channels(self) -> int:
        """Channels that :meth:`process` takes."""
        return self._playing.in_channels

    @property
    def out_channels(self) -> int:
        """Channels that :meth:`process` returns."""
        return self._playing.out_channels

    def process(self, x: ArrayLike, last: bool = False) -> Floats:
        """Play the next piece.

        Parameters
        ----------
        x
            ``[channels, frames]``, or ``[frames]`` if the stream has one channel. Any number of
            frames, even none. Kinds as for :func:`rtaudio.audio.samples.samples`.
        last
            True if nothing follows: the last ``latency_samples`` samples come, too, and the stream
            is cleared.

        Returns
        -------
        numpy.ndarray
            float32, as many frames as ``x`` has, and ``latency_samples`` more after the last piece;
            one-dimensional if ``x`` was and the effect stays mono.

        Raises
        ------
        AudioError
            ``x`` is no sound, or has other channels. The stream stays as it was.

        Warns
        -----
        RuntimeWarning
            An effect made NaN, Inf or a runaway level; it was silenced for a block and reset.
        """
        program = self._playing
        planar = samples(x, channels=program.in_channels)
        program.follow()
        if last:
            planar = np.pad(planar, ((0, 0), (0, program.latency_samples)))
        wet = run(program, planar)
        if (faults := program.faults) != self._faults:
            self._faults = faults
            warnings.warn(f"silenced and reset: {faults}", RuntimeWarning, stacklevel=2)
        if last:
            self.clear()
        return wet[0] if np.ndim(x) == 1 and len(wet) == 1 else wet

    def clear(self) -> None:
        """Forget all sound: the next piece is the first, and the effect is as it is now."""
        self._program = None
