"""Record the output to a file while it plays.

The audio thread writes into a ring of memory; a thread of Python writes that to the disk. The file
takes its name when it is complete, so a crash leaves no half-written one.

    python examples/record_run.py take.wav             # your default sound device
    python examples/record_run.py take.wav --device clock
"""

from __future__ import annotations

import argparse
from pathlib import Path

import rtaudio as rt
from rtaudio.audio.reader import read_audio
from rtaudio.audio.riff import riff


def main() -> None:
    """Play a guitar through an amp, and record it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("target", type=Path, nargs="?", default=Path("take.wav"))
    parser.add_argument("--device", default="default", help="a name, a part of it, or clock")
    parser.add_argument("--live", action="store_true", help="play the input, not the built-in riff")
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()

    source = None if given.live else riff(48000)[: round(48000 * given.seconds)]
    host = rt.Host(rt.load_preset("edge"), given.device, source=source, record=given.target)
    with host:
        host.wait(given.seconds)  # ends early with the source
    take, rate_hz = read_audio(given.target)
    print(f"{given.target}: {take.shape[1] / rate_hz:.2f} s, {take.shape[0]} channels")


if __name__ == "__main__":
    main()
