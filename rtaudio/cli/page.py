"""``rtaudio page``: play a preset with its knobs and meters in the browser."""

from __future__ import annotations

from rtaudio.cli.run import Block, Device, Listen, OscPort, Port, Preset, Rate, run


def page(
    preset: Preset = "clean",
    device: Device = "default",
    rate_hz: Rate = None,
    block: Block = 64,
    port: Port = 8080,
    listen: Listen = None,
    osc: OscPort = None,
) -> None:
    """Play a preset live with its knobs and meters in the browser: `rtaudio run PRESET --page`."""
    run(
        preset,
        device,
        rate_hz=rate_hz,
        block=block,
        page=True,
        port=port,
        listen=listen,
        osc=osc,
    )
