"""ToneStack: bass, middle and treble, as on an amplifier."""

from __future__ import annotations

from rtaudio.effects.base import Effect, parameter
from rtaudio.runtime.abi import Bus
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.kernels.section import HIGH_SHELF, LOW_SHELF, PEAK, knob_node
from rtaudio.runtime.slots import Slots

BASS_HZ, MIDDLE_HZ, TREBLE_HZ = 150.0, 425.0, 1800.0
BASS_DB_PER_STEP, MIDDLE_DB_PER_STEP, TREBLE_DB_PER_STEP = 4.0, 3.0, 2.0


def _knob(what: str) -> float:
    position: float = parameter(5.0, 0.0, 10.0, "", what)
    return position


class ToneStack(Effect):
    """Three tone knobs; at 5 they do nothing.

    The bands and ranges are those of the tone stack in the Neural Amp Modeler plug-in, so a sound
    set up there can be copied knob by knob: a low shelf at 150 Hz, a peak at 425 Hz (Q 0.7 when
    boosting, 1.5 when cutting) and a high shelf at 1.8 kHz. The knobs do not interact, unlike those
    of a passive circuit: a captured amplifier has its own tone stack inside. A change is a ramp of
    20 ms; with all knobs at 5 the effect is a wire.

    Parameters
    ----------
    bass
        0 .. 10; a step is 4 dB, so that the ends are -20 and 20 dB.
    middle
        0 .. 10; a step is 3 dB: -15 .. 15 dB.
    treble
        0 .. 10; a step is 2 dB: -10 .. 10 dB.

    Examples
    --------
    >>> scooped = ToneStack(bass=6.5, middle=3.0, treble=6.0)
    >>> ToneStack()(np.ones(3, np.float32), 48000)
    array([1., 1., 1.], dtype=float32)
    """

    bass: float = _knob("low shelf at 150 Hz, 4 dB per step; 5 is flat")
    middle: float = _knob("peak at 425 Hz, 3 dB per step; 5 is flat")
    treble: float = _knob("high shelf at 1.8 kHz, 2 dB per step; 5 is flat")

    def build(self, builder: Builder, x: Bus, slots: Slots) -> Bus:
        """Append one node per knob."""
        for name, kind, hz, db_per_step in (
            ("bass", LOW_SHELF, BASS_HZ, BASS_DB_PER_STEP),
            ("middle", PEAK, MIDDLE_HZ, MIDDLE_DB_PER_STEP),
            ("treble", HIGH_SHELF, TREBLE_HZ, TREBLE_DB_PER_STEP),
        ):
            knob = slots.slot(name)
            x = builder.run(knob_node(kind, hz, db_per_step, knob, builder.rate_hz, x.channels), x)
        return x
