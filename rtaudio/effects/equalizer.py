"""Equalizer: cuts, shelves and peaks."""

from __future__ import annotations

from rtaudio.effects.base import Effect, parameter
from rtaudio.runtime.abi import Bus
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.kernels.section import (
    HIGH_CUT,
    HIGH_SHELF,
    LOW_CUT,
    LOW_SHELF,
    PEAK,
    section_node,
)
from rtaudio.runtime.slots import Slots

LOW_CUT_OFF_HZ = 10.0
HIGH_CUT_OFF_HZ = 22000.0


def _hz(default: float, low: float, high: float, what: str) -> float:
    frequency: float = parameter(default, low, high, "Hz", what)
    return frequency


def _db(what: str) -> float:
    level: float = parameter(0.0, -24.0, 24.0, "dB", what)
    return level


class Equalizer(Effect):
    """Seven biquad sections in series, from the audio-EQ cookbook of R. Bristow-Johnson.

    Cuts fall by 12 dB per octave (Butterworth), shelves have their half gain at the given
    frequency. A section at 0 dB, and a cut at the end of its range, is a wire. Every change is a
    ramp of 20 ms, even in frequency and level.

    Parameters
    ----------
    low_cut_hz
        High-pass, 10 (off) .. 1000 Hz.
    low_shelf_hz, low_shelf_db
        20 .. 2000 Hz, -24 .. 24 dB.
    peak1_hz, peak1_db, peak1_q, peak2_hz, peak2_db, peak2_q, peak3_hz, peak3_db, peak3_q
        20 .. 20000 Hz, -24 .. 24 dB, Q 0.1 .. 10.
    high_shelf_hz, high_shelf_db
        500 .. 20000 Hz, -24 .. 24 dB.
    high_cut_hz
        Low-pass, 1000 .. 22000 (off) Hz.

    Examples
    --------
    >>> scooped = Equalizer(low_cut_hz=80.0, peak2_hz=700.0, peak2_db=-6.0)
    >>> Equalizer()(np.ones(3, np.float32), 48000)
    array([1., 1., 1.], dtype=float32)
    """

    low_cut_hz: float = _hz(LOW_CUT_OFF_HZ, LOW_CUT_OFF_HZ, 1000.0, "high-pass; 10 is off")
    low_shelf_hz: float = _hz(120.0, 20.0, 2000.0, "low shelf")
    low_shelf_db: float = _db("gain below the low shelf")
    peak1_hz: float = _hz(250.0, 20.0, 20000.0, "centre of the first peak")
    peak1_db: float = _db("gain of the first peak")
    peak1_q: float = parameter(0.7, 0.1, 10.0, "", "Q of the first peak")
    peak2_hz: float = _hz(1000.0, 20.0, 20000.0, "centre of the second peak")
    peak2_db: float = _db("gain of the second peak")
    peak2_q: float = parameter(0.7, 0.1, 10.0, "", "Q of the second peak")
    peak3_hz: float = _hz(3500.0, 20.0, 20000.0, "centre of the third peak")
    peak3_db: float = _db("gain of the third peak")
    peak3_q: float = parameter(0.7, 0.1, 10.0, "", "Q of the third peak")
    high_shelf_hz: float = _hz(6000.0, 500.0, 20000.0, "high shelf")
    high_shelf_db: float = _db("gain above the high shelf")
    high_cut_hz: float = _hz(HIGH_CUT_OFF_HZ, 1000.0, HIGH_CUT_OFF_HZ, "low-pass; 22000 is off")

    def build(self, builder: Builder, x: Bus, slots: Slots) -> Bus:
        """Append one node per section."""
        for name, kind, off_hz in _SECTIONS:
            names = {"hz": f"{name}_hz", "db": f"{name}_db", "q": f"{name}_q"}
            own = {key: slots.slot(slot) for key, slot in names.items() if slot in slots}
            node = section_node(
                kind, own.pop("hz"), builder.rate_hz, x.channels, off_hz=off_hz, **own
            )
            x = builder.run(node, x)
        return x


_SECTIONS = (
    ("low_cut", LOW_CUT, LOW_CUT_OFF_HZ),
    ("low_shelf", LOW_SHELF, 0.0),
    ("peak1", PEAK, 0.0),
    ("peak2", PEAK, 0.0),
    ("peak3", PEAK, 0.0),
    ("high_shelf", HIGH_SHELF, 0.0),
    ("high_cut", HIGH_CUT, HIGH_CUT_OFF_HZ),
)
