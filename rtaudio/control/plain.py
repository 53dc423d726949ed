"""Plain data: what a session has, as JSON knows it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any


def dumped(data: Any) -> str:
    """Return plain data as JSON; infinite levels and what is no number become null."""
    return json.dumps(finite(data), allow_nan=False)


def finite(data: Any) -> Any:
    """Return data as JSON knows it; infinite levels and what is no number become None."""
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, Mapping):
        return {str(key): finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [finite(value) for value in data]
    if isinstance(data, Path):
        return str(data)
    if is_dataclass(data) and not isinstance(data, type):
        return finite(asdict(data))
    return data


def finite_dict(data: Any) -> dict[str, Any]:
    """Return a record or mapping as JSON knows it."""
    found: dict[str, Any] = finite(data)
    return found
