"""DNSMOS P.835: predicted listener scores of speech, without a clean reference."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rtaudio.analysis.speech import METRICS_HZ, at_rate
from rtaudio.errors import MetricsError

__all__ = ["Dnsmos"]

WINDOW = 144_160
"""Input size of the model in samples at 16 kHz: 9.01 s."""

BATCH = 16
"""Windows per call of the model."""

# Polynomials from raw outputs to opinion scores, as published with the model; highest power first.
_CALIBRATION = {
    "sig": (-0.08397278, 1.22083953, 0.0052439),
    "bak": (-0.13166888, 1.60915514, -0.39604546),
    "ovr": (-0.06766283, 1.11546468, 0.04602535),
}


class Dnsmos:
    """The published DNSMOS model, from the user's own copy.

    Parameters
    ----------
    path
        ``sig_bak_ovr.onnx`` of the DNS Challenge (not the personalised model).

    Raises
    ------
    MetricsError
        The file is not an ONNX model, or it is another one.
    FileNotFoundError
        No such file.

    Notes
    -----
    C. Reddy, V. Gopal, R. Cutler, "DNSMOS P.835: a non-intrusive perceptual objective speech
    quality metric to evaluate noise suppressors", ICASSP 2022. The scores go from 1 to 5; clean
    recordings reach about 3.6 (speech), 4.1 (background) and 3.3 (overall). The model ignores
    everything above 8 kHz.

    Examples
    --------
    >>> dnsmos = Dnsmos("dnsmos/sig_bak_ovr.onnx")                  # doctest: +SKIP
    >>> dnsmos(noisy, 48000)                                        # doctest: +SKIP
    {'sig': 3.52, 'bak': 2.92, 'ovr': 2.66}
    """

    def __init__(self, path: str | Path) -> None:
        import onnxruntime

        path = Path(path)
        data = path.read_bytes()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"]
            )
        except Exception:  # ONNX Runtime has its own exception classes
            raise MetricsError(f"{path}: not an ONNX model, or damaged; get it again") from None
        inputs, outputs = session.get_inputs(), session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1 or inputs[0].shape[1:] != [WINDOW]:
            raise MetricsError(f"{path}: not the model sig_bak_ovr.onnx of DNSMOS P.835")
        self._session = session
        self._input = inputs[0].name

    def __call__(self, x: ArrayLike, rate_hz: int) -> dict[str, float]:
        """Return the opinion scores of a recording.

        Parameters
        ----------
        x
            Mono signal of at least one sample.
        rate_hz
            Its sample rate.

        Returns
        -------
        dict
            ``sig`` (quality of the speech), ``bak`` (of the background) and ``ovr`` (overall), each
            the mean over windows of 9.01 s that start every second.

        Raises
        ------
        MetricsError
            ``x`` is not mono, empty or not finite.
        """
        x = np.asarray(x, np.float64)
        if x.ndim != 1 or not x.size or not np.isfinite(x).all():
            raise MetricsError(
                "DNSMOS needs a mono signal of finite samples; mix down or repair it"
            )
        cut = cut_windows(at_rate(x, rate_hz, METRICS_HZ).astype(np.float32))
        raw = np.concatenate([self._run(cut[k : k + BATCH]) for k in range(0, len(cut), BATCH)])
        return {
            name: float(np.mean(np.polyval(powers, raw[:, column].astype(np.float64))))
            for column, (name, powers) in enumerate(_CALIBRATION.items())
        }

    def _run(self, batch: NDArray[np.float32]) -> NDArray[Any]:
        return np.asarray(self._session.run(None, {self._input: batch})[0])


def cut_windows(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cut a signal at 16 kHz into windows that start on each whole second.

    Parameters
    ----------
    x
        The signal ``[frames]``. If it is shorter than a window, it is doubled until it fills one,
        as in the script that was published with the model.

    Returns
    -------
    numpy.ndarray
        ``[windows, WINDOW]``: all full windows. The published script drops one or more of the last
        ones by rounding; for the 10 s recordings of the challenge both give one window.
    """
    if x.size < WINDOW:
        x = np.tile(x, 2 ** math.ceil(math.log2(WINDOW / x.size)))
    starts = range(0, x.size - WINDOW + 1, METRICS_HZ)
    return np.stack([x[start : start + WINDOW] for start in starts])
