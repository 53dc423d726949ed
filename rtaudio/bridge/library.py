"""The library pedalboard: imported here only, when it is first needed."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

from rtaudio.errors import PluginError

NO_PEDALS = ("AudioUnitPlugin", "ExternalPlugin", "IIRFilter", "Plugin", "VST3Plugin")
"""Its plugins that are no effect by themselves: the bases, and those that load a file."""


def pedalboard() -> Any:
    """Return the module ``pedalboard``.

    Raises
    ------
    PluginError
        It is not installed.
    """
    if importlib.util.find_spec("pedalboard") is None:
        raise PluginError(
            "pedalboard, which plays plugins, is not installed; pip install 'rtaudio[pedalboard]'"
        )
    import pedalboard

    return pedalboard


def is_of_pedalboard(thing: object) -> bool:
    """Say whether an object is a plugin of pedalboard, without importing it."""
    known = sys.modules.get("pedalboard")
    return known is not None and isinstance(thing, known.Plugin)


def built_in_effects() -> dict[str, type[Any]]:
    """Return the effects that come with pedalboard: name of the class -> class.

    Raises
    ------
    PluginError
        pedalboard is not installed.
    """
    library = pedalboard()
    container = library.Pedalboard.__mro__[2]
    return {
        name: cls
        for name, cls in sorted(vars(library).items())
        if isinstance(cls, type)
        and issubclass(cls, library.Plugin)
        and not issubclass(cls, container)
        and name == cls.__name__
        and name not in NO_PEDALS
    }
