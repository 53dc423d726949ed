"""Cabinet: the sound of a loudspeaker and its microphone, from an impulse response."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, TypeVar, Unpack

import numpy as np
import soundfile
from numpy.typing import ArrayLike
from pydantic import Field, PrivateAttr

from rtaudio.audio.samples import samples
from rtaudio.effects.base import Common, Effect, parameter
from rtaudio.errors import AudioFileError
from rtaudio.runtime.abi import Bus
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.kernels.convolver import convolver_node
from rtaudio.runtime.kernels.gain import gain_node
from rtaudio.runtime.slots import Slots

LONGEST_S = 2.0

Response = np.ndarray[Any, np.dtype[np.float64]]


class _CabinetOptions(Common, total=False):
    gain_db: float


class Cabinet(Effect):
    """Convolve with an impulse response, without latency.

    A mono response serves any number of channels; a stereo response makes stereo out of mono. The
    response is resampled to the rate of the chain, and scaled so that changing the cabinet does not
    change the loudness: its mean power over a pink spectrum from 80 Hz to 8 kHz is 1.

    Parameters
    ----------
    file
        A sound file of one or two channels, at any rate, up to 2 s long.
    gain_db
        Level after the convolution, -40 .. 24 dB; a change is a 20 ms ramp.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    AudioFileError
        The file is not a sound file, is empty, silent or too long, has more than two channels, or
        contains NaN or Inf.

    See Also
    --------
    Cabinet.from_array : a response that is not in a file

    Examples
    --------
    >>> wire = Cabinet.from_array(np.array([0.5]), 48000)
    >>> wire(np.ones(4, np.float32), 48000)
    array([1., 1., 1., 1.], dtype=float32)
    """

    file: str = Field("", description="path of the impulse response")
    gain_db: float = parameter(0.0, -40.0, 24.0, "dB", "level after the convolution")

    _given: tuple[Response, int] | None = PrivateAttr(None)

    def __init__(self, file: str | Path, **options: Unpack[_CabinetOptions]) -> None:
        super().__init__(file=str(file) if isinstance(file, Path) else file, **options)
        read_response(self.file)

    @classmethod
    def from_array(
        cls, response: ArrayLike, rate_hz: int, **options: Unpack[_CabinetOptions]
    ) -> Self:
        """Return a cabinet with a response that is not in a file.

        Parameters
        ----------
        response
            ``[taps]`` or ``[channels, taps]``.
        rate_hz
            Its sample rate.
        **options
            As for :class:`Cabinet`.
        """
        taps = samples(response, "the response").astype(np.float64)
        return _with_response(cls, checked(taps, rate_hz, "the response"), options)

    def __eq__(self, other: object) -> bool:
        if not super().__eq__(other) or not isinstance(other, Cabinet):
            return False
        own, its = self._given, other._given
        if own is None or its is None:
            return own is its
        return own[1] == its[1] and np.array_equal(own[0], its[0])

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        if self._given is None:
            return super().__reduce__()
        return _with_response, (type(self), self._given, dict(self.__dict__))

    def __repr__(self) -> str:
        if self._given is None:
            return super().__repr__()
        response, rate_hz = self._given
        return f"Cabinet.from_array(<{response.shape[1]} taps>, {rate_hz})"

    def build(self, builder: Builder, x: Bus, slots: Slots) -> Bus:
        """Append the convolution, then the gain."""
        response, rate_hz = self._given or read_response(self.file)
        response = normalized(resampled(response, rate_hz, builder.rate_hz), builder.rate_hz)
        x = builder.adapt(x, max(x.channels, len(response)))
        y = builder.run(convolver_node(response, x.channels), x)
        return builder.run(gain_node(slots.slot("gain_db"), builder.rate_hz), y)


C = TypeVar("C", bound=Cabinet)


def _with_response(cls: type[C], given: tuple[Response, int], fields: Mapping[str, Any]) -> C:
    """Make a cabinet without a file; copies and pickles come here, too."""
    cabinet = cls.__new__(cls)
    Effect.__init__(cabinet, **fields)
    cabinet._given = given
    return cabinet


def read_response(file: str) -> tuple[Response, int]:
    """Read an impulse response: ``[channels, taps]`` and its rate in Hz."""
    if not Path(file).is_file():
        raise FileNotFoundError(f"{file}: no such file; name an impulse response (.wav)")
    try:
        with soundfile.SoundFile(file) as sound:
            # Checked before reading: a long recording may not even fit into memory.
            check_size(sound.channels, sound.frames, sound.samplerate, file)
            response = sound.read(dtype="float64", always_2d=True).T
            rate_hz = sound.samplerate
    except (soundfile.SoundFileError, TypeError):
        raise AudioFileError(
            f"{file}: not a sound file that can be read; export it as wav"
        ) from None
    return checked(response, rate_hz, file)


def check_size(channels: int, taps: int, rate_hz: int, what: str) -> None:
    """Refuse a response of a wrong size.

    Parameters
    ----------
    channels, taps, rate_hz
        Its size and sample rate.
    what
        Its name, for the message.

    Raises
    ------
    AudioFileError
        It has more than two channels, is empty or too long.
    """
    if channels > 2:
        raise AudioFileError(f"{what}: has {channels} channels; make it mono or stereo")
    if taps == 0:
        raise AudioFileError(f"{what}: is empty (0 samples); export it again")
    if taps > LONGEST_S * rate_hz:
        seconds = taps / rate_hz
        raise AudioFileError(f"{what}: is {seconds:.2f} s long; cut it to {LONGEST_S:g} s or less")


def checked(response: Response, rate_hz: int, what: str) -> tuple[Response, int]:
    """Return a response that can be played, and its rate.

    Parameters
    ----------
    response
        ``[channels, taps]``.
    rate_hz
        Its sample rate.
    what
        Its name, for the message.

    Raises
    ------
    AudioFileError
        It cannot be played.
    """
    check_size(len(response), response.shape[1], rate_hz, what)
    if not np.isfinite(response).all():
        raise AudioFileError(f"{what}: contains NaN or Inf; export it again")
    if np.max(np.abs(response)) < 1e-9:
        raise AudioFileError(f"{what}: is silent; choose another response")
    return response, rate_hz


def resampled(response: Response, from_hz: int, to_hz: int) -> Response:
    """Return a response at another rate, with the same spectrum up to the lower Nyquist frequency.

    The spectrum is cut by a raised cosine over its last tenth, which keeps the ringing short. The
    ringing before the start is dropped: it would cost latency.

    Parameters
    ----------
    response
        ``[channels, taps]``.
    from_hz, to_hz
        Its sample rate, and that of the result.
    """
    if from_hz == to_hz:
        return response
    unit = from_hz // math.gcd(from_hz, to_hz)
    size = unit * -(-(response.shape[1] + 1024) // unit)
    new_size = size * to_hz // from_hz
    spectrum = np.fft.rfft(response, size)[:, : min(size, new_size) // 2 + 1]
    edge = np.linspace(0.0, 10.0, spectrum.shape[1]).clip(9.0) - 9.0
    wide = np.fft.irfft(spectrum * np.cos(edge * np.pi / 2) ** 2, new_size)
    return wide[:, : -(-response.shape[1] * to_hz // from_hz)]


def normalized(response: Response, rate_hz: int) -> Response:
    """Return a response scaled to a mean power of 1 over a pink spectrum, 80 Hz to 8 kHz.

    Parameters
    ----------
    response
        ``[channels, taps]``.
    rate_hz
        Its sample rate.
    """
    size = max(response.shape[1], rate_hz // 4)
    frequency = np.fft.rfftfreq(size, 1.0 / rate_hz)
    heard = (frequency >= 80.0) & (frequency <= 8000.0)
    power = np.mean(np.abs(np.fft.rfft(response, size)[:, heard]) ** 2, axis=0)
    loudness = np.average(power, weights=1.0 / frequency[heard])
    return response / math.sqrt(loudness)
