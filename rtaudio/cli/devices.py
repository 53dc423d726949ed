"""``rtaudio devices``: list the sound devices that PortAudio sees."""

from __future__ import annotations

from rtaudio.view import terminal


def devices(json: terminal.Json = False) -> None:
    """List the sound devices."""
    from rtaudio.devices.portaudio import list_devices

    found = list_devices()
    if json:
        terminal.print_json({"devices": found})
    elif not found:
        terminal.remark("no sound device found; `--device clock` works without one")
    else:
        terminal.print_table(
            "devices",
            ["", "name", "host API", "in", "out", "rate", "low latency"],
            [
                (
                    d.index,
                    d.name + _defaults(d.default_input, d.default_output),
                    d.host_api,
                    d.inputs,
                    d.outputs,
                    round(d.rate_hz),
                    "{:.1f} + {:.1f} ms".format(*d.low_latency_ms),
                )
                for d in found
            ],
        )


def _defaults(source: bool, sink: bool) -> str:
    ways = [way for way, is_default in (("in", source), ("out", sink)) if is_default]
    return f" (default {' and '.join(ways)})" if ways else ""
