"""Compressor: loud notes softer, so that soft ones can be louder."""

from __future__ import annotations

from rtaudio.effects.base import Effect, Slots, parameter
from rtaudio.runtime.builder import Builder, Bus
from rtaudio.runtime.kernels.compressor import compressor


class Compressor(Effect):
    """Turn down what exceeds a threshold, by a ratio.

    Feed-forward, in decibels, with a soft knee and a smooth decoupled peak detector, after
    Giannoulis, Massberg and Reiss (JAES 2012). All channels share one gain, made from the loudest
    of them. There is no look-ahead and no latency.

    Parameters
    ----------
    threshold_db
        Level above which the gain falls, -60 .. 0 dBFS.
    ratio
        Rise of the input for 1 dB of rise of the output, 1 .. 20.
    attack_ms, release_ms
        Time constants of turning down (0.1 .. 200 ms) and of recovery (5 .. 2000 ms).
    knee_db
        Width of the bend at the threshold, 0 (hard) .. 24 dB.
    makeup_db
        Gain behind the compressor, -12 .. 24 dB.

    Examples
    --------
    >>> loud = np.ones(48000, np.float32)
    >>> out = Compressor(threshold_db=-20.0, ratio=4.0, knee_db=0.0)(loud, 48000)
    >>> round(float(20 * np.log10(out[-1])), 2)
    -15.0
    """

    threshold_db: float = parameter(-18.0, -60.0, 0.0, "dB", "level above which the gain falls")
    ratio: float = parameter(4.0, 1.0, 20.0, ":1", "input rise per dB of output rise")
    attack_ms: float = parameter(10.0, 0.1, 200.0, "ms", "time constant of turning down")
    release_ms: float = parameter(120.0, 5.0, 2000.0, "ms", "time constant of recovery")
    knee_db: float = parameter(6.0, 0.0, 24.0, "dB", "width of the bend at the threshold")
    makeup_db: float = parameter(0.0, -12.0, 24.0, "dB", "gain behind the compressor")

    def build(self, builder: Builder, x: Bus, params: Slots) -> Bus:
        """Append one compressor node."""
        return builder.run(compressor(params, builder.rate_hz), x)
