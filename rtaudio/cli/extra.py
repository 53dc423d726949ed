"""Calls from verbs into `training` and `export`, which need the packages of the extra ``train``."""

from __future__ import annotations

import importlib
from typing import Any

from rtaudio.errors import UsageError


def call_extra(module: str, function: str, *arguments: Any, **options: Any) -> None:
    """Call a function that needs the extra ``train``.

    The module is imported by its name in a string, so that ``rtaudio`` itself does not depend on
    ``training`` and ``export``.

    Parameters
    ----------
    module, function
        The module, such as ``"training.cli"``, and the name of its function.
    *arguments, **options
        Arguments of the function.

    Raises
    ------
    UsageError
        A package of the extra is not installed.
    """
    try:
        getattr(importlib.import_module(module), function)(*arguments, **options)
    except ModuleNotFoundError as error:
        name = error.name or ""
        if name.partition(".")[0] in ("rtaudio", "training", "export"):
            raise
        raise UsageError(
            f"this verb needs {name}, which is not installed; pip install 'rtaudio[train]'"
        ) from None
