"""No bursts: after a loss nothing is louder than the programme was before it."""

from __future__ import annotations

import numpy as np

from rtaudio.runtime.memory import Floats

AGREEMENT_FRAMES = 30
"""A codec that predicts its levels disagrees with the sender for so long after a loss: what it
missed dies out as 0.9 per frame, and 0.9 ** 30 is 4 %."""

START_PEAK = 0.25
"""Loudest sample of a programme that is not known yet: speech at -26 dBFS RMS reaches it."""

FULL_SCALE = 1.0
"""Codes that no encoder made decode to far more; such a frame is turned down at any time."""

_RELEASE = 0.995
"""Per trusted frame: after a loud one the limit falls by 2.2 dB per second."""

_RISE = 1.003
"""Per limited frame: a programme that did grow louder is let through, at 1.3 dB per second."""

_ATTACK_SAMPLES = 96


class LevelGuard:
    """Turns frames down that are louder than the programme, while the decoder cannot be trusted.

    At other times it does the same to what is louder than full scale.

    The levels of a codec are often coded as differences. Where a difference is lost, such as that
    of the step into a silence, the next ones are added to the wrong level: unguarded, a voice that
    begins again may be louder by 40 dB.

    Examples
    --------
    >>> guard = LevelGuard()
    >>> for frame in range(40):
    ...     heard = guard.step(np.full(960, 0.1, np.float32), trusted=True)
    >>> heard = guard.step(np.full(960, 8.0, np.float32), trusted=False)
    >>> bool(heard[-1] < 0.15)
    True
    """

    def __init__(self) -> None:
        self._limit = START_PEAK
        self._left = 0
        self._gain = 1.0

    def step(self, decoded: Floats, *, trusted: bool) -> Floats:
        """Return the next frame, turned down if need be.

        Parameters
        ----------
        decoded
            float32 ``[samples]``.
        trusted
            Whether it was decoded from codes: it is no lost frame, and in no pause.
        """
        self._left = max(0, self._left - 1) if trusted else AGREEMENT_FRAMES
        magnitude = np.abs(decoded)
        peak = float(magnitude.max(initial=0.0))
        former, self._gain = self._gain, 1.0
        if self._left == 0:
            self._limit = min(max(peak, self._limit * _RELEASE), FULL_SCALE)
        limit = self._limit
        if peak > limit:
            self._gain = limit / peak
            self._limit = min(limit * _RISE, FULL_SCALE)
        if former == self._gain == 1.0:
            return decoded
        falls = self._gain < former
        length = min(_ATTACK_SAMPLES, decoded.size) if falls else decoded.size
        gains = np.full(decoded.size, self._gain, np.float32)
        gains[:length] = np.linspace(former, self._gain, length, dtype=np.float32)
        if falls:  # it may be too loud before the ramp has ended
            gains[:length] = np.minimum(
                gains[:length], limit / np.maximum(magnitude[:length], limit)
            )
        return gains * decoded
