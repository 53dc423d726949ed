"""MIDI: from a message to the parameter, and a flood beside the sound.

Run ``python -m benchmarks.midi [--preset crunch] [--seconds 60] [--json]``. It starts a private
JACK server with the dummy driver (48 kHz, 64 frames, real-time priority if permitted), a player
with ``MidiControl``, and a controller in a process of its own. First 1,000 messages come one by
one: the time from the call that sends one to the value in the slot that the audio thread reads,
which includes a period of JACK. Then 10,000 messages a second come for half of the seconds, in
turns with silence of the same length: missed blocks with and without, in one run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.live import BLOCK, RATE, Jack

SINGLE, FLOOD_HZ, TURNS = 1000, 10_000, 4
CONTROL, TOP = 1, 16383
MAPPING = "map: [{control: 1, bits: 14, to: output.mix, pickup: false, feedback: false}]\n"


def play(preset: str, seconds: float) -> dict[str, Any]:
    """Play, and obey the controller that this starts; run in a process of its own."""
    import rtaudio as rt
    from rtaudio.control.change import Change
    from rtaudio.control.midi.midi_control import MidiControl
    from rtaudio.control.session import Session

    noise = np.random.default_rng(0).random((1, RATE * round(seconds + 60)), np.float32)
    host = rt.Host(rt.load_preset(preset), "system", RATE, BLOCK, source=0.5 * noise - 0.25)
    session = Session(host)
    command = [sys.executable, "-m", "benchmarks.midi", "--send"]
    pipe = subprocess.PIPE
    arrived: dict[int, int] = {}
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as sender, host:
        assert sender.stdin is not None
        assert sender.stdout is not None
        told = sender.stdout
        commands = sender.stdin

        def ask(word: str, amount: float) -> Any:
            commands.write(f"{word} {amount}\n")
            commands.flush()
            return json.loads(told.readline())

        def note(change: Change) -> None:
            if change.kind == "parameter":
                arrived.setdefault(round(float(change.value) * TOP), time.monotonic_ns())

        told.readline()
        with MidiControl(session, ["flood"], print) as midi:
            end = session.subscribe(note)
            sent = ask("single", SINGLE)
            time.sleep(0.2)
            end()
            turns = []
            for turn in range(2 * TURNS):
                before, messages = host.read(), midi.counts["messages"]
                flood = turn % 2 == 1
                count = ask("flood" if flood else "wait", seconds / TURNS / 2)
                after = host.read()
                turns.append(
                    {
                        "flood": flood,
                        "sent": count,
                        "received": midi.counts["messages"] - messages,
                        "blocks": after.blocks - before.blocks,
                        "missed": after.missed - before.missed,
                    }
                )
            damaged = midi.counts["damaged"]
        commands.close()
    late_us = [(arrived[n] - at) / 1000 for n, at in enumerate(sent, 1) if n in arrived]
    return {"late_us": late_us, "superseded": len(sent) - len(late_us), "damaged": damaged,
            "turns": turns}  # fmt: skip


def send() -> None:
    """Be the controller: obey the lines of stdin."""
    import rtmidi

    out = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name="Flood")
    out.open_virtual_port("out")
    print("ready", flush=True)
    for line in sys.stdin:
        word, amount = line.split()
        result: Any = 0
        if word == "single":
            result = [_single(out, number) for number in range(1, int(float(amount)) + 1)]
        elif word == "wait":
            time.sleep(float(amount))
        else:
            result = _flood(out, float(amount))
        print(json.dumps(result), flush=True)


def _single(out: Any, number: int) -> int:
    """Send one value of 14 bits, and return when its last byte was sent."""
    time.sleep(0.004 + 0.002 * np.random.default_rng(number).random())
    out.send_message([0xB0, CONTROL, number >> 7])
    at = time.monotonic_ns()
    out.send_message([0xB0, CONTROL + 32, number & 127])
    return at


def _flood(out: Any, seconds: float) -> int:
    """Send as many messages as the rate demands; a late moment is made up for."""
    begin, count = time.monotonic(), 0
    while (now := time.monotonic() - begin) < seconds:
        while count < now * FLOOD_HZ:
            out.send_message([0xB0, CONTROL + 32 * (count & 1), (count >> 1) & 127])
            count += 1
        time.sleep(0.001)
    return count


def measure(preset: str, seconds: float) -> dict[str, Any]:
    """Return all figures.

    Parameters
    ----------
    preset
        What plays.
    seconds
        Duration of flood and silence together.
    """
    jack = Jack(RATE, BLOCK, "rtaudio-midi")
    try:
        with tempfile.TemporaryDirectory() as home:
            folder = Path(home) / "rtaudio" / "midi"
            folder.mkdir(parents=True)
            (folder / "flood.yaml").write_text(MAPPING)
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.midi", "--play", "--preset", preset,
                 "--seconds", str(seconds)],
                env=os.environ | {"JACK_DEFAULT_SERVER": jack.name, "XDG_CONFIG_HOME": home},
                capture_output=True,
                text=True,
            )  # fmt: skip
    finally:
        jack.stop()
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    late = np.array(found.pop("late_us"))
    found["message_to_slot_us"] = {
        "p50": float(np.percentile(late, 50)),
        "p99": float(np.percentile(late, 99)),
        "max": float(late.max()),
        "messages": late.size,
    }
    for name, flood in (("with", True), ("without", False)):
        turns = [turn for turn in found["turns"] if turn["flood"] is flood]
        keys = ("sent", "received", "blocks", "missed")
        found[name] = {key: sum(turn[key] for turn in turns) for key in keys}
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="crunch")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--play", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--send", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.send:
        send()
    elif options.play:
        print(json.dumps(play(options.preset, options.seconds)))
    else:
        found = measure(options.preset, options.seconds)
        if options.json:
            print(json.dumps(found))
            return
        late = found["message_to_slot_us"]
        print(
            f"message to slot, {late['messages']} messages: p50 {late['p50']:.0f} us, "
            f"p99 {late['p99']:.0f} us, max {late['max']:.0f} us; "
            f"{found['superseded']} came together with a later one"
        )
        for name in ("without", "with"):
            each = found[name]
            print(
                f"{name:>8} a flood: {each['blocks']} blocks, missed {each['missed']}; "
                f"messages sent {each['sent']}, received {each['received']}"
            )


if __name__ == "__main__":
    main()
