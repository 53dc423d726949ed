"""The mixing of one mixture, from voices, noises, rooms and defects."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy import fft
from scipy.ndimage import maximum_filter1d

from rtaudio.runtime.decibels import from_db
from rtaudio.runtime.memory import Floats
from training.denoise.corpus import Collection, Corpus
from training.denoise.curves import (
    STEPS,
    fill_treble,
    high_pass,
    low_pass,
    octaves,
)
from training.denoise.mixture import Generator, Mixture, MixtureConfig, Range, Spectrum
from training.denoise.recordings import active_rms
from training.denoise.rooms import Rooms, early_window
from training.denoise.synthetic import synthetic_noise

__all__ = ["MARGIN", "Mixing"]

Reader = Callable[[int], tuple[Floats, float]]
"""Returns a number of samples of a sound, and its bandwidth in hertz."""

MARGIN = 256
"""Samples after an excerpt, which take up the ringing of filters that wraps around."""

KEPT_S = 0.5
"""Time for which a room that is kept is heard after a voice, before its tone is noise."""

TELEPHONE_HZ = 4500.0
"""Below this band limit, bass is cut as well."""


@dataclass
class _Sound:
    """A spectrum, and the bandwidth that its source really covers."""

    spectrum: Spectrum
    bandwidth_hz: float


@dataclass
class Mixing:
    """The making of one mixture.

    Filters work on the spectrum of all ``samples``. The excerpt lies inside them; the margins take
    up ringing that wraps around, and the first echoes, whose cause is missing.
    """

    config: MixtureConfig
    corpus: Corpus
    rooms: Rooms | None
    samples: int
    generator: Generator

    def mix(self) -> Mixture:
        """Choose the sounds and their room, and mix them."""
        config, rate_hz = self.config, self.config.rate_hz
        silent = self._chance(config.no_speech)
        quiet = not silent and self._chance(config.no_noise)
        music = self.corpus.music is not None and self._chance(config.music_probability)
        responses, room_kept = None, False
        if self.rooms is not None and self._chance(config.room):
            responses = self.rooms[int(self.generator.integers(len(self.rooms)))]
            room_kept = config.room_kept > 0 and self._chance(config.room_kept)
        clean = heard = noise = None
        bandwidth_hz = rate_hz / 2
        if not silent:
            target = self._target(music and config.music == "keep")
            bandwidth_hz = min(bandwidth_hz, target.bandwidth_hz)
            clean = heard = target.spectrum
            if responses is not None:
                early = responses[0] * early_window(len(responses[0]), rate_hz)
                heard = clean * self._filter(responses[0])
                clean = heard if room_kept else clean * self._filter(early)
        if not quiet:
            noise = self._noise(bandwidth_hz, music and config.music == "remove", responses)
        if self._chance(config.band_limit):
            limit_hz = self._limit_hz(bandwidth_hz)
            shape = low_pass(self.samples, rate_hz, limit_hz)
            if limit_hz < TELEPHONE_HZ:
                shape *= high_pass(self.samples, rate_hz, self.generator.uniform(150, 350))
            clean, heard, noise = (
                None if spectrum is None else spectrum * shape for spectrum in (clean, heard, noise)
            )
            if limit_hz <= bandwidth_hz:
                # Input and target now end at the same frequency, so all of it may be compared.
                bandwidth_hz = rate_hz / 2
        speech = self._excerpt(clean)
        return self._together(
            speech,
            speech if heard is clean else self._excerpt(heard),
            self._excerpt(noise),
            bandwidth_hz,
            room_kept,
        )

    def _together(
        self, clean: Floats, heard: Floats, noise: Floats, bandwidth_hz: float, room_kept: bool
    ) -> Mixture:
        """Set the levels of speech, of speech in the room, and of noise; then add them up.

        Clips come at an RMS of 1. If the excerpt is much quieter, it is but a breath: it is muted,
        and the noise gets a level of its own.
        """
        config = self.config
        if noise.any() and self._chance(config.swell):
            noise = noise * self._swell()
        speech_rms = active_rms(clean, config.rate_hz)
        noise_rms = math.sqrt(float(np.dot(noise, noise)) / len(noise))
        if speech_rms < 0.03:
            snr_db, gain = -math.inf, 0.0
            noise_gain = from_db(self._between(config.free_level_dbfs)) / max(noise_rms, 1e-9)
        else:
            level = from_db(self._between(config.level_dbfs))
            snr_db = math.inf
            if noise_rms > 0:
                low, high = config.snr_db
                snr_db = low + (high - low) * float(self.generator.beta(1.5, 2.5))
            gain, noise_gain = level / speech_rms, level * from_db(-snr_db) / max(noise_rms, 1e-9)
        clean = clean * np.float32(gain)
        noisy = heard * np.float32(gain) + noise * np.float32(noise_gain)
        if config.music == "remove":
            clean *= _expander(clean, config.rate_hz, KEPT_S if room_kept else 0.0)
        peak = max(float(np.abs(noisy).max()), float(np.abs(clean).max()))
        if peak > 0.99:
            noisy *= np.float32(0.99 / peak)
            clean *= np.float32(0.99 / peak)
        if self._chance(config.offset):
            level = self._between(config.offset_level, geometric=True)
            noisy += np.float32(self.generator.choice([-level, level]))
        if self._chance(config.clipping):
            most = float(np.abs(noisy).max()) * from_db(-self._between(config.clipping_db))
            np.clip(noisy, -most, most, out=noisy)
        np.clip(noisy, -1, 1, out=noisy)
        return Mixture(
            torch.from_numpy(noisy)[None],
            torch.from_numpy(clean)[None],
            bandwidth_hz,
            snr_db,
            room_kept,
        )

    # Sounds

    def _target(self, with_music: bool) -> _Sound:
        """Return the sound to keep: speech, music, or both."""
        choice = self.generator.uniform() if with_music else 0.0
        sound = (
            self._played(self._speech, self.config.shift, self.config.shift_factor)
            if choice < 0.7
            else None
        )
        if with_music and self.corpus.music is not None and choice > 0.35:
            music = self._played(self._music, 1.0, self.config.noise_shift_factor)
            if sound is None:
                sound = music
            else:
                gain = np.float32(from_db(self.generator.uniform(-20, 5)))
                sound.spectrum += gain * music.spectrum
                sound.bandwidth_hz = min(sound.bandwidth_hz, music.bandwidth_hz)
        assert sound is not None
        if sound.bandwidth_hz < self.config.rate_hz / 2:
            # Coders leave a little above the bandwidth.
            sound.spectrum *= low_pass(self.samples, self.config.rate_hz, sound.bandwidth_hz)
        if self._chance(self.config.equalizer):
            sound.spectrum *= self._curve()
        return sound

    def _noise(self, bandwidth_hz: float, with_music: bool, responses: Floats | None) -> Spectrum:
        """Return one noise, or two at once, each with its own filter and place in the room."""
        config = self.config
        noises = []
        if with_music:
            noises.append(self._played(self._music, 1.0, config.noise_shift_factor))
        if self._chance(config.generated_noise):
            noises.append(self._synthetic())
        if not noises or self._chance(config.second_noise):
            noise = self._played(self._ambience, 1.0, config.noise_shift_factor)
            noises.append(noise)
            if noise.bandwidth_hz < 0.9 * bandwidth_hz and self._chance(config.treble):
                if self._chance(0.7):
                    limit = noise.bandwidth_hz / config.rate_hz * self.samples
                    fill_treble(noise.spectrum, limit, self.generator.uniform(3, 12))
                else:
                    noises.append(self._synthetic(wide=True))
            if len(noises) == 1 and self._chance(config.second_noise):
                noises.append(self._played(self._ambience, 1.0, config.noise_shift_factor))
        total: Spectrum = np.zeros(self.samples // 2 + 1, np.complex64)
        for number, noise in enumerate(noises):
            spectrum = noise.spectrum
            if self._chance(config.equalizer):
                spectrum *= self._curve()
            if responses is not None:
                spectrum *= self._filter(responses[1 + number % (len(responses) - 1)])
            power = float(np.vdot(spectrum, spectrum).real)
            level_db = self.generator.uniform(-15, 5) if number else 0.0
            total += spectrum * np.float32(from_db(level_db) / math.sqrt(power + 1e-20))
        return total * np.float32(self.samples)

    def _played(self, source: Reader, probability: float, factors: Range) -> _Sound:
        """Read a sound and change its speed, by resampling in the spectrum."""
        factor = self._between(factors, geometric=True) if self._chance(probability) else 1.0
        length = self.samples
        if factor != 1.0:
            length = fft.next_fast_len(round(self.samples * factor), real=True)
        signal, bandwidth_hz = source(length)
        spectrum = fft.rfft(signal)
        factor = length / self.samples
        bins = self.samples // 2 + 1
        if length > self.samples:
            spectrum = spectrum[:bins].copy()
        elif length < self.samples:
            spectrum = np.concatenate([spectrum, np.zeros(bins - len(spectrum), np.complex64)])
        if factor != 1.0:
            spectrum *= np.float32(1 / factor)
        return _Sound(spectrum, min(bandwidth_hz * factor, self.config.rate_hz / 2))

    def _speech(self, length: int) -> tuple[Floats, float]:
        """Return utterances with pauses, of one speaker, or of two in turn."""
        corpus, generator, rate_hz = self.corpus.speech, self.generator, self.config.rate_hz
        voices = [corpus.draw(generator)]
        if self._chance(self.config.second_speaker):
            voices.append(corpus.draw(generator))
        out = np.zeros(length, np.float32)
        gains = [1.0, from_db(generator.uniform(-6, 6))]
        turn, at = 0, 0
        while at < length:
            clip = voices[turn].clips[generator.integers(len(voices[turn].clips))]
            start, stop = clip.start, clip.stop
            if at == 0:
                # The excerpt begins anywhere, sometimes in the pause before an utterance.
                start += int(generator.integers(-rate_hz // 4, max(1, stop - start - rate_hz // 2)))
                at, start = max(0, clip.start - start), max(start, clip.start)
            if len(voices) > 1:
                stop = min(stop, start + int(generator.uniform(0.8, 2.5) * rate_hz))
            stop = min(stop, start + length - at)
            if stop > start:
                signal = corpus.recordings.read(start, stop)
                _fade(signal, rate_hz // 100)
                out[at : at + stop - start] = signal * np.float32(gains[turn] / clip.rms)
            pause_s = generator.uniform(1, 3) if self._chance(0.1) else generator.exponential(0.4)
            at += stop - start + round((0.05 + pause_s) * rate_hz)
            turn = (turn + 1) % len(voices)
        return out, min(voice.clips[0].bandwidth_hz for voice in voices)

    def _ambience(self, length: int) -> tuple[Floats, float]:
        """Return recorded noise of one kind."""
        return self._stretch(self.corpus.noise, length)

    def _music(self, length: int) -> tuple[Floats, float]:
        """Return music of one kind."""
        assert self.corpus.music is not None
        return self._stretch(self.corpus.music, length)

    def _stretch(self, collection: Collection, length: int) -> tuple[Floats, float]:
        """Return sound of one kind; short recordings follow each other, cross-faded."""
        generator = self.generator
        source = collection.draw(generator)
        fade = self.config.rate_hz // 50
        lengths = np.array([clip.stop - clip.start for clip in source.clips], np.float64)
        out = np.zeros(length, np.float32)
        bandwidth_hz = self.config.rate_hz / 2
        at = 0
        while at < length:
            clip = source.clips[generator.choice(len(lengths), p=lengths / lengths.sum())]
            spare = clip.stop - clip.start - (length - at)
            start = clip.start + int(generator.integers(max(1, spare)))
            stop = min(clip.stop, start + length - at)
            signal = collection.recordings.read(start, stop)
            if spare <= 0 or at:
                _fade(signal, fade)
            out[at : at + len(signal)] += signal * np.float32(1 / clip.rms)
            bandwidth_hz = min(bandwidth_hz, clip.bandwidth_hz)
            at += max(len(signal) - fade, 1)
            if length - at <= fade:
                break
        return out, bandwidth_hz

    def _synthetic(self, wide: bool = False) -> _Sound:
        """Return synthetic noise, see `synthetic_noise`."""
        spectrum = synthetic_noise(self.generator, self.samples, self.config.rate_hz, wide=wide)
        return _Sound(spectrum, self.config.rate_hz / 2)

    # Filters and gains

    def _curve(self) -> Floats:
        """Return a gentle random curve over the bins, as of a microphone."""
        most_db = self.config.equalizer_db
        knots = self.generator.uniform(-most_db, most_db, 8)
        knots[1:-1] = (knots[:-2] + 2 * knots[1:-1] + knots[2:]) / 4
        table = np.interp(np.linspace(0, 7, STEPS), np.arange(8), knots)
        steps: Floats = from_db(np.float32(table))
        return steps[octaves(self.samples, self.config.rate_hz)]

    def _filter(self, response: Floats) -> Spectrum:
        """Return the spectrum of an impulse response."""
        spectrum: Spectrum = fft.rfft(response, self.samples)
        return spectrum

    def _swell(self) -> Floats:
        """Return gains over the excerpt: jumps and slow fades between a few levels."""
        config, generator = self.config, self.generator
        count = int(generator.integers(1, 4))
        turns = np.sort(generator.uniform(0, config.excerpt_samples, count))
        levels_db = generator.uniform(-25, 0, count + 1)
        times, gains_db = [0.0], [levels_db[0]]
        for turn, before, after in zip(turns, levels_db[:-1], levels_db[1:], strict=True):
            length = 10 ** generator.uniform(-2, 0) * config.rate_hz
            times += [max(turn, times[-1]), max(turn, times[-1]) + length]
            gains_db += [before, after]
        # Every hundredth sample is enough to draw a ramp of 10 ms.
        coarse = np.arange(0, config.excerpt_samples + 100, 100)
        gains = from_db(np.interp(coarse, times, gains_db))
        fine = np.interp(np.arange(config.excerpt_samples), coarse, gains)
        return np.asarray(fine, np.float32)

    def _limit_hz(self, bandwidth_hz: float) -> float:
        """Return a band limit: half of the time the bandwidth of the speech, or lower."""
        low, high = self.config.band_limit_hz
        if bandwidth_hz < high and self._chance(0.5):
            low, high = min(low, 0.9 * bandwidth_hz), bandwidth_hz
            return high if self._chance(0.5) else self._between((low, high), geometric=True)
        return self._between((low, high), geometric=True)

    # Helpers

    def _chance(self, probability: float) -> bool:
        """Decide at random."""
        return bool(self.generator.uniform() < probability)

    def _between(self, limits: Range, *, geometric: bool = False) -> float:
        """Draw a value from a range, evenly or evenly on a logarithmic scale."""
        low, high = limits
        place = self.generator.uniform()
        return float(low * (high / low) ** place if geometric else low + (high - low) * place)

    def _excerpt(self, spectrum: Spectrum | None) -> Floats:
        """Return the samples of the excerpt; zeros for no sound."""
        length = self.config.excerpt_samples
        if spectrum is None:
            return np.zeros(length, np.float32)
        signal: Floats = fft.irfft(spectrum, self.samples)
        return signal[-MARGIN - length : -MARGIN]


def _fade(signal: Floats, samples: int) -> None:
    """Fade both ends, so that cuts do not click."""
    samples = min(samples, len(signal) // 2)
    ramp = np.linspace(0, 1, samples, endpoint=False, dtype=np.float32)
    signal[:samples] *= ramp
    signal[len(signal) - samples :] *= ramp[::-1]


def _expander(clean: Floats, rate_hz: int, hold_s: float = 0.0) -> Floats:
    """Return gains that soften pauses: the room tone of home recordings is noise, too.

    More than 26 dB below the active level, each decibel becomes 3, by 25 dB at most; never within
    30 ms of anything louder, nor for ``hold_s`` after that.
    """
    frame = min(rate_hz // 100, len(clean))
    frames = clean[: len(clean) // frame * frame].reshape(-1, frame)
    hold = 2 * round(50 * hold_s)
    power = np.einsum("ij,ij->i", frames, frames) / frame
    power = maximum_filter1d(power, 7 + hold, origin=hold // 2)
    active = max(active_rms(clean, rate_hz), 1e-9)
    level_db = 10 * np.log10(power / active**2 + 1e-9)
    gains = from_db(np.float32(np.clip(2 * (level_db + 26), -25, 0)))
    # Linear from the middle of one frame to that of the next.
    ends = np.concatenate([gains[:1], gains, gains[-1:]])
    ramp = np.arange(frame, dtype=np.float32) / frame
    lines = ends[:-1, None] + (ends[1:] - ends[:-1])[:, None] * ramp
    out: Floats = lines.ravel()[frame - frame // 2 :]
    missing = max(0, len(clean) - len(out))
    return np.concatenate([out, np.full(missing, gains[-1])])[: len(clean)]
