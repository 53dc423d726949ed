"""A recording of gear: a dry signal and its wet one, aligned and checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rtaudio.capture.align import Alignment, Arrival, align, remove_latency
from rtaudio.capture.checks import AlignedTake, Finding, check
from rtaudio.capture.note import FORMAT
from rtaudio.capture.signal import Range, recognise
from rtaudio.errors import CaptureError
from rtaudio.runtime.memory import Floats

LONGER_S = 10.0
"""A wet file may be longer than the dry one by this: the gear rings on."""

SHORTER_S = 1.0
"""A wet file may be shorter by this."""

_VALIDATION_S = 15.0
_GAP_S = 0.5


@dataclass(frozen=True)
class Recording:
    """A recording of gear, ready to learn from.

    Attributes
    ----------
    take
        The signals and their alignment. If the gear inverts, ``take.aligned`` stays inverted.
    latency_samples
        The latency that was removed from the wet signal.
    findings
        The results of the checks.
    train, validation
        Ranges of samples to train on and to validate with; they do not overlap.
    input_dbu, output_dbu
        Level in dBu of a 0 dBFS sine at the input and at the output of the gear, if known.
    knobs
        Settings of the gear's knobs, by name.
    """

    take: AlignedTake
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
            The played signal and the recording, mono float32 ``[frames]``.
        rate_hz
            Their sample rate.
        latency_samples
            By how many samples ``wet`` is late; None: measure it.
        input_dbu, output_dbu, knobs
            As in the attributes.

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
                f"{dry.size} and {wet.size}; give a smaller one, or let it be measured"
            )
        signal = recognise(dry, rate_hz)
        if min(dry.size, wet.size) < 256 or not (dry.any() and wet.any()):
            alignment = Alignment(Arrival(0.0, 1, 0.0), 0.0, 0.0)
        else:
            alignment = align(dry, wet, rate_hz, signal)
        given = latency_samples is not None
        latency = alignment.arrival.latency_samples if latency_samples is None else latency_samples
        aligned = remove_latency(wet, latency, dry.size)
        take = AlignedTake(dry[: aligned.size], wet, aligned, rate_hz, alignment, signal)
        findings = check(take, given_latency=given)
        if signal is not None:
            train, validation = signal.training, signal.sections["take"]
        else:
            train, validation = _split(aligned.size, rate_hz)
        return cls(
            take, latency, findings, [train], [validation], input_dbu, output_dbu, knobs or {}
        )

    @property
    def refusal(self) -> str | None:
        """Why a model must not learn from it, in one line; None if it may."""
        refused = [finding.text for finding in self.findings if finding.severity == "refused"]
        return "; ".join(refused) or None

    def as_json(self) -> dict[str, Any]:
        """Return the content of ``capture.json``."""
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
    """Check that two files can belong together.

    Parameters
    ----------
    dry, wet
        The signals ``[frames]``.
    rate_hz
        Their sample rate.

    Raises
    ------
    CaptureError
        ``wet`` is more than 10 s longer, or more than 1 s shorter.
    """
    longer_s = (wet.size - dry.size) / rate_hz
    if not -SHORTER_S <= longer_s <= LONGER_S:
        raise CaptureError(
            f"the wet file is {abs(longer_s):.1f} s {'longer' if longer_s > 0 else 'shorter'} than "
            "the dry one; export both with the same start and length (to go on: --force)"
        )


def _split(frames: int, rate_hz: int) -> tuple[Range, Range]:
    """Split a signal other than the test signal: the end, 15 s or a fifth, is for validation."""
    held = min(round(_VALIDATION_S * rate_hz), frames // 5)
    gap = min(round(_GAP_S * rate_hz), held // 4)
    return (0, frames - held - gap), (frames - held, frames)


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(float(value), 6)
