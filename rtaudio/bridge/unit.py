"""Unit: a plugin that takes chunks and gives chunks, constantly late, whatever it holds back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rtaudio.bridge.delay_found import delay_of_answer, held_back
from rtaudio.bridge.instance import Instance
from rtaudio.errors import PluginError
from rtaudio.runtime.memory import Floats
from rtaudio.runtime.slots import Slot


class Line:
    """A queue that gives as many samples as it takes, each a constant number later.

    Parameters
    ----------
    channels
        Number of channels.
    delay
        Samples of silence that it begins with.

    Examples
    --------
    >>> line = Line(1, 2)
    >>> line.pass_on(np.ones((1, 1), np.float32), 3), line.lost
    (array([[0., 0., 1.]], dtype=float32), 0)
    """

    def __init__(self, channels: int, delay: int) -> None:
        self._delay = delay
        self._waiting = np.zeros((channels, delay), np.float32)
        self._owed = 0
        self.lost = 0

    def clear(self) -> None:
        """Begin with silence again."""
        self._waiting = np.zeros((len(self._waiting), self._delay), np.float32)
        self._owed = 0

    def pass_on(self, x: Floats, frames: int) -> Floats:
        """Take some samples, and give ``frames``.

        What does not come in time is silence, and is dropped when it comes: the delay stays.

        Parameters
        ----------
        x
            float32 ``[channels, any number]``.
        frames
            How many to give.
        """
        if self._delay == 0 and self._owed == 0 and x.shape[1] == frames:
            return x
        queue = np.concatenate([self._waiting, x], axis=1)
        dropped = min(self._owed, queue.shape[1])
        self._owed -= dropped
        queue = queue[:, dropped:]
        out, self._waiting = queue[:, :frames], queue[:, frames:]
        missing = frames - out.shape[1]
        if missing:
            self._owed += missing
            self.lost += missing
            out = np.pad(out, ((0, 0), (0, missing)))
        return out


class Unit:
    """One plugin of a rack, with its parameters, and with a mix of its own if it shares a worker.

    Parameters
    ----------
    name
        Name of the effect.
    instance
        The loaded plugin.
    rate_hz, channels
        Sample rate, and channels of input and output.
    chunk
        Frames of a call.
    parameters
        Slot of each parameter that it follows.
    mix, bypass
        Its slots, if they are for the unit to obey.
    latency_samples
        Its latency; None: what it tells, else what is measured.

    Raises
    ------
    PluginError
        It does not play at this rate.

    Attributes
    ----------
    latency_samples
        How late its output is.
    """

    def __init__(
        self,
        name: str,
        instance: Instance,
        rate_hz: int,
        channels: int,
        chunk: int,
        parameters: Mapping[str, Slot],
        *,
        mix: Slot | None = None,
        bypass: Slot | None = None,
        latency_samples: int | None = None,
    ) -> None:
        self.name = name
        self._instance, self._rate_hz, self._chunk = instance, rate_hz, chunk
        self._parameters, self._mix, self._bypass = dict(parameters), mix, bypass
        self._channels = channels
        self._applied = {name: slot.value for name, slot in self._parameters.items()}
        try:
            instance.reset()
            owed = held_back(self._play, channels, chunk, rate_hz)
            hidden = 0
            if latency_samples is not None:
                hidden = max(0, latency_samples - owed)
            elif instance.measured and instance.told_latency_samples == 0 and owed == 0:
                hidden = self._hidden_delay()
        except PluginError:
            raise
        except (ValueError, RuntimeError, TypeError) as error:
            raise PluginError(f"{name}: {' '.join(str(error).split())}") from None
        self.latency_samples = owed + hidden
        self._wet = Line(channels, owed)
        self._dry = Line(channels, self.latency_samples)
        self._gain = self._wanted_gain()
        self.reset()

    def _play(self, x: Floats) -> Floats:
        return self._instance.process(x, self._rate_hz)

    def _hidden_delay(self) -> int:
        """Return the delay that the plugin does not tell, from its answer to an impulse."""
        calls = -(-self._rate_hz // self._chunk)
        pieces = []
        for first in (0.0, 1.0):
            self._instance.reset()
            x = np.zeros((self._channels, self._chunk), np.float32)
            x[:, 0] = first
            answers = [self._play(x)] + [self._play(0.0 * x) for _ in range(calls - 1)]
            pieces.append(np.concatenate(answers, axis=1)[0])
        silence, answer = pieces
        return delay_of_answer(answer, float(np.abs(silence).max(initial=0.0)))

    def reset(self) -> None:
        """Forget all sound, and take the values of the parameters at once."""
        if not self.ailment:
            self._follow()
            self._instance.reset()
        self._wet.clear()
        self._dry.clear()
        self._gain = self._wanted_gain()

    def _follow(self) -> None:
        for name, slot in self._parameters.items():
            value = slot.value
            if self._applied.get(name) != value:
                self._instance.apply(name, value)
                self._applied[name] = value

    @property
    def ailment(self) -> str:
        """``"crashed"`` or ``"hangs"`` if it plays no more."""
        return self._instance.ailment

    def process(self, x: Floats) -> Floats:
        """Play ``[channels, frames]``; as many come out."""
        frames = x.shape[1]
        if self.ailment:
            return self._dry.pass_on(x, frames)
        self._follow()
        return self._blended(x, self._wet.pass_on(self._play(x), frames))

    def _wanted_gain(self) -> float:
        if self._mix is None or self._bypass is None:
            return 1.0
        return 0.0 if self._bypass.value else self._mix.value

    def _blended(self, x: Floats, wet: Floats) -> Floats:
        """Mix in the equally late dry signal; a change is a ramp over the chunk."""
        if self._mix is None:
            return wet
        dry = self._dry.pass_on(x, x.shape[1])
        former, self._gain = self._gain, self._wanted_gain()
        if former == self._gain == 1.0:
            return wet
        ramp = np.linspace(former, self._gain, x.shape[1] + 1, dtype=np.float32)[1:]
        return dry + ramp * (wet - dry)

    def close(self) -> None:
        """Give back what the plugin holds."""
        self._instance.close()
