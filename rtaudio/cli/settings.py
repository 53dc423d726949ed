"""``rtaudio settings``: show or change the settings of this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from rtaudio.view import terminal


def settings(
    interface_dbu: Annotated[
        float | None,
        typer.Option(
            min=-20.0,
            max=40.0,
            help="Maximum input level of the interface: the level in dBu that reads 0 dBFS.",
        ),
    ] = None,
    json: terminal.Json = False,
) -> None:
    """Show the settings of this machine; with an option, change them first."""
    from rtaudio.settings import Settings, load_settings, save_settings, settings_path

    if interface_dbu is not None:
        save_settings(Settings(interface_dbu=interface_dbu))
    found = load_settings()
    if json:
        terminal.print_json({"file": settings_path(), **found.model_dump()})
        return
    assumed = "" if settings_path().is_file() else ", assumed; see the manual of your interface"
    rows = [("interface_dbu", f"{found.interface_dbu:g} dBu reads 0 dBFS{assumed}")]
    terminal.print_table(str(settings_path()), ["setting", ""], rows, text=True)
