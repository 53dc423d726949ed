"""The simulated overdrive: against a general solver, small-signal theory, and itself."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, signal

from training.guitar import circuit
from training.guitar.circuit import feedback_ohm, overdrive

RATE_HZ = 48000


def esr(y: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.sum((y - wanted) ** 2) / np.sum(wanted**2))


@pytest.mark.parametrize("gain", [0.0, 0.6, 1.0])
def test_solver_agrees_with_radau(gain: float) -> None:
    """The same circuit, both equations, by a solver with an error bound of its own."""
    hz, level, seconds = 440.0, 0.4, 0.006
    omega = 2 * np.pi * hz

    def slopes(t: float, state: np.ndarray) -> list[float]:
        i, vd = state
        dv = level * omega * np.cos(omega * t)
        diodes = circuit.SATURATION_AMPERE * (
            np.exp(vd / circuit.THERMAL_VOLT) - np.exp(-vd / (2 * circuit.THERMAL_VOLT))
        )
        return [
            (dv - i / circuit.C1_FARAD) / circuit.R1_OHM,
            (i - vd / feedback_ohm(gain) - diodes) / circuit.CF_FARAD,
        ]

    fast_hz = RATE_HZ * circuit.OVERSAMPLING
    t = np.arange(round(seconds * fast_hz)) / fast_hz
    exact = integrate.solve_ivp(
        slopes, (0, t[-1]), [0, 0], "Radau", t, rtol=1e-8, atol=[1e-12, 1e-9], first_step=1e-8
    )
    v = level * np.sin(omega * t)
    wanted = v + exact.y[1]
    got = circuit._integrate(v, float(fast_hz), 1 / feedback_ohm(gain))
    assert esr(got, wanted) < 1e-7


@pytest.mark.parametrize("gain", [0.0, 0.5, 1.0])
def test_soft_playing_is_the_linear_circuit(gain: float) -> None:
    """Far below the diodes' threshold: the textbook transfer function of the amplifier."""
    dry = np.zeros(16384, np.float32)
    dry[100] = 1e-4
    wet = overdrive(dry, RATE_HZ, gain=gain).astype(np.float64)
    hz = np.array([60.0, 200, 720, 1500, 4000])
    s = 2j * np.pi * hz
    # A diode is a resistor for the smallest signals.
    leak = circuit.SATURATION_AMPERE * 1.5 / circuit.THERMAL_VOLT
    over = 1 / (1 / feedback_ohm(gain) + leak + s * circuit.CF_FARAD)
    below = circuit.R1_OHM + 1 / (s * circuit.C1_FARAD)
    low_pass = 1 / (1 + 1j * hz / circuit.LOW_PASS_HZ)
    _, got = signal.freqz(wet / 1e-4, worN=hz, fs=RATE_HZ)
    np.testing.assert_allclose(np.abs(got), np.abs((1 + over / below) * low_pass), rtol=0.02)


def test_steps_of_the_solver_are_fine_enough() -> None:
    noise = np.random.default_rng(1).normal(0, 0.2, 4096)
    dry = signal.lfilter(*signal.butter(2, 4000, fs=RATE_HZ), noise).astype(np.float32)
    finer = overdrive(dry, RATE_HZ, gain=0.8, oversampling=64)
    assert esr(overdrive(dry, RATE_HZ, gain=0.8), finer) < 1e-6


def test_silence_stays_silence_and_nothing_is_delayed() -> None:
    dry = np.zeros(512, np.float32)
    assert not overdrive(dry, RATE_HZ, gain=1.0).any()
    dry[200:] = 0.1
    assert np.abs(overdrive(dry, RATE_HZ, gain=0.5)[:195]).max() < 0.02
    assert np.abs(overdrive(dry, RATE_HZ, gain=0.5)[201]) > 0.05


def test_knob_turns_the_gain() -> None:
    dry = (0.01 * np.sin(2 * np.pi * 1000 * np.arange(4800) / RATE_HZ)).astype(np.float32)
    levels = [overdrive(dry, RATE_HZ, gain=g).std() for g in (0, 0.25, 0.5, 0.75, 1)]
    assert np.all(np.diff(levels) > 0)
    with pytest.raises(ValueError, match=r"out of range 0 \.\. 1"):
        overdrive(dry, RATE_HZ, gain=1.5)
