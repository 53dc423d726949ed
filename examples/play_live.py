"""Play an amp live and turn its knobs while it plays.

The chain runs on the audio thread in compiled code. The loop below is ordinary Python: it may be
as slow as it likes, since a changed value is ramped and the sound does not wait for it.

    python examples/play_live.py                       # your default sound device
    python examples/play_live.py --device clock        # without hardware
"""

from __future__ import annotations

import argparse
import math
import time

import rtaudio as rt


def main() -> None:
    """Sweep two knobs of the preset `crunch` while the guitar plays."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", default="default", help="a name, a part of it, or clock")
    parser.add_argument("--block", type=int, default=64, help="frames per block")
    parser.add_argument("--seconds", type=float, default=20.0)
    given = parser.parse_args()

    with rt.Host(rt.load_preset("crunch"), given.device, block=given.block) as host:
        print(f"playing on {host.device_name}; what can be turned:")
        for name, knob in host.parameters().items():
            print(f"  {name:28} {knob.value:8.2f}   {knob.low:g} .. {knob.high:g} {knob.unit}")
        end = time.monotonic() + given.seconds
        while (now := time.monotonic()) < end and host.running:
            swing = math.sin(2 * math.pi * now / 4.0)  # to and fro in 4 s
            host.set("input.gain_db", 6.0 + 6.0 * swing)
            host.set("tone.treble", 5.0 + 2.0 * swing)
            time.sleep(0.05)
        print(f"load {100 * host.stats().load:.1f} %, missed blocks {host.stats().missed}")


if __name__ == "__main__":
    main()
