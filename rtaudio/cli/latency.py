"""``rtaudio latency``: measure the round trip through device, cable and chain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rtaudio.cli.run import Device, Rate, parse_device
from rtaudio.errors import UsageError, plain
from rtaudio.view import terminal
from rtaudio.view.words import counted

if TYPE_CHECKING:
    from rtaudio.capture.latency import RoundTrip
    from rtaudio.capture.player import Progress

_PATIENCE_S = 10.0
"""Time in which something must come back: JACK's ports take a cable only while they play."""


def latency(
    device: Device = "default",
    preset: Annotated[
        str | None,
        typer.Option(help="Measure through this preset or model, too (default: the device alone)."),
    ] = None,
    rate_hz: Rate = None,
    block: Annotated[int, typer.Option(min=1, max=8192, help="Frames per block.")] = 64,
    seconds: Annotated[
        float, typer.Option(min=2.0, max=3600.0, help="Duration; drift of clocks needs minutes.")
    ] = 10.0,
    out_device: Annotated[
        str | None, typer.Option(help="Device to play on; --device is then the input only.")
    ] = None,
    in_channel: Annotated[int, typer.Option(min=1, help="Input channel with the cable.")] = 1,
    out_channel: Annotated[int, typer.Option(min=1, help="Output channel with the cable.")] = 1,
    level: Annotated[
        float, typer.Option(min=-60.0, max=0.0, help="Peak of the played noise in dBFS.")
    ] = -20.0,
    picture: Annotated[
        Path | None, typer.Option(help="Draw the delay over time into this file.")
    ] = None,
    json: terminal.Json = False,
) -> None:
    """Measure the latency from an output, through a cable, back to an input.

    Connect an output to an input, or the two ports that appear in a JACK server, and turn
    monitoring off. Noise is played; each second gives one delay, to a fraction of a sample. Jitter,
    drift and jumps are told, and the difference from what device and chain report.

    `rtaudio capture --latency FILE` takes the JSON of a measurement without a preset.
    """
    terminal.say_loading("the measurement")
    from rtaudio.capture.latency import SILENT, measure_round_trip
    from rtaudio.capture.player import own_rate_hz
    from rtaudio.preset.load import load_preset
    from rtaudio.runtime.decibels import from_db
    from rtaudio.view.sound import check_picture

    if picture is not None:
        check_picture(picture)
    chain = None if preset is None else load_preset(preset)
    wanted = parse_device(device)
    with terminal.progress(not json) as bars:
        task = bars.add_task("playing", total=1.0)

        def watch(progress: Progress) -> None:
            bars.update(task, completed=progress.share)
            patience = min(1.0, _PATIENCE_S / seconds)
            if progress.share >= patience and progress.highest < SILENT:
                raise UsageError(
                    "nothing comes back; connect the output to the input, and check channels and "
                    "levels; see: rtaudio devices"
                )

        trip = measure_round_trip(
            chain, wanted, rate_hz or own_rate_hz(wanted), block, seconds=seconds,
            level=from_db(level), in_channel=in_channel, out_channel=out_channel,
            out_device=None if out_device is None else parse_device(out_device), watch=watch,
        )  # fmt: skip
    if picture is not None:
        from rtaudio.capture.latency_picture import draw_round_trip

        draw_round_trip(picture, trip)
    if json:
        terminal.print_json({**trip.as_json(), "picture": picture})
    else:
        _print_trip(trip)
    if trip.lost_blocks:
        count = counted(trip.lost_blocks, "block")
        terminal.remark(f"the device lost {count}; measure again with a larger --block")


def _print_trip(trip: RoundTrip) -> None:
    def row(name: str, samples: float) -> tuple[str, str, str]:
        return name, f"{samples:.3f}", f"{1000.0 * samples / trip.rate_hz:.4f}"

    rows = [
        row("measured", trip.samples),
        row("reported by the device", trip.device_samples),
        row("reported by the chain", trip.chain_samples),
        row("measured more than reported", trip.samples - trip.reported_samples),
        (
            "jitter",
            f"{trip.jitter_samples:.3f}",
            f"{1000 * trip.jitter_samples / trip.rate_hz:.4f}",
        ),
    ]
    title = f"{trip.device}, {trip.rate_hz} Hz, blocks of {trip.block}"
    terminal.print_table(title, ["", "samples", "ms"], rows)
    jumps = ", ".join(f"{jump.samples:+.1f} samples at {jump.at_s:.0f} s" for jump in trip.jumps)
    windows = counted(len(trip.delays_samples), "second")
    print(plain(f"drift {trip.drift_ppm:.3f} ppm over {windows}; jumps: {jumps or 'none'}"))
