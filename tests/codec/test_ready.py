"""What a call needs is compiled before it begins: a frame of 20 ms cannot wait for a compiler."""

from __future__ import annotations

import os
import subprocess
import sys

PLAY = """
import threading
import time

import numpy as np
from numba.core import event

from rtaudio.codec.dtx import PauseDetector
from rtaudio.codec.find import find_codec
from rtaudio.codec.model import FrameEncoder
from rtaudio.codec.receiver import Receiver
from rtaudio.codec.sender import Sender
from rtaudio.live.incoming import Playout

codec = find_codec("codec-voice")
key = bytes.fromhex(codec.id)[:8]
encoder, detector, sender = FrameEncoder(codec), PauseDetector(), Sender(key)
receiver = Receiver(key)
playout = Playout(codec, receiver, threading.Lock(), lambda: 0)
sound = playout.sound()
rng = np.random.default_rng(0)
with event.install_recorder("numba:compiler_lock") as compiled:
    for number in range(120):
        time.sleep(0.02)
        level = 0.1 if number % 60 < 30 else 1e-5
        frame = (level * rng.standard_normal(codec.hop)).astype(np.float32)
        codes = encoder.encode(frame, codec.books)[:, 0]
        noise = detector.step(frame)
        for datagram in sender.frame(codes) if noise is None else sender.pause(noise):
            if number % 7:
                receiver.receive(datagram, ("peer", 1), time.monotonic())
        next(sound)
print(playout.books == codec.books, receiver.stats.jitter.concealed > 0, len(compiled.buffer))
"""


def test_a_call_waits_for_no_compiler(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PLAY],
        env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "True True 0\n"
