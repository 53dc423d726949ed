"""Change the whole chain while it plays, without a gap.

`Host.swap` builds the new chain beside the one that plays, then cross-fades for 50 ms. If the new
one cannot be built, the old one plays on.

    python examples/swap_presets.py                    # your default sound device
    python examples/swap_presets.py --device clock clean edge crunch high-gain
"""

from __future__ import annotations

import argparse

import rtaudio as rt


def main() -> None:
    """Play several presets, one after the other."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("presets", nargs="*", default=["clean", "crunch"])
    parser.add_argument("--device", default="default", help="a name, a part of it, or clock")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each preset")
    given = parser.parse_args()

    chains = {name: rt.load_preset(name) for name in given.presets}  # faults show here, not live
    first, *others = chains
    with rt.Host(chains[first], given.device) as host:
        print(f"{first} on {host.device_name}")
        host.wait(given.seconds)
        for name in others:
            host.swap(chains[name])
            print(f"{name}: {host.stats().latency_samples} samples of latency")
            host.wait(given.seconds)
        stats = host.stats()
    print(f"{stats.blocks} blocks, {stats.missed} missed, {sum(stats.faults.values())} faults")


if __name__ == "__main__":
    main()
