"""PortAudio: every sound device of the system.

The stream is opened with sounddevice, which accepts the C function pointer of the compiled
callback. So the audio thread never enters the interpreter.
"""

from __future__ import annotations

import atexit
import contextlib
import threading
from dataclasses import dataclass
from typing import Any

from rtaudio.devices.answer import answered
from rtaudio.devices.jack import HOST_API, jack_period, whole_periods
from rtaudio.devices.renewal import listed_elsewhere, renew
from rtaudio.errors import DeviceError
from rtaudio.runtime.callback import callback
from rtaudio.runtime.engine import Engine

ANSWER_S = 10.0
"""Time in which the sound servers and drivers must say what devices there are."""

_COMMON_HZ = 48_000
_STOP_TIMEOUT_S = 2.0
_ABANDONED: list[Any] = []
"""Engines of drivers that hang. They may still be called, so their memory must not be freed."""


def _imported() -> Any:
    import sounddevice

    return sounddevice


def _sounddevice() -> Any:
    """Return the module, which asks all sound servers and drivers when it is first imported."""
    found = answered(_imported, ANSWER_S)
    if isinstance(found, OSError):
        raise DeviceError(
            "the PortAudio library is missing; install it (Debian: apt install libportaudio2)"
        ) from found
    if isinstance(found, Exception):
        raise found
    return found


@dataclass(frozen=True)
class DeviceInfo:
    """A device as PortAudio lists it.

    Attributes
    ----------
    index
        Its number.
    name, host_api
        Its name, and the system interface that offers it, such as ALSA or WASAPI.
    inputs, outputs
        Numbers of channels.
    rate_hz
        Default sample rate.
    low_latency_ms
        Smallest suggested latency of (input, output), in milliseconds.
    default_input, default_output
        Whether it is the default device of the system.
    """

    index: int
    name: str
    host_api: str
    inputs: int
    outputs: int
    rate_hz: float
    low_latency_ms: tuple[float, float]
    default_input: bool
    default_output: bool


def list_devices() -> list[DeviceInfo]:
    """Return the devices that PortAudio sees.

    Raises
    ------
    DeviceError
        The PortAudio library is missing, or a sound server does not answer.

    Examples
    --------
    >>> [device.name for device in list_devices() if device.outputs]        # doctest: +SKIP
    ['USB Audio', 'HDMI']
    """
    sd = _sounddevice()
    return _infos(sd.query_devices(), sd.query_hostapis(), sd.default.device)


def _infos(devices: Any, apis: Any, default: Any) -> list[DeviceInfo]:
    """Return devices as PortAudio describes them."""
    default_input, default_output = default
    if default_input < 0 and default_output < 0 and apis:
        default_input, default_output = (
            apis[0]["default_input_device"],
            apis[0]["default_output_device"],
        )
    return [
        DeviceInfo(
            index=index,
            name=device["name"],
            host_api=apis[device["hostapi"]]["name"],
            inputs=device["max_input_channels"],
            outputs=device["max_output_channels"],
            rate_hz=device["default_samplerate"],
            low_latency_ms=(
                1000 * device["default_low_input_latency"],
                1000 * device["default_low_output_latency"],
            ),
            default_input=index == default_input,
            default_output=index == default_output,
        )
        for index, device in enumerate(devices)
    ]


def find_device(
    wanted: str | int, devices: list[DeviceInfo] | None = None
) -> tuple[DeviceInfo | None, DeviceInfo | None]:
    """Find the input and the output device that a user means.

    Parameters
    ----------
    wanted
        An index, a name or a part of a name, in any case; or ``"default"``. A name may match two
        devices, one with inputs and one with outputs (as in WASAPI).
    devices
        The devices to choose from; None: those of the system.

    Returns
    -------
    source, sink : DeviceInfo or None
        The input device and the output device, often the same; None if there is none.

    Raises
    ------
    DeviceError
        No device matches, or several do.
    """
    devices = list_devices() if devices is None else devices
    if wanted == "default":
        source = next((d for d in devices if d.default_input and d.inputs), None)
        sink = next((d for d in devices if d.default_output and d.outputs), None)
        if source is None and sink is None:
            raise DeviceError("no sound device found; try --device clock, or see: rtaudio doctor")
        return source, sink
    if isinstance(wanted, int) or wanted.isdecimal():
        if not 0 <= int(wanted) < len(devices):
            raise DeviceError(f"there is no device {wanted}; see: rtaudio devices")
        device = devices[int(wanted)]
        return (device if device.inputs else None), (device if device.outputs else None)
    exact = [d for d in devices if d.name.lower() == wanted.lower()]
    matching = exact or [d for d in devices if wanted.lower() in f"{d.name} {d.host_api}".lower()]
    if not matching:
        raise DeviceError(f"no device is named like {wanted!r}; see: rtaudio devices")
    duplex = [d for d in matching if d.inputs and d.outputs]
    if len(duplex) == 1 or (duplex and exact):
        return duplex[0], duplex[0]
    sources = [d for d in matching if d.inputs]
    sinks = [d for d in matching if d.outputs]
    if len(sources) > 1 or len(sinks) > 1:
        names = ", ".join(f"{d.index} {d.name} ({d.host_api})" for d in matching[:4])
        raise DeviceError(f"{wanted!r} matches several devices: {names}; give the index")
    return (sources[0] if sources else None), (sinks[0] if sinks else None)


def _lasting_name(device: DeviceInfo) -> str:
    """Return the part of a name that stays when the device is plugged in again."""
    return device.name.partition(" (hw:")[0]


class PortAudioDevice:
    """A duplex, input-only or output-only stream that calls the compiled callback.

    Parameters
    ----------
    wanted
        ``"default"``, a name, a part of a name, or an index.
    inputs, outputs
        Device channels to use, counted from 1. None: the first input, the first two outputs; an
        empty list: none.
    wanted_output
        The device to play on; None: the one that ``wanted`` names.

    Raises
    ------
    DeviceError
        There is no such device, or it lacks a channel.
    """

    def __init__(
        self,
        wanted: str | int,
        inputs: list[int] | None,
        outputs: list[int] | None,
        wanted_output: str | int | None = None,
    ) -> None:
        self._wanted = (wanted, wanted_output)
        self._choose(inputs, outputs)
        # An index may be another device's when this one comes back, a name is not.
        sides = (self._source or self._sink, self._sink or self._source)
        self._wanted = tuple(  # type: ignore[assignment]
            _lasting_name(side)
            if side and (isinstance(word, int) or str(word).isdecimal())
            else word
            for word, side in zip(self._wanted, sides, strict=True)
        )
        self._stream: Any = None
        self._stale = False  # the library has lost a stream
        self._engine: Engine | None = None

    def _choose(self, inputs: list[int] | None, outputs: list[int] | None) -> None:
        """Find the devices, and check that they have the channels."""
        wanted, wanted_output = self._wanted
        source, sink = find_device(wanted)
        two_devices = wanted_output is not None
        if wanted_output is not None:
            sink = find_device(wanted_output)[1]
        if sink is None and outputs != []:
            missing = wanted_output if two_devices else wanted
            raise DeviceError(f"device {missing!r} has no outputs; see: rtaudio devices")
        needs_input = bool(inputs) or (inputs is None and (two_devices or outputs == []))
        if source is None and needs_input:
            raise DeviceError(f"device {wanted!r} has no inputs; see: rtaudio devices")
        if inputs == [] and outputs == []:
            raise DeviceError(f"device {wanted!r}: neither inputs nor outputs are wanted")
        self.inputs = ([1] if source else []) if inputs is None else inputs
        sink_channels = sink.outputs if sink else 0
        self.outputs = list(range(1, min(2, sink_channels) + 1)) if outputs is None else outputs
        for device, channels, count in (
            (source, self.inputs, source.inputs if source else 0),
            (sink, self.outputs, sink_channels),
        ):
            for channel in channels:
                if not 1 <= channel <= count:
                    assert device is not None
                    raise DeviceError(
                        f"device {device.name!r} has no channel {channel}; it has {count}"
                    )
        self._source = source if self.inputs else None
        self._sink = sink if self.outputs else None
        names = [device.name for device in (self._source, self._sink) if device]
        self.name = " to ".join(names) if two_devices else names[-1]
        self.latency_ms = (0.0, 0.0)

    def own_rate_hz(self) -> int:
        """Return the rate at which the device runs by itself.

        ALSA's devices have no such rate, whatever PortAudio says: they run at 48 kHz if they can.
        """
        device = self._sink or self._source
        channels = self.outputs if self._sink else self.inputs
        assert device is not None
        if device.host_api == "ALSA":
            sd = _sounddevice()
            check = sd.check_output_settings if self._sink else sd.check_input_settings
            with contextlib.suppress(sd.PortAudioError):
                check(device.index, max(channels), "float32", samplerate=_COMMON_HZ)
                return _COMMON_HZ
        return round(device.rate_hz)

    def suited_block(self, block: int) -> int:
        """Return the block size that the device can call with: the wanted one, or more.

        A JACK server calls once per period. PortAudio would split a period into shorter blocks,
        which all come at once: their deadlines and latency would not be those of the block.
        """
        if not any(d and d.host_api.startswith(HOST_API) for d in (self._source, self._sink)):
            return block
        period = jack_period()
        return block if period is None else whole_periods(block, period)

    def start(self, engine: Engine) -> None:
        """Open the stream at the engine's rate and block size, and start it."""
        import cffi

        self._engine = engine
        sd = _sounddevice()
        ffi = cffi.FFI()
        width_in = max(self.inputs, default=0)
        width_out = max(self.outputs, default=0)
        engine.connect(
            [c - 1 for c in self.inputs], width_in, [c - 1 for c in self.outputs], width_out
        )
        sides = [
            (device.index, width)
            for device, width in ((self._source, width_in), (self._sink, width_out))
            if device
        ]
        duplex = len(sides) == 2
        device_index, width = zip(*sides, strict=True) if duplex else sides[0]
        try:
            self._stream = sd._StreamBase(
                "duplex" if duplex else "output" if self._sink else "input",
                samplerate=engine.rate_hz,
                blocksize=engine.block,
                device=device_index,
                channels=width,
                dtype="float32",
                latency="low",
                callback=ffi.cast("void *", callback.address),
                userdata=ffi.cast("void *", engine.address),
                wrap_callback=None,
            )
            self._stream.start()
        except (sd.PortAudioError, ValueError) as error:
            self.stop()
            reason = str(error).splitlines()[0].removeprefix("Error opening Stream: ")
            reason = reason.partition(" [PaErrorCode")[0]
            settings = f"{engine.rate_hz} Hz, blocks of {engine.block}"
            own_hz = round(sd.query_devices(sides[-1][0])["default_samplerate"])
            remedy = f"; it runs at {own_hz} Hz" if own_hz != engine.rate_hz else ""
            text = f"cannot open {self.name!r} at {settings}: {reason}{remedy}"
            raise DeviceError(text) from error
        latency = self._stream.latency
        pair = latency if duplex else (0.0, latency) if self._sink else (latency, 0.0)
        self.latency_ms = (1000 * pair[0], 1000 * pair[1])

    def reopen(self) -> None:
        """Find and start the device again, with the engine of the last `start`.

        Raises
        ------
        DeviceError
            It is still absent, or refuses.
        """
        assert self._engine is not None
        self._stale = self._stale or self._stream is not None
        self.stop()
        seen = _infos(*listed_elsewhere())
        for wanted in {self._wanted[0], self._wanted[1] or self._wanted[0]}:
            find_device(wanted, seen)
        if self._stale or seen != list_devices():
            renew(_sounddevice())
            self._stale = False
        self._choose(self.inputs, self.outputs)
        self._engine.pause()
        self.start(self._engine)

    def stop(self) -> None:
        """Stop and close the stream. Give up after two seconds if the driver hangs.

        The stream of a JACK server that has gone is left alone: PortAudio aborts the process when
        it cannot close one.
        """
        gone = not self.active and any(
            device and device.host_api.startswith("JACK") for device in (self._source, self._sink)
        )
        stream, self._stream = self._stream, None
        if stream is None:
            return
        if gone:
            self._abandon()
            return

        def close() -> None:
            try:
                stream.abort(ignore_errors=True)
                stream.close(ignore_errors=True)
            except Exception:  # a lost device may fail in any way, and there is nothing to save
                return

        closer = threading.Thread(target=close, name="close device", daemon=True)
        closer.start()
        closer.join(_STOP_TIMEOUT_S)
        if closer.is_alive():
            self._abandon()

    def _abandon(self) -> None:
        """Leave a stream that cannot be closed."""
        # At exit sounddevice would terminate PortAudio, which would wait for the driver again.
        atexit.unregister(_sounddevice()._exit_handler)
        _ABANDONED.append(self._engine)

    @property
    def active(self) -> bool:
        """Whether PortAudio says that the stream runs."""
        try:
            return self._stream is not None and bool(self._stream.active)
        except Exception:
            return False
