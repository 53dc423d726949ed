"""Settings of the user's machine, which hold for everything that is played on it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rtaudio.atomic import replacing
from rtaudio.errors import SettingsError, first_fault
from rtaudio.runtime.folders import user_settings


class Settings(BaseModel):
    """The settings of this machine; :func:`settings_path` is their file.

    Parameters
    ----------
    interface_dbu
        Level of a sine at the input of the audio interface that reads 0 dBFS, -20 .. 40 dBu. Data
        sheets call it "maximum input level"; 12 dBu is usual for an instrument input.

    Raises
    ------
    SettingsError
        A value is out of range, or a key unknown.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    interface_dbu: float = Field(12.0, ge=-20.0, le=40.0, json_schema_extra={"unit": "dBu"})

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise SettingsError(first_fault(error, type(self))) from None


def settings_path() -> Path:
    """Return the path of the settings file, which may not exist.

    Raises
    ------
    SettingsError
        The user has no home directory, as in some containers.
    """
    folder = user_settings()
    if folder is None:
        variable = {"win32": "APPDATA", "darwin": "HOME"}.get(sys.platform, "XDG_CONFIG_HOME")
        raise SettingsError(f"this user has no home directory; set {variable} to a folder")
    return folder / "rtaudio" / "settings.yaml"


def load_settings() -> Settings:
    """Read the settings; without a file or a home directory, return the defaults.

    Raises
    ------
    SettingsError
        The file is not valid: one line with the file, the fault and the remedy.

    Examples
    --------
    >>> load_settings().interface_dbu                                       # doctest: +SKIP
    12.0
    """
    if user_settings() is None or not (path := settings_path()).is_file():
        return Settings()
    try:
        found = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        raise SettingsError(f"{path}: not valid YAML; repair it or remove it") from None
    if not isinstance(found, dict):
        raise SettingsError(f"{path}: not a mapping of settings; repair it or remove it")
    try:
        return Settings(**{str(key): value for key, value in found.items()})
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None


def save_settings(settings: Settings) -> None:
    """Write the settings file, and create its folder if needed.

    Raises
    ------
    OSError
        The file cannot be written; an older one stays as it was.
    """
    path = settings_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(yaml.safe_dump(settings.model_dump()), "utf-8")
