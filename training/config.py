"""Configurations of training runs: YAML files, checked before anything is computed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Discriminator, Field, ValidationError

from rtaudio.errors import RtaudioError
from training.models import net_arguments, net_class

__all__ = [
    "ConfigError",
    "DataSection",
    "NetConfig",
    "RunConfig",
    "Section",
    "check_net",
    "check_there",
    "load_config",
    "read_yaml",
]

Form = TypeVar("Form", bound=BaseModel)
AnyRun = TypeVar("AnyRun", bound="RunConfig")


class ConfigError(RtaudioError):
    """A configuration or run folder that cannot be used; one line with place, fault and remedy."""


class Section(BaseModel):
    """Base of every part of a configuration: unknown keys, NaN and later changes are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataSection(Section):
    """Base of every section ``data``.

    A relative ``root`` counts from the configuration file, unless the environment variable
    RTAUDIO_DATA names the data folder.
    """

    root: str

    def placed(self, path: Path) -> Self:
        """Return the section with ``root`` as an absolute path.

        Parameters
        ----------
        path
            The file it was read from.

        Raises
        ------
        ConfigError
            No such folder.
        """
        root = Path(os.environ.get("RTAUDIO_DATA") or path.parent / self.root).resolve()
        check_there(path, "data.root", root)
        return self.model_copy(update={"root": str(root)})


class NetConfig(BaseModel):
    """The net: its type (see `training.models.NETS`) and the arguments of its class."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    type: str

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of the class, by name."""
        return dict(self.model_extra or {})


class RunConfig(Section):
    """Base of the configuration of every task.

    The one of a task derives from it, makes ``task`` the literal of its name, and adds net, loss
    and schedule as needed. The run is written to ``folder``, or to ``runs/<name>`` of the working
    folder if that is empty.
    """

    task: str
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    description: str
    license: str
    seed: int = 0
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    folder: str = ""
    data: DataSection

    @property
    def run_folder(self) -> Path:
        """The folder of the run."""
        return Path(self.folder or f"runs/{self.name}")

    def resolved(self, path: Path) -> Self:
        """Return the configuration with ``data.root`` as an absolute path.

        Parameters
        ----------
        path
            The file it was read from: relative paths count from there, and messages name it.

        Raises
        ------
        ConfigError
            Something that the configuration names is not there.
        """
        return self.model_copy(update={"data": self.data.placed(path)})


def load_config(path: str | Path, form: type[AnyRun]) -> AnyRun:
    """Read and check the configuration of a run; ``data.root`` comes back as an absolute path.

    Parameters
    ----------
    path
        The YAML file.
    form
        The configuration class of its task.

    Raises
    ------
    ConfigError
        Not YAML, an unknown or missing key, a value out of range, a missing folder or file.
    FileNotFoundError
        No such file.

    Examples
    --------
    >>> from training.guitar.config import GuitarConfig
    >>> load_config("training/configs/crunch.yaml", GuitarConfig).name   # doctest: +SKIP
    'crunch'
    """
    path = Path(path)
    return read_yaml(path, form).resolved(path)


def read_yaml(path: Path, form: type[Form]) -> Form:
    """Read a YAML file into a pydantic model.

    Parameters
    ----------
    path
        The file.
    form
        The class of the model.

    Raises
    ------
    ConfigError
        Not YAML, or content that the class refuses; the text names file and key.
    FileNotFoundError
        No such file.
    """
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: no keys; see training/configs for the form")
    try:
        return form.model_validate(content)
    except ValidationError as error:
        fault = error.errors()[0]
        place = [str(part) for part in fault["loc"]]
        if place[:1] == ["data"] and _has_kinds(form):
            del place[1:2]  # pydantic's tag of the kind of data, which no file contains
        raise ConfigError(f"{path}: {'.'.join(place) or 'as a whole'}: {fault['msg']}") from None


def _has_kinds(form: type[BaseModel]) -> bool:
    """Whether the section ``data`` is a union of kinds with different keys."""
    return any(isinstance(part, Discriminator) for part in form.model_fields["data"].metadata)


def check_net(path: Path, net: NetConfig) -> None:
    """Raise `ConfigError` if there is no such net, or its class refuses these arguments.

    Parameters
    ----------
    path
        The file of the configuration, for the message.
    net
        Its section ``net``.
    """
    try:
        arguments = net_arguments(net_class(net.type))
    except ValueError as error:
        raise ConfigError(f"{path}: net.type: {error}") from None
    try:
        arguments.model_validate(net.arguments)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(["net", *(str(part) for part in fault["loc"])])
        raise ConfigError(f"{path}: {key}: {fault['msg']}") from None


def check_there(path: Path, key: str, place: Path) -> None:
    """Raise `ConfigError` if ``place``, which a key of the file ``path`` names, is missing.

    Parameters
    ----------
    path
        The file of the configuration, for the message.
    key
        The key that names the place, for the message.
    place
        The file or folder.
    """
    if not place.exists():
        raise ConfigError(
            f"{path}: {key}: {place} does not exist; correct it, or name the data folder in the "
            "environment variable RTAUDIO_DATA"
        )
