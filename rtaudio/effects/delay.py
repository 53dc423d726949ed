"""Delay: echoes."""

from __future__ import annotations

from pydantic import Field

from rtaudio.effects.base import Effect, Slots, parameter
from rtaudio.runtime.builder import Builder, Bus
from rtaudio.runtime.kernels import delay as kernels


class Delay(Effect):
    """Repeat the signal, each time softer and darker.

    Parameters
    ----------
    time_ms
        Time between two echoes, 1 .. 2000 ms, in whole samples; a change is a 20 ms cross-fade.
    feedback
        Level of an echo against the one before, 0 .. 0.95.
    high_cut_hz
        Each further echo is low-passed here (first order), 500 .. 20000 Hz.
    ping_pong
        True makes stereo: echoes alternate between left and right, beginning on the left. Fixed
        while it plays.
    mix
        0 dry .. 1 echoes only.

    Examples
    --------
    >>> echoes = Delay(time_ms=1000 / 48, feedback=0.5, high_cut_hz=20000.0, mix=1.0)
    >>> click = np.zeros(4800, np.float32); click[0] = 1.0
    >>> int(np.argmax(echoes(click, 48000)))
    1000
    """

    mix: float = parameter(0.35, 0.0, 1.0, "", "0 dry .. 1 echoes only")
    time_ms: float = parameter(350.0, 1.0, kernels.LONGEST_MS, "ms", "time between two echoes")
    feedback: float = parameter(0.35, 0.0, 0.95, "", "level of an echo against the one before")
    high_cut_hz: float = parameter(5000.0, 500.0, 20000.0, "Hz", "low-pass of each further echo")
    ping_pong: bool = Field(default=False, description="echoes alternate left and right")

    def build(self, builder: Builder, x: Bus, params: Slots) -> Bus:
        """Append one delay node."""
        if self.ping_pong:
            x = builder.adapt(x, 1)
        return builder.run(kernels.delay(params, builder.rate_hz, x.channels, self.ping_pong), x)
