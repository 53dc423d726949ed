"""The engine: owns the memory of the callback, and publishes programs to it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

import numpy as np

from rtaudio.runtime.abi import Node
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.callback import ENGINE, FADE_MS, FLAG_NAMES, PENDING, SWAP_MS
from rtaudio.runtime.jit import jit
from rtaudio.runtime.kernels import routing
from rtaudio.runtime.limits import MAX_LIVE_CHANNELS, RefusedError
from rtaudio.runtime.loudness import LoudnessMeter
from rtaudio.runtime.memory import Floats, aligned, offset_of
from rtaudio.runtime.program import Program
from rtaudio.runtime.statistics import HISTOGRAM_SIZE, Histogram, Snapshot
from rtaudio.runtime.tap import Tap
from rtaudio.runtime.words import atomic_store

_SOURCE = offset_of(ENGINE, "source")
_SOURCE_WRITE = offset_of(ENGINE, "source_write")
_SOURCE_ENDED = offset_of(ENGINE, "source_ended")
_TAP = offset_of(ENGINE, "tap")

_HEARD_S = 6.0
_TAP_S = 10
_ENDLESS = 1 << 62


@jit
def _store(address, value):
    """Publish a value: a reader of it sees everything that was written before."""
    atomic_store(address, value)


def silence(rate_hz: int, block: int, in_channels: int, out_channels: int) -> Program:
    """Return a program that plays silence: a stream starts from it and ends with it.

    Parameters
    ----------
    rate_hz, block
        Sample rate and largest block.
    in_channels, out_channels
        Channels of its input and output.
    """
    builder = Builder(rate_hz, block)
    source = builder.bus(in_channels)
    node = Node(routing.silence, out_channels=out_channels, outputs=out_channels)
    return Program(builder.finish(source, builder.run(node, source)))


class Engine:
    """Everything that one callback works on: buffers, statistics, and the programs in use.

    A start is a cross-fade of 20 ms from silence, a stop one to silence, a swap one of 50 ms
    between two programs. Two programs run only during a cross-fade.

    Parameters
    ----------
    rate_hz, block
        Sample rate and largest block of the programs.
    in_channels, out_channels
        Channels of every program that this engine will play.

    Attributes
    ----------
    loudness
        The meter of the output.
    """

    def __init__(self, rate_hz: int, block: int, in_channels: int, out_channels: int) -> None:
        if max(in_channels, out_channels) > MAX_LIVE_CHANNELS:
            raise RefusedError(f"at most {MAX_LIVE_CHANNELS} channels can play in each direction")
        self.rate_hz, self.block = rate_hz, block
        self.in_channels, self.out_channels = in_channels, out_channels
        self._memory = aligned(ENGINE.itemsize, np.uint8).view(ENGINE)
        self.record = self._memory[0]
        heard_frames = round(_HEARD_S * rate_hz) + block
        self._buffers: dict[str, np.ndarray[Any, Any]] = {
            "input": aligned(in_channels * block),
            "output": aligned(out_channels * block),
            "heard": aligned(in_channels * heard_frames),
            "durations": aligned(HISTOGRAM_SIZE, np.int64),
            "gaps": aligned(HISTOGRAM_SIZE, np.int64),
        }
        for name, buffer in self._buffers.items():
            self.record[name] = buffer.ctypes.data
        self.record["heard_frames"] = heard_frames
        self.record["rate_hz"], self.record["block"] = rate_hz, block
        self.record["in_channels"], self.record["out_channels"] = in_channels, out_channels
        self.record["level"] = self.record["trim"] = 1.0
        self.record["fade_samples"] = round(rate_hz * FADE_MS / 1000)
        self.record["swap_samples"] = round(rate_hz * SWAP_MS / 1000)
        self.loudness = LoudnessMeter(rate_hz, out_channels)
        self.record["loudness"] = self.loudness.address
        self._silence = silence(rate_hz, block, in_channels, out_channels)
        self._programs: dict[int, Program] = {self._silence.address: self._silence}
        self.record["silence"] = self.record["current"] = self._silence.address
        self.program = self._silence
        self._past_faults: Counter[str] = Counter()
        self._lock = threading.RLock()

    @property
    def address(self) -> int:
        """The address of the ENGINE record: the callback's user data."""
        return int(self._memory.ctypes.data)

    def connect(
        self, inputs: list[int], device_inputs: int, outputs: list[int], device_outputs: int
    ) -> None:
        """Choose channels of the device.

        Parameters
        ----------
        inputs, outputs
            The device channels that are used, counted from 0.
        device_inputs, device_outputs
            Number of channels that the device interleaves.
        """
        self.record["in_map"][: len(inputs)] = inputs
        self.record["out_map"][: len(outputs)] = outputs
        self.record["device_inputs"], self.record["device_outputs"] = device_inputs, device_outputs

    def play_source(self, audio: np.ndarray[Any, Any]) -> None:
        """Play planar float32 ``[in_channels, frames]`` in place of the device's input."""
        self._set_source(np.ascontiguousarray(audio, np.float32))
        self.record["source_write"] = audio.shape[1]
        self.record["source_ended"] = 1

    def open_source(self, frames: int) -> None:
        """Play what `write_source` writes in place of the device's input.

        Parameters
        ----------
        frames
            The most that may wait to be played.
        """
        self._set_source(np.zeros((self.in_channels, frames), np.float32))

    def loop_source(self, audio: Floats | None) -> None:
        """Play a sound over and over in place of the device's input, while the callback runs.

        Parameters
        ----------
        audio
            float32 ``[in_channels, frames]``; None: the input of the device again.
        """
        _store(self.address + _SOURCE, 0)
        self._await_blocks(2)  # a call that has begun may still read the former one
        self._buffers["former_source"] = self._buffers.pop("source", np.zeros(0, np.float32))
        if audio is None:
            return
        ring = self._buffers["source"] = np.ascontiguousarray(audio, np.float32)
        self.record["source_frames"] = ring.shape[1]
        self.record["source_position"], self.record["source_ended"] = 0, 1
        self.record["source_write"] = _ENDLESS
        _store(self.address + _SOURCE, ring.ctypes.data)

    def _await_blocks(self, count: int) -> None:
        """Return when the callback has been called again; a stopped device is not waited for."""
        until, deadline = int(self.record["blocks"]) + count, time.monotonic() + 0.5
        while int(self.record["blocks"]) < until and time.monotonic() < deadline:
            time.sleep(0.001)

    def _set_source(self, ring: Floats) -> None:
        self._buffers["source"] = ring
        self.record["source_frames"] = ring.shape[1]
        self.record["source"] = ring.ctypes.data

    @property
    def source_waiting(self) -> int:
        """Frames of the source that have been written and not yet played."""
        return max(0, int(self.record["source_write"]) - int(self.record["source_position"]))

    def write_source(self, audio: Floats) -> int:
        """Append to a source that `open_source` opened; one thread at a time.

        Parameters
        ----------
        audio
            float32 ``[in_channels, frames]``.

        Returns
        -------
        int
            How many frames there was room for; the rest is to be written again.
        """
        ring = self._buffers["source"]
        count: int = min(audio.shape[1], ring.shape[1] - self.source_waiting)
        write = int(self.record["source_write"])
        ring[:, np.arange(write, write + count) % ring.shape[1]] = audio[:, :count]
        _store(self.address + _SOURCE_WRITE, write + count)
        return count

    def end_source(self) -> None:
        """Let the source end with what was written; silence follows, and is not counted."""
        _store(self.address + _SOURCE_ENDED, 1)

    def tap(self) -> Tap:
        """Return a new reader of the output, from now on."""
        if not self.record["tap"]:
            self._buffers["tap"] = aligned(_TAP_S * self.rate_hz * self.out_channels)
            self.record["tap_frames"] = _TAP_S * self.rate_hz
            _store(self.address + _TAP, self._buffers["tap"].ctypes.data)
        ring = self._buffers["tap"].reshape(-1, self.out_channels)
        return Tap(self.record, "tap_write", ring, self.block)

    def input_tap(self) -> Tap:
        """Return a new reader of the input, from now on."""
        ring = self._buffers["heard"].reshape(self.in_channels, -1)
        return Tap(self.record, "heard_write", ring.T, self.block)

    def heard(self, frames: int) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Return the last samples of the first input channel: at most three seconds, or fewer."""
        ring = self._buffers["heard"][: int(self.record["heard_frames"])]
        write = int(self.record["heard_write"])
        first = write - min(frames, write, len(ring) // 2)
        return ring[np.arange(first, write) % len(ring)].copy()

    def publish(self, program: Program) -> None:
        """Hand a program to the callback, which cross-fades to it.

        Its workers are started. A program published before the last one was adopted replaces it.
        """
        with self._lock:
            self.reap()
            program.start_workers()
            self._programs[program.address] = program
            self.program = program
            _store(self.address + PENDING, program.address)

    def reap(self) -> None:
        """Release the programs that the callback no longer uses, and stop their workers.

        While a program is being adopted, the others may still be in use: then nothing is done.
        """
        with self._lock:
            if not self.settled:
                return
            in_use = {self._silence.address, self.program.address, int(self.record["current"])}
            for address in [a for a in self._programs if a not in in_use]:
                self._retire(self._programs.pop(address))

    def _retire(self, program: Program) -> None:
        program.stop_workers()
        self._past_faults.update(program.faults)

    def close(self) -> None:
        """Stop the workers of every program; only when nothing calls the callback any more."""
        with self._lock:
            for program in self._programs.values():
                program.stop_workers()

    @property
    def faults(self) -> dict[str, int]:
        """Faults by effect, of all programs so far; ``input`` counts bad blocks of the device."""
        with self._lock:
            counts = Counter(self._past_faults)
            for program in self._programs.values():
                counts.update(program.faults)
        counts["input"] += int(self.record["input_faults"])
        return {name: count for name, count in counts.items() if count}

    @property
    def settled(self) -> bool:
        """True when no program waits and no cross-fade is under way."""
        return not (self.record["pending"] or self.record["fade_left"] or self.record["former"])

    def fade_out(self, timeout_s: float) -> bool:
        """Cross-fade to silence; False if the callback did not do so in time (a lost device)."""
        self.publish(self._silence)
        deadline = time.monotonic() + timeout_s
        while not self.settled:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.002)
        return True

    @property
    def muted(self) -> bool:
        """Whether nothing is heard, whatever plays; a change is a ramp of 20 ms."""
        return bool(self.record["muted"])

    def mute(self, muted: bool, *, at_once: bool = False) -> None:
        """Mute or unmute.

        Parameters
        ----------
        muted
            True for silence.
        at_once
            Without a ramp, for a stream that has not begun.
        """
        self.record["muted"] = muted
        if at_once:
            self.record["level"] = 0.0 if muted else self.record["trim"]

    @property
    def trim(self) -> float:
        """Gain of the output, after the program; a change is a ramp."""
        return float(self.record["trim"])

    @trim.setter
    def trim(self, gain: float) -> None:
        self.record["trim"] = gain

    def pause(self) -> None:
        """Prepare for another stream: it fades in, and the time without one is no gap.

        Only when nothing calls the callback.
        """
        self.record["last_entry_ns"], self.record["level"] = time.monotonic_ns(), 0.0

    def reset_peaks(self) -> None:
        """Let the peaks of `snapshot` start anew."""
        self.record["in_peak"][:] = 0.0
        self.record["out_peak"][:] = 0.0

    def snapshot(self) -> Snapshot:
        """Return the statistics of the callback so far."""
        record = self.record
        frames = int(record["frames"])
        ins, outs = self.in_channels, self.out_channels
        return Snapshot(
            blocks=int(record["blocks"]),
            frames=frames,
            missed=int(record["missed"]),
            flags={name: int(n) for name, n in zip(FLAG_NAMES, record["flags"], strict=True)},
            load=float(record["busy_ns"]) * self.rate_hz / (frames * 1e9) if frames else 0.0,
            realtime=int(record["blocks"]) > 0 and int(record["priority"]) == 0,
            durations=Histogram(self._buffers["durations"].copy(), int(record["duration_max"])),
            gaps=Histogram(self._buffers["gaps"].copy(), int(record["gap_max"])),
            in_peak=tuple(float(peak) for peak in record["in_peak"][:ins]),
            out_peak=tuple(float(peak) for peak in record["out_peak"][:outs]),
            in_power=tuple(float(power) for power in record["in_power"][:ins]),
            out_power=tuple(float(power) for power in record["out_power"][:outs]),
            clipped=tuple(int(count) for count in record["in_clipped"][:ins]),
            source_position=int(record["source_position"]),
            source_missing=int(record["source_missing"]),
        )
