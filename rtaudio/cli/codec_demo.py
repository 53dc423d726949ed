"""``rtaudio codec demo``: a call over a simulated network, beside the original and Opus."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rtaudio.cli.call import Call, read_voice
from rtaudio.cli.run import Block, parse_device
from rtaudio.errors import MetricsError, ParameterError, UsageError
from rtaudio.view import terminal

if TYPE_CHECKING:
    from rtaudio.codec.model import CodecModel
    from rtaudio.live.comparison import Comparison
    from rtaudio.live.incoming import Incoming
    from rtaudio.live.outgoing import Outgoing
    from rtaudio.live.relay import Relay

TAIL_S = 0.5
"""Silence after a file, in which the last of it leaves the codec."""

MOST_TAIL_S = 3.0
"""At the end of a file the demo waits at most so long for what is on its way."""

LOSS_STEP, JITTER_STEP_MS = 0.05, 10.0
MOST_LOSS, MOST_JITTER_MS = 0.5, 100.0


def demo(
    file: Annotated[
        Path | None, typer.Argument(help="Speech, at any sample rate (default: the microphone).")
    ] = None,
    device: Annotated[
        str,
        typer.Option(help="Name or index of a device; `clock` needs no hardware."),
    ] = "default",
    bitrate: Annotated[float, typer.Option(help="Bitrate of the codes in kbit/s.")] = 6.0,
    loss: Annotated[float, typer.Option(help="Packets that are lost, in percent.")] = 0.0,
    burst: Annotated[float, typer.Option(help="Mean number of packets lost in a row.")] = 2.0,
    jitter: Annotated[
        float, typer.Option(help="Mean of the random delay in ms; it reorders packets.")
    ] = 0.0,
    delay: Annotated[float, typer.Option(help="Constant delay in ms.")] = 20.0,
    rate: Annotated[
        float, typer.Option(help="Narrowest link in kbit/s, headers included; 0: no limit.")
    ] = 0.0,
    hear: Annotated[str, typer.Option(help="First version: original, codec or opus.")] = "codec",
    model: Annotated[
        str, typer.Option("--model", help="A shipped codec, or one of the two files of another.")
    ] = "codec-voice",
    record: Annotated[
        Path | None, typer.Option("--out", help="Also write what is heard to a file.")
    ] = None,
    block: Block = 128,
    seconds: Annotated[
        float | None, typer.Option(min=0.0, help="Duration (default: the file, or until Ctrl-C).")
    ] = None,
    json: terminal.Json = False,
) -> None:
    """Hear a call over a simulated network, beside the original and Opus.

    All three are in line, and lose the same frames. Keys: 1 original, 2 codec, 3 Opus; the arrows
    up and down change the bitrate, right and left the loss, + and - the jitter; m mutes, q quits.
    """
    terminal.say_loading("the codec")
    from rtaudio.codec.find import find_codec
    from rtaudio.codec.network import Conditions
    from rtaudio.live.incoming import Incoming
    from rtaudio.live.outgoing import Outgoing
    from rtaudio.live.relay import Relay

    chosen = find_codec(model)
    conditions = Conditions(
        loss=loss / 100.0, burst=burst, delay_ms=delay, jitter_ms=jitter, rate_kbps=rate
    )
    if file is not None and record is not None and record.resolve() == file.resolve():
        raise UsageError(f"{record}: is the file that is read; choose another name")
    source = None if file is None else read_voice(file, chosen.rate_hz, TAIL_S)
    comparison, missing = _comparison(chosen)
    if not _choose(comparison, hear):
        raise UsageError(f"--hear {hear}: is none of {', '.join(comparison.versions)}")
    card = parse_device(device)
    incoming = Incoming(chosen, 0, through=comparison.play, device=card, block=block, record=record)
    with Relay(incoming.address, conditions) as relay:
        outgoing = Outgoing(
            chosen,
            relay.address,
            bitrate_kbps=bitrate,
            on_frame=comparison.keep,
            device=card if source is None else "clock",
            block=block,
            source=source,
        )
        if missing:
            terminal.remark(missing)
        _Demo(chosen, outgoing, incoming, relay, comparison).run(seconds, json)


class _Demo(Call):
    """A call over a relay, with keys for the network and for the version that is heard."""

    keys_help = (
        "1 original  2 codec  3 Opus   ↑ ↓ bitrate   ← → loss   - + jitter   m mute   q quit"
    )

    def __init__(
        self,
        codec: CodecModel,
        outgoing: Outgoing,
        incoming: Incoming,
        relay: Relay,
        comparison: Comparison,
    ) -> None:
        super().__init__(codec, outgoing, incoming)
        self._sides = outgoing, incoming
        self._relay, self._comparison = relay, comparison
        self._end: tuple[int, float] | None = None

    @property
    def way_ms(self) -> float:
        """The constant delay of the network."""
        return self._relay.conditions.delay_ms

    @property
    def running(self) -> bool:
        """Until all of the file has been heard, or a device is lost."""
        outgoing, incoming = self._sides
        if outgoing.running or not incoming.running or outgoing.host.error:
            return outgoing.running and incoming.running
        now_s = time.monotonic()
        if self._end is None:  # the last frame, and when there is no more hope of hearing it
            self._end = self._comparison.latest, now_s + MOST_TAIL_S
        last, end_s = self._end
        return (incoming.number or 0) < last and now_s < end_s

    def press(self, key: str) -> None:
        """Act on a key."""
        told = self._relay.conditions
        loss_step = {"right": LOSS_STEP, "left": -LOSS_STEP}.get(key)
        jitter_step_ms = {"+": JITTER_STEP_MS, "-": -JITTER_STEP_MS}.get(key)
        if key in ("1", "2", "3"):
            _choose(self._comparison, ("original", "codec", "opus")[int(key) - 1])
        elif loss_step:
            loss = min(max(0.0, round(told.loss + loss_step, 3)), MOST_LOSS)
            self._relay.conditions = replace(told, loss=loss)
        elif jitter_step_ms:
            jitter_ms = min(max(0.0, told.jitter_ms + jitter_step_ms), MOST_JITTER_MS)
            self._relay.conditions = replace(told, jitter_ms=jitter_ms)
        else:
            super().press(key)

    def lines(self) -> list[str]:
        """Return the present state: the versions, the network, and the call."""
        told, opus_kbps = self._relay.conditions, self._comparison.opus_kbps
        names = {"original": "original", "codec": self.codec.name, "opus": f"Opus {opus_kbps:g}"}
        heard = "   ".join(
            f"[{names[version]}]" if version == self._comparison.heard else f" {names[version]} "
            for version in self._comparison.versions
        )
        rate = f"   {told.rate_kbps:g} kbit/s" if told.rate_kbps else ""
        network = (
            f"net  loss {100 * told.loss:.0f} % in bursts of {told.burst:g}   delay "
            f"{told.delay_ms:.0f} ms   jitter {told.jitter_ms:.0f} ms{rate}"
        )
        return [f"hear {heard}", network, *super().lines()]

    def figures(self) -> dict[str, Any]:
        """Return the figures of the call, the network and the versions."""
        return super().figures() | {
            "network": self._relay.conditions.__dict__,
            "heard": str(self._comparison.heard),
            "versions": [str(version) for version in self._comparison.versions],
            "opus_kbps": self._comparison.opus_kbps,
        }


def _comparison(codec: CodecModel) -> tuple[Comparison, str]:
    """Return the comparison, with Opus if it can be played, and else a line that says why not."""
    from rtaudio.live.comparison import Comparison

    try:
        return Comparison(codec), ""
    except (MetricsError, ParameterError) as error:
        return Comparison(codec, opus=False), f"Opus is left out: {error}"


def _choose(comparison: Comparison, name: str) -> bool:
    """Hear a version; False if there is none of that name."""
    for version in comparison.versions:
        if version == name:
            comparison.heard = version
            return True
    return False
