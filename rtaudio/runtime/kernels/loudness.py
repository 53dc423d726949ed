"""Loudness meter: ITU-R BS.1770-5 and EBU R128, while it plays and on files.

::

    channel --> K-weighting --> square, times weight --+--> sum over 10 ms --> ring of 3 s
    channel --> ...                                    |                         |
                                       every 10 ms: momentary (0.4 s), short-term (3 s), maxima
                                       every 100 ms: one entry in each of two histograms
    channel --> true peak, sample peak, power, correlation

The audio thread fills fixed memory: sums, a ring and two histograms of 0.1 LU that keep the power
of their entries, so that the gated mean is exact but for entries within 0.1 LU of the gate. What
needs logarithms over all of it (integrated loudness, loudness range) is computed by the reader.
"""

from __future__ import annotations

import math

import numpy as np

from rtaudio.runtime.jit import helper
from rtaudio.runtime.kernels.k_weighting import OFFSET_DB, weighted_power
from rtaudio.runtime.kernels.true_peak import CHUNK, PHASES, TAPS, raise_to_peaks
from rtaudio.runtime.limits import MAX_LIVE_CHANNELS
from rtaudio.runtime.words import copy_bytes, f32_at, f64_at, fill_bytes, i64_at, struct_at

STEPS_PER_S = 100
MOMENTARY_STEPS, SHORT_TERM_STEPS = 40, 300
"""Windows of 0.4 s and 3 s."""

GATE_LUFS = -70.0
"""The absolute gate: what is softer never counts."""

_ENTRY_STEPS = 10
BINS_PER_LU, BINS = 10, 1000
SUMS = 4

SURROUND = 1.41
WEIGHTS = {
    4: (1.0, 1.0, SURROUND, SURROUND),
    5: (1.0, 1.0, 1.0, SURROUND, SURROUND),
    6: (1.0, 1.0, 1.0, 0.0, SURROUND, SURROUND),
    8: (1.0, 1.0, 1.0, 0.0, 1.0, 1.0, SURROUND, SURROUND),
}
"""Weights by number of channels, in the order of WAV files (5.1: left, right, centre, LFE, left and
right surround); other numbers of channels weigh 1."""

METER = np.dtype(
    [
        ("channels", "i8"),
        ("step", "i8"),
        ("filled", "i8"),
        ("steps", "i8"),
        ("reset", "i8"),
        ("weights", "f8", (MAX_LIVE_CHANNELS,)),
        ("shelf", "f8", (5,)),
        ("pass_", "f8", (5,)),
        ("present", "f8", (SUMS,)),
        ("total", "f8", (SUMS,)),
        ("momentary", "f8"),
        ("short_term", "f8"),
        ("momentary_max", "f8"),
        ("short_term_max", "f8"),
        ("peak", "f4"),
        ("true_peak", "f4"),
        ("power", "f8"),
        ("samples", "i8"),
        ("z", "i8"),
        ("ring", "i8"),
        ("counts", "i8"),
        ("powers", "i8"),
        ("line", "i8"),
        ("curve", "i8"),
        ("levels", "i8"),
        ("taps", "i8"),
    ]
)
"""``step``: samples of 10 ms, of which ``filled`` are in ``present``; ``steps`` counts them. The
sums of a step, of the ring and of the ``total``: weighted power, and left², right², left * right.
``z``: [channels][4] memories of the filters. ``ring``: [300][4]. ``counts``, ``powers``:
[2][bins], of blocks of 0.4 s and of 3 s. ``power``: of all ``samples``, unweighted. ``line``:
[channels][31 + 64], ``curve``: [channels][4][1 + 64], ``levels``: [64]. Python sets ``reset``."""

meter_at = struct_at(METER)


@helper
def _restart(m):
    """Forget everything but the memories of the filters."""
    fill_bytes(m.counts, 0, 8 * 2 * BINS)
    fill_bytes(m.powers, 0, 8 * 2 * BINS)
    fill_bytes(m.ring, 0, 8 * SUMS * SHORT_TERM_STEPS)
    for k in range(SUMS):
        m.present[k] = m.total[k] = 0.0
    m.filled = m.steps = m.samples = 0
    m.momentary = m.short_term = m.momentary_max = m.short_term_max = 0.0
    m.peak = m.true_peak = m.power = 0.0


@helper
def _count(m, which, power):
    """Enter the power of one block into a histogram, unless it is below the absolute gate."""
    lufs = OFFSET_DB + 10.0 * math.log10(max(power, 1e-20))
    if lufs >= GATE_LUFS:
        place = which * BINS + min(BINS - 1, int((lufs - GATE_LUFS) * BINS_PER_LU))
        i64_at(m.counts)[place] += 1
        f64_at(m.powers)[place] += power


@helper
def _end_step(m):
    """Take 10 ms into the ring, and read the windows that end here."""
    ring = f64_at(m.ring)
    newest = m.steps % SHORT_TERM_STEPS
    for k in range(SUMS):
        ring[SUMS * newest + k] = m.present[k]
        m.total[k] += m.present[k]
        m.present[k] = 0.0
    m.filled = 0
    m.steps += 1
    momentary = short_term = 0.0
    for back in range(SHORT_TERM_STEPS):
        place = newest - back
        short_term += ring[SUMS * (place if place >= 0 else place + SHORT_TERM_STEPS)]
        if back == MOMENTARY_STEPS - 1:
            momentary = short_term
    m.momentary = momentary / (MOMENTARY_STEPS * m.step)
    m.short_term = short_term / (SHORT_TERM_STEPS * m.step)
    m.momentary_max = max(m.momentary_max, m.momentary)
    m.short_term_max = max(m.short_term_max, m.short_term)
    if m.steps % _ENTRY_STEPS == 0:
        if m.steps >= MOMENTARY_STEPS:
            _count(m, 0, m.momentary)
        if m.steps >= SHORT_TERM_STEPS:
            _count(m, 1, m.short_term)


@helper
def measure(meter, planar, stride, frames):
    """Measure a block: float32 at the address ``planar``, its channels ``stride`` apart."""
    m = meter_at(meter)
    if m.reset != 0:
        _restart(m)
        m.reset = 0
    row, curve = TAPS - 1 + CHUNK, 4 * PHASES * (1 + CHUNK)
    levels = f32_at(m.levels)
    done = 0
    while done < frames:
        count = min(frames - done, m.step - m.filled, CHUNK)
        fill_bytes(m.levels, 0, 4 * count)
        for channel in range(m.channels):
            at = planar + 4 * (channel * stride + done)
            weighted = weighted_power(at, m.z + 32 * channel, m.shelf, m.pass_, count)
            m.present[0] += m.weights[channel] * weighted
            line = m.line + 4 * row * channel
            copy_bytes(line + 4 * (TAPS - 1), at, 4 * count)
            raise_to_peaks(line, m.taps, m.curve + curve * channel, m.levels, count)
            x = f32_at(at)
            peak, power = m.peak, 0.0
            for i in range(count):
                peak = max(peak, abs(x[i]))
                power += float(x[i]) * x[i]
            m.peak = peak
            m.power += power
            if channel < 2:
                m.present[1 + channel] += power
            past = f32_at(line)
            for i in range(TAPS - 1):
                past[i] = past[count + i]
        if m.channels > 1:
            left = f32_at(planar + 4 * done)
            right = f32_at(planar + 4 * (stride + done))
            product = 0.0
            for i in range(count):
                product += float(left[i]) * right[i]
            m.present[3] += product
        highest = np.float32(m.true_peak)
        for i in range(count):
            highest = max(highest, levels[i])
        m.true_peak = highest
        m.samples += count * m.channels
        m.filled += count
        if m.filled == m.step:
            _end_step(m)
        done += count
