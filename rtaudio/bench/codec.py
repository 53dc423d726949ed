"""Quality and bitrate of codecs, measured on the same recordings in one run.

Bits are counted in the packets as they are sent, and in whole files. Sound is compared at the
sample rate of the recording, so all that a codec leaves out above its bandwidth counts; the mel
distance is taken at 44.1 kHz, like the published ones.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from multiprocessing import get_context
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rtaudio.analysis.mel_distance import mel_distance
from rtaudio.analysis.speech import at_rate, missing_package, pesq_wb, si_sdr_db, stoi
from rtaudio.analysis.visqol import visqol
from rtaudio.bench.codec_clips import CodecClip
from rtaudio.bench.coder import Coder, Signal
from rtaudio.bench.neural_coder import NeuralCoder
from rtaudio.bench.opus_coder import OpusCoder
from rtaudio.codec.model import read_codec
from rtaudio.codec.network import Conditions, Network

__all__ = [
    "LOSSES_PERCENT",
    "MEASURES",
    "decoded",
    "find_coders",
    "find_measures",
    "lost_packets",
    "scores",
    "summary",
]

MEASURES = ("pesq", "visqol", "stoi", "mel", "si_sdr_db")
"""Keys of the scores. PESQ and STOI are measured on speech only, ViSQOL without losses only."""

BITS = ("payload_kbps", "file_kbps", "payload_ratio", "file_ratio")
"""Keys of the bitrates, and of the compression ratios against 16-bit PCM."""

LOSSES_PERCENT = (0.0, 5.0, 10.0, 20.0)
BURST_PACKETS = 2.0
"""Mean length of a burst of lost packets."""

DRAWS = 16
"""Patterns of losses to choose from."""

LOSSY_MS = 20.0
"""Only packets of this length are lost: with others, equal losses would not be equal in time."""

MEL_HZ = 44100
MOST_LAG_MS = 0.25
"""A delay that a codec does not state is searched for up to this: that of SILK in Opus is 4 samples
longer than the one of CELT."""

_BITRATES = (1.5, 3.0, 6.0, 9.0, 12.0, 16.0, 24.0)
_STEREO_BITRATES = (12.0, 24.0)
_SIDE_SHARE = 1 / 3
"""Part of the bitrate that the side has: half as much as the mid, as in files."""

_OPUS_BITRATES = ((20.0, (6.0, 9.0, 12.0, 16.0, 24.0)), (10.0, (12.0, 24.0)), (5.0, (16.0, 24.0)))
_PACKAGES = {"pesq": "pesq", "stoi": "pystoi", "visqol": "visqol"}
_PIP_NAMES = {"visqol": "visqol-python"}


class Coders(NamedTuple):
    """The codecs to measure, at all their bitrates.

    Attributes
    ----------
    speech, music
        Those for the two kinds of recordings; Opus has settings for each.
    stereo
        Those for music in two channels.
    """

    speech: list[Coder]
    music: list[Coder]
    stereo: Sequence[Coder] = ()

    def suited(self, clip: CodecClip) -> Sequence[Coder]:
        """Return those for a recording."""
        if clip.group == "stereo":
            return self.stereo
        return self.music if clip.music else self.speech


def find_coders(models: Iterable[str]) -> tuple[Coders, list[str]]:
    """Find the codecs to measure.

    Parameters
    ----------
    models
        Codecs of rtaudio: one of their files, or their common start. If the name of one is taken,
        its path is its name.

    Returns
    -------
    coders : Coders
        The models at 1.5 to 24 kbit/s, as far as they go, and Opus at 6 to 24 kbit/s.
    missing : list of str
        A line for each codec that cannot be measured here.

    Raises
    ------
    FileNotFoundError, ContractError
        A model is missing, or no codec.
    """
    ours: list[Coder] = []
    pairs: list[Coder] = []
    for path in dict.fromkeys(models):
        model = read_codec(path)
        label = path if model.name in {coder.codec for coder in ours} else model.name
        low, high = model.kbps(model.least_books), model.kbps(model.books)
        ours += [NeuralCoder(path, kbps, label) for kbps in _BITRATES if low <= kbps <= high]
        pairs += [
            NeuralCoder(path, kbps, label, side_kbps=side_kbps)
            for kbps in _STEREO_BITRATES
            for side_kbps in [kbps * _SIDE_SHARE]
            if low <= side_kbps and kbps - side_kbps <= high
        ]
    if find_spec("av") is None:
        return Coders(ours, ours, pairs), [f"Opus is left out: {missing_package('av')}"]
    opus = [OpusCoder(kbps, 20.0, "audio", channels=2) for kbps in _STEREO_BITRATES]
    return Coders([*ours, *_opus("voip")], [*ours, *_opus("audio")], [*pairs, *opus]), []


def _opus(application: str) -> Iterator[Coder]:
    for packet_ms, bitrates in _OPUS_BITRATES:
        for kbps in bitrates:
            yield OpusCoder(kbps, packet_ms, application if packet_ms == 20.0 else "lowdelay")


def find_measures() -> tuple[frozenset[str], list[str]]:
    """Return those of `MEASURES` whose packages are installed, and a line for each other one."""
    missing = {measure: name for measure, name in _PACKAGES.items() if find_spec(name) is None}
    lines = [
        f"{measure.upper()} is left out: {missing_package(_PIP_NAMES.get(name, name))}"
        for measure, name in missing.items()
    ]
    return frozenset(MEASURES) - missing.keys(), lines


def lost_packets(count: int, loss_percent: float, seed: int = 0) -> NDArray[np.bool_]:
    """Draw the packets that a line loses, in bursts of 2 on average.

    Of several patterns it takes the one whose loss is the nearest to the given one: in a few
    seconds the loss of a random pattern may be half or twice as high.

    Parameters
    ----------
    count
        Number of packets.
    loss_percent
        Share of them that is lost on average, 0 .. 90.
    seed
        Start of the random numbers.

    Returns
    -------
    numpy.ndarray
        bool ``[count]``, true where one is lost.

    Examples
    --------
    >>> lost_packets(8, 0.0).any()
    np.False_
    """
    conditions = Conditions(loss=loss_percent / 100.0, burst=BURST_PACKETS)
    patterns = []
    for draw in range(DRAWS):
        network = Network(conditions, DRAWS * seed + draw)
        patterns.append([not network.send(b".", 0.02 * number) for number in range(count)])
    return np.array(min(patterns, key=lambda lost: abs(sum(lost) - count * conditions.loss)), bool)


class _Task(NamedTuple):
    coder: Coder
    clip: CodecClip
    measures: frozenset[str]


def scores(
    coders: Coders, clips: Sequence[CodecClip], measures: frozenset[str], jobs: int = 1
) -> Iterator[list[dict[str, Any]]]:
    """Score every codec on every recording.

    Parameters
    ----------
    coders, clips
        The codecs and the recordings.
    measures
        Which of `MEASURES`.
    jobs
        Number of processes.

    Yields
    ------
    list of dict
        For one codec and recording a row for each loss: ``codec``, ``kbps``, ``group``, ``clip``,
        ``loss_percent``, and those of `MEASURES` that apply; without losses the bitrates and
        compression ratios, too.
    """
    tasks = [_Task(coder, clip, measures) for clip in clips for coder in coders.suited(clip)]
    if jobs <= 1:
        yield from map(_score, tasks)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_score, tasks)


def _score(task: _Task) -> list[dict[str, Any]]:
    coder, clip, measures = task
    x, rate_hz = clip.read()
    coded = coder.encode(x, rate_hz)
    rows = []
    for loss_percent in LOSSES_PERCENT if coder.packet_ms == LOSSY_MS else LOSSES_PERCENT[:1]:
        lost = lost_packets(len(coded.packets), loss_percent, zlib.crc32(clip.name.encode()))
        arrived = [None if gone else p for gone, p in zip(lost, coded.packets, strict=True)]
        y = _aligned(x, coder.decode(arrived, rate_hz, x.shape[-1]).sound, rate_hz)
        row: dict[str, Any] = {
            "codec": coder.codec,
            "kbps": coder.kbps,
            "group": clip.group,
            "clip": clip.name,
            "loss_percent": loss_percent,
        }
        if not loss_percent:
            seconds = len(coded.packets) * coder.packet_ms / 1000.0
            payload = sum(map(len, coded.packets))
            row |= _bits("payload", payload, seconds, x, rate_hz)
            row |= _bits("file", len(coded.file), x.shape[-1] / rate_hz, x, rate_hz)
        channels = list(zip(np.atleast_2d(x), np.atleast_2d(y), strict=True))
        wanted = measures if not loss_percent else measures - {"visqol"}
        found = [_measured(one, other, rate_hz, clip.music, wanted) for one, other in channels]
        rows.append(row | {key: float(np.mean([each[key] for each in found])) for key in found[0]})
    return rows


def _bits(kind: str, size: int, seconds: float, x: Signal, rate_hz: int) -> dict[str, float]:
    """Return the bitrate of a number of bytes, and the ratio of 16-bit PCM to it."""
    kbps = 8.0 * size / seconds / 1000.0
    pcm_kbps = 16.0 * len(np.atleast_2d(x)) * rate_hz / 1000.0
    return {f"{kind}_kbps": kbps, f"{kind}_ratio": pcm_kbps / kbps}


def _aligned(x: Signal, y: Signal, rate_hz: int) -> Signal:
    """Return ``y`` without the little delay that its codec does not state."""
    most = round(MOST_LAG_MS * rate_hz / 1000.0)
    lag = max(range(-most, most + 1), key=lambda lag: float(np.vdot(x, np.roll(y, -lag, axis=-1))))
    return np.roll(y, -lag, axis=-1)


def _measured(
    x: Signal, y: Signal, rate_hz: int, music: bool, measures: frozenset[str]
) -> dict[str, float]:
    one, other = (at_rate(each, rate_hz, MEL_HZ) for each in (x, y))
    found = {"mel": mel_distance(one, other, MEL_HZ), "si_sdr_db": si_sdr_db(x, y)}
    if "visqol" in measures:
        found["visqol"] = visqol(x, y, rate_hz, music=music)
    if "pesq" in measures and not music:
        found["pesq"] = pesq_wb(x, y, rate_hz)
    if "stoi" in measures and not music:
        found["stoi"] = stoi(x, y, rate_hz)
    return found


def decoded(coder: Coder, clip: CodecClip) -> Signal:
    """Return a recording encoded and decoded without losses, for the ear.

    Parameters
    ----------
    coder
        The codec.
    clip
        The recording.

    Returns
    -------
    numpy.ndarray
        float64 ``[frames]``, aligned with it and at its sample rate.
    """
    x, rate_hz = clip.read()
    y = coder.decode(coder.encode(x, rate_hz).packets, rate_hz, x.shape[-1]).sound
    return _aligned(x, y, rate_hz)


def summary(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Average the rows of each group, codec, bitrate and loss.

    Parameters
    ----------
    rows
        Of `scores`.

    Returns
    -------
    list of dict
        As the rows, in their order, with ``count`` instead of ``clip``. A mean leaves NaN out (PESQ
        where it finds no speech).
    """
    keys = ("group", "codec", "kbps", "loss_percent")
    parts: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        parts.setdefault(tuple(row[key] for key in keys), []).append(row)
    found = []
    for names, part in parts.items():
        means = dict(zip(keys, names, strict=True)) | {"count": len(part)}
        for key in (*BITS, *MEASURES):
            values = [row[key] for row in part if key in row and not math.isnan(row[key])]
            if values:
                means[key] = float(np.mean(values))
        found.append(means)
    return found
