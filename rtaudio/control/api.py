"""The programming interface: JSON over HTTP, and a WebSocket for changes and meters."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from rtaudio.control.desk import SWITCHES, Desk
from rtaudio.control.devices import SOUNDS
from rtaudio.control.feed import Listener
from rtaudio.control.plain import dumped, finite, finite_dict
from rtaudio.control.rig import BLOCKS, device_names
from rtaudio.control.shelf import effects_to_add, presets_to_open
from rtaudio.errors import RtaudioError, explain
from rtaudio.mastering.find_goal import find_goal

api = APIRouter(prefix="/api")

Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Place = Annotated[int, Field(ge=0, le=1000)]


class Body(BaseModel):
    """Base of the bodies of requests: nothing unknown, no infinite numbers."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Value(Body):
    """The value of a parameter, in natural units."""

    value: float | bool
    source: str | None = Field(None, max_length=64)


class NewEffect(Body):
    """What to put into the chain, and where."""

    word: Name
    place: Place


class Move(Body):
    """Where to move an effect."""

    to: Place


class Named(Body):
    """A name."""

    name: Name


class Learn(Body):
    """The parameter to learn a control for; null: none any more."""

    name: Name | None = None


class Switches(Body):
    """Switches to set; those left out stay."""

    muted: bool | None = None
    talking: bool | None = None
    tuning: bool | None = None
    comparing: bool | None = None
    assisting: bool | None = None
    side: Literal["A", "B"] | None = None


class DeviceChoice(Body):
    """A device by its number or name, and frames per block."""

    device: Name | None = None
    block: int | None = Field(None, ge=1, le=8192)


def _desk(request: Request | WebSocket) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


@api.get("/state")
def read_state(request: Request) -> dict[str, Any]:
    """Everything but the meters: chain, parameters, switches, presets, device."""
    return finite_dict(_desk(request).state())


@api.get("/statistics")
def read_statistics(request: Request) -> dict[str, Any]:
    """Meters, load, missed blocks and latency."""
    return finite_dict(_desk(request).reading())


# Parameters.


@api.get("/parameters")
def read_parameters(request: Request) -> dict[str, Any]:
    """Every parameter with value, range, default, unit and scale."""
    return finite_dict(_desk(request).state()["parameters"])


@api.put("/parameters/{name}")
def set_parameter(request: Request, name: str, body: Value) -> dict[str, float]:
    """Set a parameter; the sound ramps to it."""
    return {"value": _desk(request).session.set(name, body.value, source=body.source)}


@api.delete("/parameters/{name}")
def reset_parameter(request: Request, name: str) -> dict[str, float]:
    """Set a parameter to its default."""
    session = _desk(request).session
    session.reset(name)
    return {"value": session.parameters()[name].value}


@api.post("/undo")
def undo(request: Request) -> dict[str, str | None]:
    """Undo the last change; the answer says which one."""
    return {"undone": _desk(request).session.undo()}


@api.post("/redo")
def redo(request: Request) -> dict[str, str | None]:
    """Do again what was undone."""
    return {"redone": _desk(request).session.redo()}


# The chain.


@api.get("/effects")
def read_effects() -> list[dict[str, str]]:
    """List what can be added to the chain."""
    return effects_to_add()


@api.get("/chain")
def read_chain(request: Request) -> list[dict[str, Any]]:
    """List the effects that play, in order."""
    chain: list[dict[str, Any]] = _desk(request).chain()
    return chain


@api.post("/chain", status_code=201)
def add_effect(request: Request, body: NewEffect) -> None:
    """Put an effect into the chain; the word is one of `/api/effects`."""
    if body.word not in [entry["word"] for entry in effects_to_add()]:
        raise HTTPException(404, f"{body.word}: no such effect; /api/effects lists them")
    _desk(request).session.add(body.word, body.place)


@api.delete("/chain/{place}")
def remove_effect(request: Request, place: int) -> None:
    """Take an effect out."""
    _desk(request).session.remove(place)


@api.post("/chain/{place}/move")
def move_effect(request: Request, place: int, body: Move) -> None:
    """Move an effect to another place."""
    _desk(request).session.move(place, body.to)


# Presets.


@api.get("/presets")
def read_presets() -> list[dict[str, Any]]:
    """List the presets."""
    return presets_to_open()


@api.post("/presets/{name}/open")
def open_preset(request: Request, name: str) -> None:
    """Cross-fade to a preset."""
    _known_preset(name)
    _desk(request).session.open(name)


@api.post("/presets/step")
def step_preset(request: Request, direction: Literal["-1", "1"] = "1") -> None:
    """Cross-fade to a neighbour in the list."""
    _desk(request).session.step_preset(int(direction))


@api.post("/presets/save")
def save_preset(request: Request) -> dict[str, str]:
    """Save what plays, beside its source; nothing is overwritten."""
    return {"name": _saved(request, _desk(request).session.save())}


@api.post("/presets")
def save_preset_as(request: Request, body: Named) -> dict[str, str]:
    """Save what plays under a name, in the user's folder."""
    return {"name": _saved(request, _desk(request).session.save_as(body.name))}


@api.post("/presets/{name}/rename")
def rename_preset(request: Request, name: str, body: Named) -> dict[str, str]:
    """Rename a preset of the user."""
    _known_preset(name)
    return {"name": _saved(request, _desk(request).session.rename(name, body.name))}


def _saved(request: Request, path: Path) -> str:
    _desk(request).feed.renew()
    return path.stem


def _known_preset(name: str) -> None:
    """Refuse what is no preset of the list, such as a path."""
    if name not in [preset["name"] for preset in presets_to_open()]:
        raise HTTPException(404, f"{name}: no such preset")


# Switches.


@api.get("/switches")
def read_switches(request: Request) -> dict[str, Any]:
    """Read mute, push-to-talk, tuner, compare, whether the assistant listens, and A or B."""
    session = _desk(request).session
    return {name: getattr(session, name) for name in SWITCHES}


@api.patch("/switches")
def set_switches(request: Request, body: Switches) -> dict[str, Any]:
    """Set some of the switches."""
    for name, value in body.model_dump(exclude_none=True).items():
        setattr(_desk(request).session, name, value)
    return read_switches(request)


@api.put("/style")
def choose_style(request: Request, body: Named) -> dict[str, str]:
    """Choose the style that the average spectrum of a master is shown beside."""
    desk = _desk(request)
    if body.name not in desk.state()["styles"]:
        raise HTTPException(404, f"{body.name}: no such style; the state lists them")
    find_goal(body.name)
    desk.feed.style = body.name
    desk.feed.renew()
    return {"style": body.name}


@api.get("/tuner")
def read_tuner(request: Request) -> dict[str, Any]:
    """Read the pitch that is played: note, cents, hertz; null if none is clear."""
    return {"tuning": finite(_desk(request).session.host.tuning())}


@api.post("/learn")
def learn(request: Request, body: Learn) -> None:
    """Let the next control that moves on a MIDI controller turn a parameter; null ends it."""
    _desk(request).session.learn(body.name)


# Files.


@api.post("/files/open", status_code=201)
async def open_file(request: Request, name: Annotated[Name, Query()]) -> dict[str, str]:
    """Take a model or an impulse response as body, and play it."""
    desk = _desk(request)
    use = "response" if Path(name).suffix.lower() in SOUNDS else "model"
    async with desk.inbox.receive(name, use, request.stream()) as arrived:
        return {"said": await asyncio.to_thread(desk.play_file, arrived, use)}


@api.post("/files/source", status_code=201)
async def play_source(request: Request, name: Annotated[Name, Query()]) -> dict[str, str]:
    """Take a sound file as body, and play it over and over into the chain."""
    desk = _desk(request)
    async with desk.inbox.receive(name, "sound", request.stream()) as arrived:
        await asyncio.to_thread(desk.rig.play, arrived)
    desk.feed.renew()
    return {"playing": desk.rig.state.playing}


@api.delete("/source")
def end_source(request: Request) -> None:
    """Play the input of the device again."""
    _desk(request).rig.play(None)
    _desk(request).feed.renew()


@api.get("/records")
def read_records(request: Request) -> list[str]:
    """List the records that can be downloaded, the newest first."""
    return [path.name for path in _desk(request).rig.records()]


@api.post("/records")
def start_record(request: Request) -> dict[str, str]:
    """Record the output from now on."""
    path = _desk(request).rig.start_record()
    _desk(request).feed.renew()
    return {"name": path.name}


@api.post("/records/end")
def end_record(request: Request) -> dict[str, str | None]:
    """End the record; the answer has the name to download."""
    path = _desk(request).rig.end_record()
    _desk(request).feed.renew()
    return {"name": path.name if path else None}


@api.get("/records/{name}")
def download_record(request: Request, name: str) -> FileResponse:
    """Download a record."""
    found = {path.name: path for path in _desk(request).rig.records()}
    if name not in found:
        raise HTTPException(404, f"{name}: no such record")
    return FileResponse(found[name], media_type="audio/wav", filename=name)


# The device.


@api.get("/devices")
def read_devices() -> dict[str, Any]:
    """List devices and block sizes."""
    return {"devices": device_names(), "blocks": BLOCKS}


@api.post("/device")
def choose_device(request: Request, body: DeviceChoice) -> dict[str, Any]:
    """Restart on another device, or with another block size; the sound pauses."""
    wanted = body.device
    device = int(wanted) if wanted and wanted.isascii() and wanted.isdigit() else wanted
    _desk(request).rig.restart(device, body.block)
    _desk(request).feed.renew()
    return finite_dict(_desk(request).state()["rig"])


# Changes and meters.


@api.websocket("/live")
async def live(socket: WebSocket, spectrum: bool = False) -> None:
    """Send the state, then changes, and 20 readings a second; take changes of parameters."""
    desk = _desk(socket)
    await socket.accept()
    with desk.feed.listener(spectrum) as listener:
        sender = asyncio.create_task(_send(socket, desk, listener))
        talks = False
        try:
            async for text in socket.iter_text():
                try:
                    order = Order.model_validate_json(text)
                    # A link that ends amid an order may have opened the microphone.
                    talks = talks or order.talking is True
                    await _obey(desk, listener, order)
                    talks = talks and order.talking is not False
                except (RtaudioError, ValueError, TypeError, RecursionError) as error:
                    listener.tell(dumped({"type": "refused", "text": explain(error)[0]}))
        finally:
            if talks:  # nobody holds the button any more; a restart may let it wait, not the others
                loop = asyncio.get_running_loop()
                loop.run_in_executor(None, setattr, desk.session, "talking", False)
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                await sender


async def _send(socket: WebSocket, desk: Desk, listener: Listener) -> None:
    while True:
        try:
            messages = await listener.messages(desk.state_message)
        except RtaudioError:  # the host has been stopped: the page connects anew
            await socket.close(1011)
            return
        for message in messages:
            if isinstance(message, bytes):
                await socket.send_bytes(message)
            else:
                await socket.send_text(message)


class Order(Body):
    """A message of a listener: a parameter to set, a switch, or whether it wants spectra."""

    set: Name | None = None
    value: float | bool = 0.0
    source: str | None = Field(None, max_length=64)
    spectrum: bool | None = None
    talking: bool | None = None


async def _obey(desk: Desk, listener: Listener, order: Order) -> None:
    """Act on a message."""
    if order.spectrum is not None:
        listener.spectrum = order.spectrum
    if order.set is not None:
        await asyncio.to_thread(desk.session.set, order.set, order.value, source=order.source)
    if order.talking is not None:
        await asyncio.to_thread(setattr, desk.session, "talking", order.talking)
