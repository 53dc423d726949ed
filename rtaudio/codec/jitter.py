"""The adaptive jitter buffer: when a frame is played, and what counts as lost.

Time is that of the caller: the buffer only knows when packets arrived and when frames are fetched.
The transit of a packet is its arrival less the time of its first frame by the sender's clock. A
frame is in time if its transit is at most the play-out delay ``now - time of the frame``; where the
two clocks start does not matter.

The target of the delay is the 0.98 quantile of the transits of the last 5 s. So it grows fast:
after a step of the network, by the sixth late packet (of 250); and it shrinks slowly, when the last
packets of the slow time are 5 s old. The delay follows the target at no price that is heard:

- it grows where the next frame is missing and the delay is too short: that frame would have been
  concealed anyway; now it is waited for, by one frame if later ones are there already;
- it shrinks where the next frame is missing, or silent, and the delay is a whole frame too long:
  that frame is left out.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

import numpy as np

from rtaudio.codec.codes import NOT_SENT, Codes
from rtaudio.codec.noise_shape import NoiseShape
from rtaudio.codec.packets import Payload
from rtaudio.codec.rtp import InterarrivalJitter

FRAME_S = 0.02
"""Duration of a frame."""

QUANTILE = 0.98
"""Share of the packets that the delay waits for."""

WINDOW_FRAMES = 250
"""The target looks back on packets of the last 5 s."""

RECENT_FRAMES = 25
"""Packets of half a second, for what changes at once."""

FIRST_PACKETS = 50
"""Until then too little is known of the jitter, and one frame is added to the target."""

MAX_DEPTH_S = 1.0
"""The target is at most this much above the median of the window."""

MAX_FRAMES = 150
"""Most frames that are kept."""

MAX_SURPLUS_FRAMES = 25
"""A delay that is longer than the target by more than this is cut at once, heard or not."""

MAX_STEP_S = 2.0
"""A transit that differs by more is a restart of the sender, once a second packet agrees."""

PAUSE_FRAMES = 50
"""A pause of which nothing more is heard for that long is no pause but a loss."""

GONE_FRAMES = 100
"""A sender of which nothing more is heard for that long is gone; the next packet starts anew."""


class Frame(NamedTuple):
    """What is to be played for 20 ms.

    Attributes
    ----------
    number
        Its place by the sender's clock.
    codes
        int64 ``[books]``, -1 for what was not sent; without books in a pause.
    noise
        In a pause: what fills it.
    begins
        Whether the encoder began anew with it.
    """

    number: int
    codes: Codes
    noise: NoiseShape | None = None
    begins: bool = False


class JitterStats(NamedTuple):
    """What happened so far, and the state of the delay.

    Attributes
    ----------
    received
        Packets that arrived.
    rejected
        Of these, packets with an impossible time stamp.
    duplicate
        Frames that arrived again.
    late
        Frames that arrived after their time.
    played
        Frames of codes that were played.
    recovered
        Of these, frames that only a copy in a later packet brought.
    lost
        Frames that were passed over because they had not arrived. They count when a later packet
        arrives: after the end of a sender nothing is lost.
    waited
        Frames of time that were concealed to make the delay longer.
    dropped
        Frames that were left out to make the delay shorter.
    restarts
        How often the time stamps began anew.
    delay_ms, target_ms
        The delay of play-out and its target, beyond that of the fastest packet of the window.
        A resampler that follows the clock drift keeps their difference constant.
    jitter_ms
        The interarrival jitter of RFC 3550.
    slip_ms
        How much slower the fastest packet of the last half second was than that of the window. The
        sender's sound card has lost blocks since, or the network has become slower.
    """

    received: int = 0
    rejected: int = 0
    duplicate: int = 0
    late: int = 0
    played: int = 0
    recovered: int = 0
    lost: int = 0
    waited: int = 0
    dropped: int = 0
    restarts: int = 0
    delay_ms: float = 0.0
    target_ms: float = 0.0
    jitter_ms: float = 0.0
    slip_ms: float = 0.0

    @property
    def concealed(self) -> int:
        """Frames of time for which there were no codes."""
        return self.lost + self.waited


class _Entry(NamedTuple):
    frame: Frame
    copied: bool


class JitterBuffer:
    """Puts frames in order, and gives one of them every 20 ms.

    It holds at most 150 frames. After an outage, a restart, or a jump of the time stamps it plays
    again as soon as the first packet (after a jump, the second) is as old as the target.

    Examples
    --------
    >>> buffer = JitterBuffer()
    >>> for index in range(3):
    ...     buffer.push(index, Payload(np.full((12, 1), index)), arrival_s=7.0 + 0.02 * index)
    >>> [buffer.pop(now_s) is None for now_s in (7.0, 7.02, 7.04, 7.06, 7.08)]
    [True, False, False, False, True]
    >>> buffer.stats.played, buffer.stats.concealed  # of a sender that ended nothing is missing
    (3, 0)
    """

    def __init__(self) -> None:
        self._counts = dict.fromkeys(JitterStats._fields[:10], 0)
        self._delay_s = 0.0
        self._jitter = InterarrivalJitter()
        self._odd: float | None = None
        self._forget()

    def _forget(self) -> None:
        """Start anew with the next packet."""
        self._entries: dict[int, _Entry] = {}
        self._next: int | None = None
        self._newest: int | None = None
        self._unheard = 0
        self._transits: deque[tuple[int, float]] = deque(maxlen=WINDOW_FRAMES)
        self._fastest_s = self._recent_s = self._target_s = 0.0
        self._aimed = True
        self._waiting: int | None = None
        self._missed: dict[int, bool] = {}
        self._pause: Frame | None = None

    def restart(self) -> None:
        """Forget the sender: the next packet is the first one of another."""
        self._counts["restarts"] += 1
        self._jitter = InterarrivalJitter()
        self._forget()

    def push(self, index: int, payload: Payload, arrival_s: float, *, begins: bool = False) -> None:
        """Take a packet.

        Parameters
        ----------
        index
            Number of its first frame: the time stamp without wraps, in frames.
        payload
            Its contents.
        arrival_s
            When it arrived, by the clock that `pop` is told.
        begins
            Whether the encoder began anew with its first frame.
        """
        self._counts["received"] += 1
        transit_s = arrival_s - FRAME_S * index
        if not self._plausible(transit_s):
            return
        self._jitter.update(transit_s)
        frames = payload.codes.shape[1]
        if payload.noise is not None:
            self._store(_Entry(Frame(index, payload.codes[:, 0], payload.noise), copied=False))
        else:
            self._store_all(index, payload.codes, copied=False, begins=begins)
        self._observe(index, transit_s)
        if payload.copy is not None:
            first = index - payload.copy.packets_back * frames
            if self._store_all(first, payload.copy.codes, copied=True):
                self._observe(first, arrival_s - FRAME_S * first)
        while len(self._entries) > MAX_FRAMES:
            del self._entries[min(self._entries)]

    def _plausible(self, transit_s: float) -> bool:
        """Tell whether a packet belongs to the stream; start anew for the second that does not."""
        if not self._transits or abs(transit_s - self._transits[-1][1]) <= MAX_STEP_S:
            self._odd = None
            return True
        if self._odd is None or abs(transit_s - self._odd) > MAX_STEP_S:
            self._odd = transit_s
            self._counts["rejected"] += 1
            return False
        self._odd = None
        self.restart()
        return True

    def _store_all(self, first: int, codes: Codes, *, copied: bool, begins: bool = False) -> bool:
        """Keep frames; return whether the first of them was missing."""
        missing = False
        sent = np.count_nonzero(codes != NOT_SENT, axis=0).tolist()
        for place, books in enumerate(sent):
            if books:
                frame = Frame(first + place, codes[:books, place], begins=begins and place == 0)
                missing |= self._store(_Entry(frame, copied)) and place == 0
        return missing

    def _store(self, entry: _Entry) -> bool:
        """Keep a frame if it is in time, and more than is known; return whether it was missing.

        A frame that was lost was missing, too, if only its copy comes: then the delay was too short
        for the copies, and their transit counts in the target.
        """
        index = entry.frame.number
        if self._next is not None and index < self._next:
            self._counts["late"] += not entry.copied
            return self._missed.pop(index, False)
        known = self._entries.get(index)
        if known is None:
            self._entries[index] = entry
            return True
        if entry.frame.codes.size > known.frame.codes.size:
            self._entries[index] = entry
        elif not entry.copied:
            self._counts["duplicate"] += 1
        return False

    def _observe(self, index: int, transit_s: float) -> None:
        self._transits.append((index, transit_s))
        if self._newest is None or index > self._newest:
            self._newest = index
            self._counts["lost"] += self._unheard
            self._unheard = 0
        self._aimed = False

    def _aim(self) -> float:
        """Return the target of the delay."""
        if not self._aimed and self._newest is not None:
            oldest = self._newest - WINDOW_FRAMES
            while len(self._transits) > 1 and self._transits[0][0] < oldest:
                self._transits.popleft()
            transits = sorted(transit_s for _, transit_s in self._transits)
            place = math.ceil(QUANTILE * len(transits)) - 1
            margin_s = FRAME_S if len(transits) < FIRST_PACKETS else 0.0
            self._fastest_s = transits[0]
            recent = self._newest - RECENT_FRAMES
            self._recent_s = min(
                (transit_s for index, transit_s in self._transits if index > recent),
                default=self._fastest_s,
            )
            self._target_s = min(
                transits[place] + margin_s, transits[len(transits) // 2] + MAX_DEPTH_S
            )
            self._aimed = True
        return self._target_s

    def pop(self, now_s: float, quiet: bool = False) -> Frame | None:
        """Return the frame that is to be played now; None if it is lost, or nothing plays yet.

        Call it every 20 ms.

        Parameters
        ----------
        now_s
            The time.
        quiet
            Whether what was played last was so quiet that a frame may be left out.
        """
        target_s = self._aim()
        if self._next is None:
            if not self._entries or now_s - FRAME_S * min(self._entries) < target_s:
                return None
            self._next = min(self._entries)
        self._delay_s = now_s - FRAME_S * self._next
        self._shorten(int((self._delay_s - target_s + 1e-9) / FRAME_S), quiet)
        entry = self._entries.pop(self._next, None)
        if entry is None:
            return self._without(target_s)
        self._next += 1
        if entry.frame.noise is not None:
            self._pause = entry.frame
        else:
            self._pause = None
            self._counts["played"] += 1
            self._counts["recovered"] += entry.copied
        return entry.frame

    def _shorten(self, surplus: int, quiet: bool) -> None:
        """Leave frames out if the delay is too long by whole frames."""
        assert self._next is not None
        if surplus > MAX_SURPLUS_FRAMES:
            skipped = surplus
        elif surplus >= 1 and (quiet or self._next not in self._entries):
            skipped = 1
        else:
            return
        self._counts["dropped"] += skipped if self._pause is None else 0
        for index in sorted(index for index in self._entries if index < self._next + skipped):
            frame = self._entries.pop(index).frame
            self._pause = frame if frame.noise is not None else None
        self._next += skipped
        self._delay_s -= skipped * FRAME_S

    def _without(self, target_s: float) -> Frame | None:
        """Return the frame for a time at which none is there: the pause goes on, or it is lost."""
        assert self._next is not None
        assert self._newest is not None
        if self._next - self._newest > GONE_FRAMES:
            self._forget()
            return None
        wait = self._delay_s < target_s and not (self._entries and self._waiting == self._next)
        self._waiting = self._next
        pause = self._pause
        if pause is not None and self._next - pause.number <= PAUSE_FRAMES:
            index, self._next = self._next, self._next + (not wait)
            return Frame(index, pause.codes, pause.noise)
        self._pause = None
        if wait:
            self._counts["waited"] += 1
            return None
        if self._next > self._newest:
            self._unheard += 1
        else:
            self._counts["lost"] += 1
        self._missed[self._next] = True
        if len(self._missed) > WINDOW_FRAMES:
            del self._missed[min(self._missed)]
        self._next += 1
        return None

    @property
    def number(self) -> int | None:
        """Number of the frame that the last `pop` was about; None if nothing plays.

        It stays where the buffer waits, and leaps where frames are left out.
        """
        return None if self._next is None else self._next - 1

    @property
    def stats(self) -> JitterStats:
        """What happened so far, and the state of the delay."""
        target_s = self._aim()
        playing = self._next is not None
        return JitterStats(
            **self._counts,
            delay_ms=1000.0 * (self._delay_s - self._fastest_s) if playing else 0.0,
            target_ms=1000.0 * (target_s - self._fastest_s),
            jitter_ms=1000.0 * self._jitter.value_s,
            slip_ms=1000.0 * (self._recent_s - self._fastest_s),
        )
