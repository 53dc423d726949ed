r"""An overdrive pedal as a circuit, solved as a differential equation: exact pairs without limit.

The clipping stage of a classic overdrive: a non-inverting operational amplifier with diodes in its
feedback, two in a row one way and one the other way (so that even harmonics arise too)::

                         +--|<|--|<|--+
                         +-----|>|----+
                         +--- Cf -----+
                         +--- Rf -----+   Rf = 33 kOhm + the gain knob (1 MOhm, logarithmic)
                         |            |
    v --------------- (+)|\           |
                         | >----------+---- v + vd ---- low-pass ---- out
                +---- (-)|/
                R1
                C1       i = current through R1 and C1 to ground
                |
               ---

An ideal amplifier holds its two inputs equal, so the current i depends on the input alone, and
the voltage vd over the feedback follows one stiff equation::

    R1 di/dt + i / C1 = dv/dt
    Cf dvd/dt = i - vd / Rf - Is (exp(vd / (n Vt)) - exp(-vd / (2 n Vt)))

Both are integrated at a multiple of the audio rate with SDIRK2, a two-stage implicit method of
second order that damps what is too fast to be followed (L-stable).

References
----------
Yeh, Abel, Vladimirescu, Smith: Numerical methods for simulation of guitar distortion circuits,
Computer Music Journal 32(2), 2008. Alexander: Diagonally implicit Runge-Kutta methods for stiff
ODEs, SIAM Journal on Numerical Analysis 14(6), 1977.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from rtaudio.runtime.jit import jit

__all__ = ["overdrive"]

R1_OHM = 4.7e3
C1_FARAD = 47e-9
CF_FARAD = 51e-12
FIXED_OHM = 33e3
KNOB_OHM = 1e6
SATURATION_AMPERE = 2.52e-9
THERMAL_VOLT = 1.752 * 25.85e-3
"""Ideality times thermal voltage of a small-signal silicon diode (1N914)."""

FULL_SCALE_VOLT = 1.5
"""Of input and output; a full-scale take is a loud passive pickup."""

LOW_PASS_HZ = 3400.0
OVERSAMPLING = 8

_GAMMA = 1 - 1 / math.sqrt(2)
_NEWTON_TURNS = 60
_NEWTON_VOLT = 1e-9


def feedback_ohm(gain: float) -> float:
    """Return the resistance in the feedback for a knob from 0 to 1, of logarithmic taper."""
    return FIXED_OHM + KNOB_OHM * (math.exp(4 * gain) - 1) / (math.exp(4) - 1)


@jit
def _diode_current(v):
    """Return the current of the diodes at ``v`` volts, and its slope."""
    one_way = SATURATION_AMPERE * np.exp(v / THERMAL_VOLT)
    other_way = SATURATION_AMPERE * np.exp(-v / (2 * THERMAL_VOLT))
    slope = (one_way + other_way / 2) / THERMAL_VOLT
    return one_way - other_way, slope


@jit
def _stage(known, i, step, v, conductance):
    """Solve v = known + step (i - conductance v - diodes(v)) / Cf by Newton's method."""
    for _ in range(_NEWTON_TURNS):
        current, slope = _diode_current(v)
        error = v - known - step * (i - conductance * v - current) / CF_FARAD
        change = error / (1 + step * (conductance + slope) / CF_FARAD)
        # The exponential throws long steps far away; a diode's voltage never needs them.
        v -= min(max(change, -0.1), 0.1)
        if abs(change) < _NEWTON_VOLT:
            break
    return v


@jit
def _integrate(v, rate_hz, conductance):
    """Return v + vd for the input voltage ``v`` at ``rate_hz``, from rest."""
    step = 1 / rate_hz
    out = np.empty_like(v)
    # The linear branch by the trapezoidal rule; c is the voltage over C1.
    half = step / (2 * C1_FARAD)
    c, i, vd = 0.0, 0.0, 0.0
    for n in range(len(v)):
        before = i
        i = (v[n] - c - half * before) / (R1_OHM + half)
        c += half * (before + i)
        first = _stage(vd, before + _GAMMA * (i - before), _GAMMA * step, vd, conductance)
        slope = (first - vd) / (_GAMMA * step)
        vd = _stage(vd + (1 - _GAMMA) * step * slope, i, _GAMMA * step, first, conductance)
        out[n] = v[n] + vd
    return out


def overdrive(
    dry: NDArray[np.float32], rate_hz: int, *, gain: float, oversampling: int = OVERSAMPLING
) -> NDArray[np.float32]:
    """Play a signal through the pedal.

    Parameters
    ----------
    dry
        Shape (samples,).
    rate_hz
        Sample rate.
    gain
        The knob, from 0 to 1.
    oversampling
        Steps of the solver per sample. Changing rates delays nothing.

    Returns
    -------
    ndarray
        As long as ``dry``, from a circuit at rest.

    Raises
    ------
    ValueError
        ``gain`` is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> wet = overdrive(np.zeros(100, np.float32), 48000, gain=0.5)
    >>> float(np.abs(wet).max())
    0.0
    """
    if not 0 <= gain <= 1:
        raise ValueError(f"gain = {gain} is out of range 0 .. 1")
    fast_hz = rate_hz * oversampling
    volts = FULL_SCALE_VOLT * signal.resample_poly(dry.astype(np.float64), oversampling, 1)
    clipped = _integrate(volts, float(fast_hz), 1 / feedback_ohm(gain))
    smooth = signal.lfilter(*signal.butter(1, LOW_PASS_HZ, fs=fast_hz), clipped)
    wet = signal.resample_poly(smooth, 1, oversampling)[: len(dry)]
    return np.asarray(wet / FULL_SCALE_VOLT, np.float32)
