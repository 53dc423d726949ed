"""``rtaudio devices``: what PortAudio sees."""

from __future__ import annotations

from rtaudio.view import terminal as show


def devices(json: show.Json = False) -> None:
    """List the sound devices."""
    from rtaudio.devices.portaudio import list_devices

    found = list_devices()
    if json:
        show.print_json({"devices": found})
    elif not found:
        show.remark("no sound device; `--device clock` plays without one")
    else:
        show.table(
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
