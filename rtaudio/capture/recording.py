"""The recording of gear: dry and wet signals that belong together, judged, and their folder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rtaudio.capture.align import Alignment, Arrival, align, aligned
from rtaudio.capture.checks import Finding, Take, check
from rtaudio.capture.note import FORMAT
from rtaudio.capture.signal import Range, recognised
from rtaudio.errors import CaptureError
from rtaudio.runtime.memory import Floats

LONGER_S = 10.0
SHORTER_S = 1.0
_VALIDATION_S = 15.0
_GAP_S = 0.5


@dataclass(frozen=True)
class Recording:
    """A recording of gear, ready to learn from.

    Attributes
    ----------
    take
        The two signals, their alignment and the test signal if there is one. ``take.aligned`` is
        of the polarity measured: a gear that inverts stays so.
    latency_samples
        What has been taken away from the wet signal.
    findings
        What the checks found.
    train, validation
        Ranges of samples to learn from, and to be judged by; they do not overlap.
    input_dbu, output_dbu
        Level in dBu of a sine of 0 dBFS at the input of the gear and at its output, if known.
    knobs
        How the gear was set.
    """

    take: Take
    latency_samples: int
    findings: list[Finding]
    train: list[Range]
    validation: list[Range]
    input_dbu: float | None = None
    output_dbu: float | None = None
    knobs: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        dry: Floats,
        wet: Floats,
        rate_hz: int,
        *,
        latency_samples: int | None = None,
        input_dbu: float | None = None,
        output_dbu: float | None = None,
        knobs: Mapping[str, float] | None = None,
    ) -> Recording:
        """Align two recordings and check them.

        Parameters
        ----------
        dry, wet
            Mono float32 ``[frames]``: what was played, and what came back.
        rate_hz
            Their sample rate.
        latency_samples
            By how much ``wet`` lags, if it is known; else it is found.
        input_dbu, output_dbu, knobs
            As above.

        Raises
        ------
        CaptureError
            ``latency_samples`` is longer than a recording.

        Examples
        --------
        >>> import numpy as np
        >>> from rtaudio.capture.signal import capture_signal
        >>> dry = capture_signal(8000).audio
        >>> wet = np.concatenate([np.zeros(37, np.float32), np.tanh(3.0 * dry)])
        >>> recording = Recording.of(dry, wet, 8000)
        >>> recording.latency_samples, recording.refusal
        (37, None)
        """
        if latency_samples is not None and abs(latency_samples) >= min(dry.size, wet.size):
            raise CaptureError(
                f"a latency of {latency_samples} samples leaves nothing of recordings of "
                f"{dry.size} and {wet.size}; give a smaller one, or let it be found"
            )
        signal = recognised(dry, rate_hz)
        if min(dry.size, wet.size) < 256 or not (dry.any() and wet.any()):
            alignment = Alignment(Arrival(0.0, 1, 0.0), 0.0, 0.0)
        else:
            alignment = align(dry, wet, rate_hz, signal)
        found = alignment.arrival.latency_samples if latency_samples is None else latency_samples
        late = aligned(wet, found, dry.size)
        dry = dry[: late.size]
        take = Take(dry, wet, late, rate_hz, alignment, signal)
        findings = check(take, latency_samples is not None)
        if signal is not None:
            train, validation = signal.training, signal.sections["take"]
        else:
            train, validation = _split(dry.size, rate_hz)
        return cls(take, found, findings, [train], [validation], input_dbu, output_dbu, knobs or {})

    @property
    def refusal(self) -> str | None:
        """Why it should not be learnt from, in one line, or None."""
        refused = [finding.text for finding in self.findings if finding.severity == "refused"]
        return "; ".join(refused) or None

    def as_json(self) -> dict[str, Any]:
        """Return what ``capture.json`` holds."""
        return {
            "format": FORMAT,
            "sample_rate": self.take.rate_hz,
            "latency_samples": self.latency_samples,
            "polarity": self.take.alignment.arrival.polarity,
            "input_dbu": self.input_dbu,
            "output_dbu": self.output_dbu,
            "knobs": dict(self.knobs),
            "train": [list(part) for part in self.train],
            "validation": [list(part) for part in self.validation],
            "checks": {
                finding.check: {
                    "severity": finding.severity,
                    "text": finding.text,
                    "value": _finite(finding.value),
                }
                for finding in self.findings
            },
        }


def check_lengths(dry: Floats, wet: Floats, rate_hz: int) -> None:
    """Refuse recordings that cannot be of the same playing; what rings on behind it is cut.

    Raises
    ------
    CaptureError
        The wet one is more than 10 s longer, or more than 1 s shorter.
    """
    longer_s = (wet.size - dry.size) / rate_hz
    if not -SHORTER_S <= longer_s <= LONGER_S:
        raise CaptureError(
            f"the wet file is {abs(longer_s):.1f} s {'longer' if longer_s > 0 else 'shorter'} than "
            "the dry one; export both with the same start and length (--force goes on)"
        )


def _split(frames: int, rate_hz: int) -> tuple[Range, Range]:
    """Keep the last part of any other signal for validation: 15 s, or a fifth if that is less."""
    held = min(round(_VALIDATION_S * rate_hz), frames // 5)
    gap = min(round(_GAP_S * rate_hz), held // 4)
    return (0, frames - held - gap), (frames - held, frames)


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(float(value), 6)
