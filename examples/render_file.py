"""Render a sound file through a chain, in memory and as a stream.

An effect is a function: an array goes in, an array of the same length comes out, in time with it.
`render_file` does the same with a file of any length, and needs little memory.

    python examples/render_file.py dry.wav wet.wav
    python examples/render_file.py                     # a plucked guitar that comes with rtaudio
"""

from __future__ import annotations

import argparse
from pathlib import Path

import rtaudio as rt
from rtaudio.audio.riff import riff
from rtaudio.audio.writer import write_audio
from rtaudio.batch.render_file import render_file


def main() -> None:
    """Render a file through an amp, a cabinet and an echo."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("source", type=Path, nargs="?", help="default: a riff, made here")
    parser.add_argument("target", type=Path, nargs="?", default=Path("wet.wav"))
    given = parser.parse_args()

    amp = rt.load_preset("crunch")
    chain = rt.Chain([amp, rt.Delay(time_ms=320.0, feedback=0.3, mix=0.2), rt.Limiter()])
    source = given.source
    if source is None:
        dry = riff(48000)[: 4 * 48000]
        wet = chain(dry, 48000)  # the array way
        print(f"in memory: {dry.shape} in, {wet.shape} out")
        source = given.target.with_name("dry.wav")
        write_audio(source, dry, 48000)
    done = render_file(chain, source, given.target)  # the file way
    seconds = done.frames / done.rate_hz
    print(f"{given.target}: {seconds:.1f} s in {done.seconds:.2f} s, peak {done.peak:.2f}")
    print(f"the chain is {done.latency_samples} samples late; that was compensated")


if __name__ == "__main__":
    main()
