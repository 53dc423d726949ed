"""Read the cost and the latency of a run, and whether it lost a block.

Reading costs the audio thread nothing: it writes counters, and Python looks at them.

    python examples/watch_statistics.py                # without hardware
    python examples/watch_statistics.py --device USB --preset denoise --block 480
"""

from __future__ import annotations

import argparse

import rtaudio as rt


def main() -> None:
    """Play a preset and print its statistics once a second."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--preset", default="crunch-stereo")
    parser.add_argument("--device", default="clock", help="a name, a part of it, or clock")
    parser.add_argument("--block", type=int, default=64, help="frames per block")
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args()

    with rt.Host(rt.load_preset(given.preset), given.device, block=given.block) as host:
        stats = host.stats()
        for _ in range(max(1, round(given.seconds))):
            host.wait(min(1.0, given.seconds))
            stats = host.stats()
            print(f"{stats.seconds:5.1f} s  load {100 * stats.load:5.2f} %  missed {stats.missed}")
    took, gap = stats.callback_us, stats.gap_us
    print(f"callback, us:  p50 {took.p50:.1f}  p99 {took.p99:.1f}  max {took.max:.1f}")
    print(f"between two:   p50 {gap.p50:.1f}  p99 {gap.p99:.1f}  max {gap.max:.1f}")
    print("latency, samples:")
    for effect, samples in stats.latency_parts.items():
        print(f"  {effect:14} {samples:6d}")
    chain_ms = 1000 * stats.latency_samples / host.rate_hz
    device_ms = sum(stats.device_latency_ms)
    print(f"  the chain {chain_ms:.2f} ms, the device reports {device_ms:.2f} ms")
    print(f"xruns: {stats.xruns}, faults: {stats.faults or 'none'}")


if __name__ == "__main__":
    main()
