"""Control a running host from another program: sweep a knob, and watch the meters meanwhile.

Start a host with its page first, in another terminal; the link is what it prints.

    rtaudio run crunch --page --device clock
    python examples/remote_control.py http://127.0.0.1:8080/ --knob input.gain_db
"""

from __future__ import annotations

import argparse
import math

import rtaudio as rt
from rtaudio.control import Client, Desk, Server, Session


def sweep(link: str, knob: str, seconds: float) -> None:
    """Move a knob up and down once, and print the level of the output beside it."""
    with Client(link) as client:
        found = client.parameters()[knob]
        start = None
        for message in client.listen():
            if message["type"] != "reading":
                continue
            start = message["seconds"] if start is None else start
            passed = (message["seconds"] - start) / seconds
            if passed >= 1.0:
                break
            value = client.set(knob, found.value_at(0.5 - 0.5 * math.cos(2 * math.pi * passed)))
            level_db = max(message["levels"]["out_rms_db"])
            print(f"{found.title} {value:7.2f} {found.unit:3} output {level_db:7.1f} dB")
        client.reset(knob)


def main() -> None:
    """Sweep a knob of the host at a link; without one, of a host on the virtual clock."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("link", nargs="?", help="what rtaudio run --page prints")
    parser.add_argument("--knob", default="input.gain_db")
    parser.add_argument("--seconds", type=float, default=4.0)
    given = parser.parse_args()
    if given.link:
        sweep(given.link, given.knob, given.seconds)
        return
    with rt.Host(rt.load_preset("crunch"), "clock") as host, Server(Desk(Session(host)), 0) as own:
        sweep(own.link, given.knob, given.seconds)


if __name__ == "__main__":
    main()
