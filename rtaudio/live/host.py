"""The host: an effect or chain on a device, live."""

from __future__ import annotations

import atexit
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, cast

import numpy as np
from numpy.typing import ArrayLike

from rtaudio.analysis.percentiles import Percentiles
from rtaudio.analysis.tuner import A4_HZ, LISTEN_S, Tuning, read_tuning
from rtaudio.audio.samples import samples
from rtaudio.devices.device import Device
from rtaudio.effects.base import Effect, refusals
from rtaudio.errors import AudioError, DeviceError, ParameterError, RtaudioError
from rtaudio.live.feeder import Feeder, Source
from rtaudio.live.meters import Meters
from rtaudio.live.reading import Reading
from rtaudio.live.recorder import Recorder
from rtaudio.live.revival import Revival
from rtaudio.live.stats import LiveParameter, Stats
from rtaudio.runtime.callback import FADE_MS, XRUNS
from rtaudio.runtime.decibels import from_db, to_db
from rtaudio.runtime.engine import Engine
from rtaudio.runtime.memory import Floats
from rtaudio.runtime.program import Program
from rtaudio.runtime.slots import COMMON
from rtaudio.runtime.statistics import histogram_values_ns
from rtaudio.runtime.tap import Tap

_SOURCE_HZ = 48_000
_LOST_SECONDS = 2.0
_POLL_S = 0.002


class Host:
    """Plays an effect or chain on a device until it is stopped.

    Parameters
    ----------
    effect
        The effect or chain to play.
    device
        ``"default"``, a PortAudio device by name, part of its name or index, or ``"clock"``: the
        virtual clock, which calls the same callback at the exact block period without hardware.
    out_device
        Another device to play on; ``device`` is then only recorded from.
    rate_hz
        Sample rate in Hz. None: the device's own; 48000 on the clock, and with a ``source``.
    block
        Frames per block. A JACK server calls once per period: there the block becomes a whole
        number of periods, see :attr:`remark`.
    in_channels, out_channels
        Device channels, counted from 1; None: the first input (or as many as ``source`` has), and
        the first two outputs. On the clock their number counts. With ``out_channels=[]`` nothing is
        played; :meth:`output` and ``record`` have the sound.
    source
        Sound to play in place of the device's input: an array ``[frames]`` or
        ``[channels, frames]`` at ``rate_hz``, an iterator over such arrays, or a function
        ``source(frames)`` that returns one, or None at its end. Iterator and function are called in
        a thread of their own, at least 20 ms ahead; they give as many channels as ``in_channels``
        has, or one. ``finished`` becomes true when the sound has been played.
    reconnect
        Called with a line when the device is lost, and with another when it plays again: the host
        waits for it, with all its settings. None: the loss ends the run, see :attr:`error`.
    record
        A file to write the output to; it appears when the host stops.

    Raises
    ------
    DeviceError
        The device is absent, busy or refuses the settings.

    Examples
    --------
    >>> with Host(load_preset("crunch"), device="clock", block=64) as host:
    ...     host.set("amp.mix", 0.8)
    ...     host.wait(1.0)
    ...     stats = host.stats()
    """

    def __init__(
        self,
        effect: Effect,
        device: str | int = "default",
        rate_hz: int | None = None,
        block: int = 64,
        *,
        out_device: str | int | None = None,
        in_channels: list[int] | None = None,
        out_channels: list[int] | None = None,
        source: ArrayLike | Source | None = None,
        record: str | Path | None = None,
        reconnect: Callable[[str], None] | None = None,
    ) -> None:
        fed = callable(source) or isinstance(source, Iterator)
        audio = None
        if source is not None and not fed:
            audio = samples(cast(ArrayLike, source), "the source")
            if audio.size == 0:
                raise AudioError("the source has no audio")
        self._device: Device
        if device == "clock":
            if out_device is not None:
                raise DeviceError(f"the virtual clock plays on no other device: {out_device!r}")
            from rtaudio.devices.clock import ClockDevice

            self._device = ClockDevice()
            default_inputs = 1 if in_channels is None else len(in_channels)
            outputs: int | None = None if out_channels is None else len(out_channels)
        else:
            from rtaudio.devices.portaudio import PortAudioDevice

            # A stream needs a channel: with nothing to play, the input gives the time.
            inputs_wanted = in_channels if source is None or out_channels == [] else []
            chosen = PortAudioDevice(device, inputs_wanted, out_channels, out_device)
            self._device = chosen
            default_inputs, outputs = max(1, len(chosen.inputs)), len(chosen.outputs)
            if fed and in_channels is not None:
                default_inputs = len(in_channels)
        if rate_hz is None:
            rate_hz = _SOURCE_HZ if source is not None else self._device.own_rate_hz()
        inputs = default_inputs if audio is None else audio.shape[0]
        self._wanted_block, block = block, self._device.suited_block(block)
        self.rate_hz, self.block = rate_hz, block
        self._effect = effect
        program = effect.compile(rate_hz, block, in_channels=inputs, out_channels=outputs or None)
        with refusals():
            self._engine = Engine(rate_hz, block, inputs, program.out_channels)
        self._source_frames: int | None = None
        if audio is not None:
            self._engine.play_source(audio)
            self._source_frames = audio.shape[1]
        self._feeder = Feeder(self._engine, cast(Source, source)) if fed else None
        self._recorder = (
            Recorder(self._engine, Path(record), rate_hz) if record is not None else None
        )
        self._program = program
        self._meters = Meters(self._engine)
        self._state: Literal["new", "playing", "stopped"] = "new"
        self._error: str | None = None
        self._progress = (0, 0.0)
        self._reconnect = reconnect
        self._revival: Revival | None = None
        self._lock = threading.RLock()

    @property
    def device_name(self) -> str:
        """Name of the device that plays."""
        return self._device.name

    @property
    def remark(self) -> str:
        """What the device made different from what was asked for, in one line; else empty."""
        if self.block == self._wanted_block:
            return ""
        return (
            f"the sound server calls in whole periods: blocks of {self.block} frames in place of "
            f"{self._wanted_block}; set a shorter period in the server for less latency"
        )

    @property
    def recording(self) -> bool:
        """Whether the output is written to the file that it was made with."""
        return self._recorder is not None

    @property
    def source_waiting(self) -> int:
        """Frames that an iterator or function as source has given, and that wait to be played."""
        return self._engine.source_waiting if self._feeder else 0

    @property
    def out_channels(self) -> int:
        """Number of output channels."""
        return self._engine.out_channels

    def start(self) -> Host:
        """Open the device and fade in.

        Raises
        ------
        DeviceError
            The device is busy or refuses the settings.
        RtaudioError
            The host has been stopped; a host plays once.
        """
        with self._lock:
            self._check_open()
            if self._state == "playing":
                return self
            try:
                if self._recorder is not None:
                    self._recorder.start()
                self._engine.mute(self.muted, at_once=True)
                if self._feeder is not None:
                    self._feeder.start()
                self._engine.publish(self._program)
                self._device.start(self._engine)
            except BaseException:
                self._state = "stopped"
                self._device.stop()
                self._engine.close()
                if self._feeder is not None:
                    self._feeder.stop()
                if self._recorder is not None:
                    self._recorder.discard()
                raise
            self._state = "playing"
            self._progress = (0, time.monotonic())
            # Until it is stopped, the audio thread works in this object's memory.
            atexit.register(self.stop)
        return self

    def stop(self) -> None:
        """Fade out, stop the device and finish the record. Safe to call twice.

        Raises
        ------
        OSError
            The record could not be written.
        AudioError
            The iterator or function of ``source`` failed.
        """
        with self._lock:
            if self._state != "playing":
                return
            self._state = "stopped"
            atexit.unregister(self.stop)
            try:
                period_s = self.block / self.rate_hz
                fade_s = (FADE_MS / 1000 + self._program.latency_samples / self.rate_hz) * 2
                lost = self._error is not None or self._revival is not None
                if self._revival is not None:
                    self._revival.stop()
                self._engine.fade_out(0.0 if lost else max(1.0, fade_s + 3 * period_s))
            finally:
                try:
                    self._device.stop()
                finally:
                    self._engine.close()
                    if self._feeder is not None:
                        self._feeder.stop()
                    if self._recorder is not None:
                        self._recorder.finish()
            failure = None if self._feeder is None else self._feeder.failure
            if failure is not None:
                raise AudioError(f"the source failed: {failure}") from failure

    def _check_open(self) -> None:
        if self._state == "stopped":
            raise RtaudioError("this host has been stopped; make a new one")

    def get(self, target: str) -> float:
        """Return a parameter of the playing chain, in natural units.

        Parameters
        ----------
        target
            ``"effect.parameter"``, such as ``"amp.gain_db"``.

        Raises
        ------
        ParameterError
            No such effect or parameter.
        RtaudioError
            The host has been stopped.
        """
        with self._lock, refusals():
            self._check_open()
            return _shown(self._program.get(target))

    def set(self, target: str, value: float | bool) -> None:
        """Change a parameter of the playing chain; the audio thread ramps to it.

        Parameters
        ----------
        target
            ``"effect.parameter"``, such as ``"amp.gain_db"``.
        value
            In natural units.

        Raises
        ------
        ParameterError
            No such effect or parameter, or the value is out of range.
        RtaudioError
            The host has been stopped.
        """
        with self._lock, refusals():
            self._check_open()
            self._program.set(target, value)

    def parameters(self, *, common: bool = False) -> dict[str, LiveParameter]:
        """Return the parameters that :meth:`set` can change, by ``effect.parameter``.

        Parameters
        ----------
        common
            Also those that each effect has: ``<effect>.mix`` and ``<effect>.bypass``.

        Raises
        ------
        RtaudioError
            The host has been stopped.
        """
        with self._lock:
            self._check_open()
            return {
                name: LiveParameter(_shown(control.value), *control.range, control.default)
                for name, control in self._program.plan.controls.items()
                if common or control.parameter not in COMMON
            }

    def values(self) -> dict[str, float]:
        """Return the value of everything that :meth:`set` can change, by ``effect.parameter``."""
        with self._lock:
            controls = self._program.plan.controls.items()
            return {name: _shown(control.value) for name, control in controls}

    def effects(self) -> dict[str, Effect]:
        """Return all effects that play, those inside others too, by the names :meth:`set` knows."""
        with self._lock:
            controls = self._program.plan.controls.values()
            return {control.effect: cast(Effect, control.owner) for control in controls}

    def recall(self, values: Mapping[str, float]) -> None:
        """Cross-fade to other settings of what plays, as :meth:`swap` does.

        Parameters
        ----------
        values
            From :meth:`values`, or a part of it.

        Raises
        ------
        RtaudioError
            There is no such parameter, or the host has been stopped.
        """
        with self._lock:
            controls = self._program.plan.controls
            unknown = next((name for name in values if name not in controls), None)
            if unknown is not None:
                raise ParameterError(f"{unknown!r}: nothing that plays has this parameter")
            for name, value in values.items():
                controls[name].owner.set_live(controls[name].parameter, value)
            self.swap(self._effect)

    @property
    def effect(self) -> Effect:
        """The effect or chain that plays; what :meth:`set` changes is changed in it, too."""
        return self._effect

    @property
    def chain_name(self) -> str:
        """Name of the root effect, for :meth:`set`."""
        return self._program.plan.effects[0]

    @property
    def muted(self) -> bool:
        """Whether the output is muted; a change is a ramp of 20 ms."""
        return self._engine.muted

    @muted.setter
    def muted(self, muted: bool) -> None:
        self._check_open()
        self._engine.mute(muted)

    @property
    def latency_parts(self) -> dict[str, int]:
        """How many samples of latency each effect adds."""
        with self._lock:
            return dict(self._program.plan.latency_parts)

    @property
    def in_channels(self) -> int:
        """Number of input channels."""
        return self._engine.in_channels

    @property
    def trim_db(self) -> float:
        """Gain of the output after the chain, -120 .. 0; a change is a ramp of at most 20 ms.

        Raises
        ------
        ParameterError
            The gain is out of range.
        RtaudioError
            The host has been stopped.
        """
        return to_db(self._engine.trim)

    @trim_db.setter
    def trim_db(self, trim_db: float) -> None:
        self._check_open()
        if not -120.0 <= trim_db <= 0.0:
            raise ParameterError(f"trim_db = {trim_db:g} is out of range -120 .. 0 dB")
        self._engine.trim = from_db(trim_db)

    def prepare(self, effect: Effect) -> Program:
        """Build what plays an effect or chain here, for a later :meth:`swap` without a wait.

        Raises
        ------
        RtaudioError
            It cannot be built at this rate.
        """
        return effect.compile(
            self.rate_hz,
            self.block,
            in_channels=self._engine.in_channels,
            out_channels=self._engine.out_channels,
        )

    def swap(self, effect: Effect, program: Program | None = None) -> None:
        """Cross-fade to another effect or chain; the sound goes on without a gap.

        The new program is built beside the playing one, which costs the audio thread nothing. Then
        both play for 50 ms (plus the latency of the new one) while one fades into the other. If the
        new one cannot be built, the old one plays on.

        Parameters
        ----------
        effect
            The effect or chain.
        program
            From :meth:`prepare` of this host, for this effect; it plays only once. None: it is
            built now.

        Raises
        ------
        RtaudioError
            The new one cannot be built at this rate, the program was prepared by a host of another
            rate, block or number of channels, or the host has been stopped.
        """
        if program is None:
            program = self.prepare(effect)
        elif not self._fits(program):
            raise RtaudioError("this program was prepared by another host; prepare it anew")
        with self._lock:
            self._check_open()
            if self._state == "playing":
                deadline = time.monotonic() + 1.0
                while not self._engine.settled and time.monotonic() < deadline:
                    time.sleep(0.002)
                self._engine.publish(program)
            self._program, self._effect = program, effect

    def _fits(self, program: Program) -> bool:
        """Say whether a program plays here; one of other sizes would write anywhere."""
        own = self.rate_hz, self.block, self._engine.in_channels, self._engine.out_channels
        plan = program.plan
        return own == (plan.rate_hz, plan.block, program.in_channels, program.out_channels)

    def tuning(self, a4_hz: float = A4_HZ) -> Tuning | None:
        """Read the pitch that is played into the first input channel, before the chain.

        It is computed in the calling thread, in one or two milliseconds, from the latest input; the
        audio thread does not measure.

        Parameters
        ----------
        a4_hz
            Frequency of the note A4.

        Returns
        -------
        Tuning or None
            Note, cents and hertz; None if no clear pitch is heard.

        Raises
        ------
        RtaudioError
            The host has been stopped.
        """
        return read_tuning(self.heard(LISTEN_S), self.rate_hz, a4_hz)

    def heard(self, seconds: float) -> Floats:
        """Return the latest input of the first channel, before the chain.

        Parameters
        ----------
        seconds
            How much of it, at most 3.

        Returns
        -------
        numpy.ndarray
            float32 ``[frames]``; shorter if less has come in so far.

        Raises
        ------
        RtaudioError
            The host has been stopped.
        """
        self._check_open()
        return self._engine.heard(math.ceil(seconds * self.rate_hz))

    @property
    def error(self) -> str | None:
        """Why the run ended on its own, or None."""
        self._watch()
        return self._error

    @property
    def finished(self) -> bool:
        """True when the source has been played or the device is lost."""
        self._watch()
        if self._error is not None:
            return True
        frames = self._source_frames if self._feeder is None else self._feeder.frames
        played = self._engine.snapshot().source_position - self._program.latency_samples
        return frames is not None and played >= frames

    @property
    def running(self) -> bool:
        """True from :meth:`start` until :meth:`stop` or the loss of the device."""
        self._watch()
        return self._state == "playing" and self._error is None

    def _watch(self) -> None:
        """Notice a device that has stopped calling."""
        if self._state != "playing" or self._error is not None:
            return
        if self._revival is not None:
            if not self._revival.done:
                return
            self._revival = None
            self._progress = (self._engine.snapshot().blocks, time.monotonic())
        blocks, now = self._engine.snapshot().blocks, time.monotonic()
        if blocks != self._progress[0]:
            self._progress = (blocks, now)
        patience = max(_LOST_SECONDS, 20.0 * self.block / self.rate_hz)
        if self._device.active and now - self._progress[1] <= patience:
            return
        if self._reconnect is not None:
            self._revival = Revival(self._device, self._reconnect)
        else:
            self._error = (
                f"device {self._device.name!r} stopped delivering audio; is it still there?"
            )

    def wait(self, seconds: float | None = None) -> None:
        """Wait for ``seconds``, or for the end of the source; ends early if the device is lost.

        Raises
        ------
        RtaudioError
            The host does not play: it has not been started, or has been stopped before.
        """
        self._check_open()
        if self._state == "new":
            raise RtaudioError("this host has not been started; call start(), or use `with`")
        end = None if seconds is None else time.monotonic() + seconds
        while self.running and not self.finished and (end is None or time.monotonic() < end):
            left = 0.05 if end is None else end - time.monotonic()
            time.sleep(max(0.0, min(0.02, left)))

    def output(self) -> Iterator[Floats]:
        """Return an iterator over the sound that plays from now on, until the host stops.

        It waits for the sound, and each of several iterators has all of it.

        Yields
        ------
        numpy.ndarray
            float32 ``[out_channels, frames]``, of any length.

        Raises
        ------
        AudioError
            It was read more than 10 seconds late.
        RtaudioError
            The host has been stopped.

        Examples
        --------
        >>> with Host(Gain(gain_db=-6.0), device="clock") as host:
        ...     next(host.output()).shape[0]
        1
        """
        self._check_open()
        return self._pieces(self._engine.tap())

    def tap(self) -> Tap:
        """Return a reader of the output from now on, which waits for nothing.

        Raises
        ------
        RtaudioError
            The host has been stopped.
        """
        self._check_open()
        return self._engine.tap()

    def input_tap(self) -> Tap:
        """Return a reader of the input, before the chain, from now on.

        Raises
        ------
        RtaudioError
            The host has been stopped.
        """
        self._check_open()
        return self._engine.input_tap()

    def play(self, audio: ArrayLike | None) -> None:
        """Play a sound over and over in place of the device's input; a change is a short pause.

        Parameters
        ----------
        audio
            Mono ``[frames]`` or ``[channels, frames]`` at ``rate_hz``; a mono input gets the mean
            of the channels. None: the input again.

        Raises
        ------
        AudioError
            It has no frames, or neither one channel nor as many as the input.
        RtaudioError
            The host has been stopped, or plays a ``source``.
        """
        self._check_open()
        if self._source_frames is not None or self._feeder is not None:
            raise RtaudioError("this host plays the source that it was made with")
        ring = None if audio is None else self._as_input(audio)
        with self._lock:  # another call would take the pause of this one for a muted output
            muted = self.muted
            self.muted = True
            try:
                time.sleep((FADE_MS / 1000 + self.block / self.rate_hz) if self.running else 0.0)
                self._engine.loop_source(ring)
            finally:
                self.muted = muted

    def _as_input(self, audio: ArrayLike) -> Floats:
        """Return a sound with the channels of the input."""
        sound = samples(audio, "the sound")
        channels = self._engine.in_channels
        if sound.shape[1] == 0:
            raise AudioError("the sound has no frames")
        if sound.shape[0] != channels:
            if channels == 1:
                return np.asarray(sound.mean(axis=0, keepdims=True), np.float32)
            if sound.shape[0] != 1:
                raise AudioError(f"the sound has {sound.shape[0]} channels, the input {channels}")
        return np.broadcast_to(sound, (channels, sound.shape[1]))

    def record(self, path: str | Path) -> Recorder:
        """Write the output from now on into a file, which appears when the recorder finishes.

        Parameters
        ----------
        path
            The file; its suffix is the format.

        Returns
        -------
        Recorder
            ``finish()`` ends it, before the host is stopped.

        Raises
        ------
        AudioFileError, OSError
            The file cannot be written.
        """
        self._check_open()
        recorder = Recorder(self._engine, Path(path), self.rate_hz)
        recorder.start()
        return recorder

    def _pieces(self, tap: Tap) -> Iterator[Floats]:
        while True:
            playing = self._state != "stopped" and self.error is None
            frames = tap.read()
            if tap.lost:
                raise AudioError(f"the output was not read in time: {tap.lost} frames are lost")
            if len(frames):
                yield np.ascontiguousarray(frames.T)
            elif playing:
                time.sleep(_POLL_S)
            else:
                return

    def stats(self) -> Stats:
        """Return the statistics so far, and start new peaks."""
        self._engine.reap()
        seen = self._engine.snapshot()
        in_peak, out_peak = self._meters.peaks()
        values = histogram_values_ns()
        return Stats(
            blocks=seen.blocks,
            missed=seen.missed,
            xruns={name: count for name, count in seen.flags.items() if name in XRUNS},
            callback_us=Percentiles.of_histogram(
                seen.durations.counts, values, seen.durations.max_ns
            ),
            gap_us=Percentiles.of_histogram(seen.gaps.counts, values, seen.gaps.max_ns),
            latency_samples=self._program.latency_samples,
            latency_parts=dict(self._program.plan.latency_parts),
            device_latency_ms=self._device.latency_ms,
            faults=self._engine.faults,
            realtime=seen.realtime,
            load=seen.load,
            in_peak=in_peak,
            out_peak=out_peak,
            loudness=self._engine.loudness.read(),
            clipped=seen.clipped,
            source_missing=seen.source_missing,
            source_waiting=self.source_waiting,
            seconds=seen.frames / self.rate_hz,
        )

    def read(self) -> Reading:
        """Return what moves while it plays; cheap, and no reader takes peaks from another one."""
        self._engine.reap()
        seen = self._engine.snapshot()
        return Reading(
            levels=self._meters.read(),
            clipped=seen.clipped,
            loudness=self._engine.loudness.read(),
            load=seen.load,
            blocks=seen.blocks,
            missed=seen.missed,
            faults=self._engine.faults,
            seconds=seen.frames / self.rate_hz,
            latency_samples=self._program.latency_samples,
            latency_parts=dict(self._program.plan.latency_parts),
            device_latency_ms=self._device.latency_ms,
        )

    def reset_loudness(self) -> None:
        """Start integrated loudness, loudness range and the maxima anew."""
        self._engine.loudness.reset()

    def __enter__(self) -> Host:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def _shown(value: float) -> float:
    """Return the value of a slot, a float32, with the seven digits that were set."""
    return float(f"{value:.7g}")
