"""The picture of a round trip: its delay over time, beside what device and chain report."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rtaudio.atomic import replacing
from rtaudio.capture.latency import WINDOW_S, RoundTrip
from rtaudio.view.legend import legend_above


def draw_round_trip(path: str | Path, trip: RoundTrip) -> None:
    """Draw the delay of each second, in samples and milliseconds, and around its median.

    Parameters
    ----------
    path
        The picture; its suffix chooses the format.
    trip
        The measurement.

    Raises
    ------
    OSError
        The picture cannot be written.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (whole, close) = plt.subplots(2, 1, figsize=(10, 6), layout="constrained", sharex=True)
    seconds = WINDOW_S * (np.arange(trip.delays_samples.size) + 0.5)
    whole.plot(seconds, trip.delays_samples, ".-", color="C0", label="measured")
    whole.axhline(trip.reported_samples, color="C1", label="reported by device and chain")
    top = 1.15 * max(trip.delays_samples.max(), trip.reported_samples, 1.0)
    whole.set_ylim(min(0.0, 1.15 * trip.delays_samples.min()), top)
    whole.set_ylabel("samples")
    per_ms = trip.rate_hz / 1000.0
    in_ms = whole.secondary_yaxis("right", functions=(lambda x: x / per_ms, lambda x: x * per_ms))
    in_ms.set_ylabel("ms")
    legend_above(whole)
    close.plot(seconds, trip.delays_samples - trip.samples, ".-", color="C0")
    for jump in trip.jumps:
        close.axvline(jump.at_s, color="C3", lw=0.8)
    close.set_ylabel(f"samples around {trip.samples:.2f}")
    close.set_xlabel("seconds")
    for axis in (whole, close):
        axis.grid(alpha=0.3)
    figure.suptitle(
        f"{trip.device}: {1000.0 * trip.samples / trip.rate_hz:.2f} ms at {trip.rate_hz} Hz, "
        f"blocks of {trip.block}, drift {trip.drift_ppm:.2f} ppm, "
        f"jitter {trip.jitter_samples:.3f} samples"
    )
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=100)
    plt.close(figure)
