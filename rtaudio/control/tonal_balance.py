"""Tonal balance: the average spectrum of a playing host, beside that of a style."""

from __future__ import annotations

import numpy as np

from rtaudio.analysis.third_octaves import CENTRES_HZ, third_octaves_db
from rtaudio.live.host import Host
from rtaudio.mastering.find_goal import find_goal
from rtaudio.runtime.memory import Array, Floats

MEMORY_S = 10.0
_PIECE_S = 1.0
_SILENT_DB = -90.0
_SPAN_DB = 60.0
_MIDDLE = (CENTRES_HZ >= 100.0) & (CENTRES_HZ <= 10_000.0)


class TonalBalance:
    """Averages the output of a host over some ten seconds, and compares it with a style.

    The audio thread does nothing for it: it writes its ring anyway, and this reads it.

    Parameters
    ----------
    host
        The playing host.
    style
        As for `rtaudio.mastering.find_goal.find_goal`.

    Raises
    ------
    ParameterError
        There is no such style.
    """

    def __init__(self, host: Host, style: str) -> None:
        self.host, self.style = host, style
        self._wanted_db = find_goal(style).levels_db
        self._tap = host.tap()
        self._pieces: list[Floats] = []
        self._power: Array | None = None

    def read(self) -> tuple[Array, Array] | None:
        """Return the average and the style at its level; None if no second has passed since then.

        Returns
        -------
        average_db, target_db : numpy.ndarray
            float64 ``[31]``, thirds of octaves in dB of full scale; their means from 100 Hz to
            10 kHz are equal.
        """
        self._pieces.append(self._tap.read())
        if sum(map(len, self._pieces)) < _PIECE_S * self.host.rate_hz:
            return None
        sound, self._pieces = np.concatenate(self._pieces).T, []
        levels_db = third_octaves_db(sound, self.host.rate_hz)
        if levels_db.max() < _SILENT_DB:
            return None
        power, share = 10.0 ** (levels_db / 10.0), _PIECE_S / MEMORY_S
        before = power if self._power is None else self._power
        self._power = before + share * (power - before)
        average_db = np.asarray(10.0 * np.log10(self._power))
        heard = _MIDDLE & (average_db > average_db.max() - _SPAN_DB)
        heard = heard if heard.any() else np.full(len(average_db), True)
        level_db = np.mean((average_db - self._wanted_db)[heard])
        return average_db, self._wanted_db + level_db
