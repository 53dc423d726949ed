"""What can go wrong: the errors of rtaudio, each reported in one line.

Every error says what is wrong, where, and what to do about it::

    RtaudioError (a ValueError)
     +-- ParameterError      a value that an effect, a host or a function does not take
     +-- PresetError         a preset that cannot be played
     +-- ModelError          a model that cannot be played
     |    +-- ContractError  a model file that breaks the streaming contract
     |    +-- FormatError    a third-party model file that is damaged or unknown
     +-- AudioError          sound that cannot be played
     |    +-- AudioFileError a sound file that cannot be read or written
     +-- CodecError          codes that cannot be decoded
     |    +-- PacketError    a datagram that is no packet of this codec
     |    +-- CodecFileError a coded file that is damaged, foreign or of another model
     +-- PluginError         a plugin that cannot be loaded or played
     +-- DeviceError         a sound device that is absent, busy, lost, or refuses the settings
     +-- CaptureError        a recording of gear that is no good to learn from
     +-- ClusterError        a cluster that cannot be reached, or cannot do the work
     +-- SettingsError       settings of this machine that cannot be understood
     +-- MetricsError        a measurement that cannot be made
     +-- UsageError          words of the command line that do not fit together
     +-- export.errors.ExportError, export.errors.ParityError
     +-- training.config.ConfigError, training.checkpoint.CheckpointError
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, get_args

if TYPE_CHECKING:
    from pydantic import ValidationError

USER, BUG = 2, 1
"""Exit status of the command line: a fault of the input, and one of rtaudio."""

Location = tuple[int | str, ...]

_RANGE = ("greater_than_equal", "less_than_equal", "greater_than", "less_than")
"""Pydantic's names for a value out of range."""
_NO_NUMBER = (
    "finite_number",
    "float_parsing",
    "float_type",
    "int_parsing",
    "int_parsing_size",
    "int_type",
)


class RtaudioError(ValueError):
    """Base of all errors that the user can mend: one line with what, where and the remedy."""


class ParameterError(RtaudioError):
    """A value that is not taken: ``effect.parameter = value`` and why.

    Attributes
    ----------
    fault
        The fault as pydantic reports it, if pydantic found it.
    """

    def __init__(self, text: str, fault: Any = None) -> None:
        super().__init__(text)
        self.fault = fault


class PresetError(RtaudioError):
    """A preset that cannot be played: file, line, key, value and the remedy."""


class ModelError(RtaudioError):
    """A model that cannot be played."""


class ContractError(ModelError):
    """A model file that breaks the streaming contract: the file, the fault and the remedy."""


class FormatError(ModelError):
    """A third-party model file that cannot be read: the file, the fault and the remedy."""


class AudioError(RtaudioError):
    """Sound that cannot be played: a wrong shape, no frames, samples that are not finite."""


class AudioFileError(AudioError):
    """A sound file that cannot be read or written: the file, the fault and the remedy."""


class CodecError(RtaudioError):
    """Codes that cannot be decoded: damaged, foreign, or of another model."""


class PacketError(CodecError):
    """A datagram that is no packet of this codec: what is wrong with its bytes."""


class CodecFileError(CodecError):
    """A coded file that cannot be read or written: the file, the fault and the remedy."""


class PluginError(RtaudioError):
    """A plugin that cannot be loaded or played: which one, why, and the remedy."""


class DeviceError(RtaudioError):
    """A sound device that is absent, busy, lost, or refuses the settings."""


class CaptureError(RtaudioError):
    """A recording of gear that is no good to learn from: what is wrong, and the remedy."""


class ClusterError(RtaudioError):
    """A cluster that cannot be reached, or a machine of it that cannot do the work."""


class SettingsError(RtaudioError):
    """Settings of this machine that cannot be understood: the file, the key and the remedy."""


class MetricsError(RtaudioError):
    """A measurement that cannot be made: what is missing, and the remedy."""


class UsageError(RtaudioError):
    """Words of the command line that do not fit together."""


# One wording for each kind of fault.


def closest(word: str, known: Iterable[str]) -> str:
    """Return the clause that helps with a misspelt word: the nearest known one, else all.

    Parameters
    ----------
    word
        What was written.
    known
        What could have been.

    Examples
    --------
    >>> closest("gian", ["gain", "limiter"])
    "did you mean 'gain'?"
    """
    names = list(known)
    near = difflib.get_close_matches(word, names, 1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}"


def span(low: float | None, high: float | None, unit: str = "") -> str:
    """Return a range with its unit.

    Parameters
    ----------
    low, high
        Its ends; None: open.
    unit
        Its unit.

    Examples
    --------
    >>> span(-80.0, 40.0, "dB"), span(0.0, None)
    ('-80 .. 40 dB', '0 or more')
    """
    low_text, high_text = ("" if end is None else _number(end) for end in (low, high))
    if high is None:
        return f"{low_text} {unit}".strip() + " or more"
    if low is None:
        return f"{high_text} {unit}".strip() + " or less"
    return f"{low_text} .. {high_text} {unit}".strip()


def _number(value: float) -> str:
    return f"{value:g}" if abs(value) < 1e6 else f"{value:,.0f}"


def out_of_range(
    key: str, value: object, low: float | None, high: float | None, unit: str = ""
) -> str:
    """Return the message of a value out of range.

    Parameters
    ----------
    key
        What has the value: ``effect.parameter``, an option, a key of a file.
    value
        As the user wrote it.
    low, high
        The range; None: no limit on that side.
    unit
        Its unit.

    Examples
    --------
    >>> out_of_range("amp.gain_db", 99, -80.0, 40.0, "dB")
    'amp.gain_db = 99 is out of range -80 .. 40 dB'
    """
    colon = ":" if low is None or high is None else ""
    return f"{key} = {value} is out of range{colon} {span(low, high, unit)}"


def shortened(text: str, longest: int = 40) -> str:
    """Return a text, cut with three dots if it is too long.

    Parameters
    ----------
    text
        Any text.
    longest
        Number of characters that fit.
    """
    return text if len(text) <= longest else text[: longest - 3] + "..."


def field_span(model: type[Any], location: Location) -> str:
    """Return the range of a pydantic field with its unit; empty if it has none.

    Parameters
    ----------
    model
        The class.
    location
        Path of the field, as pydantic reports it.
    """
    field: Any = None
    inner: Any = model
    for part in location:
        if isinstance(part, int):
            continue
        field = _fields(inner).get(part)
        if field is None:
            return ""
        types = [field.annotation, *get_args(field.annotation)]
        inner = next((t for t in types if hasattr(t, "model_fields")), None)
    if field is None:
        return ""
    low = next((m.ge for m in field.metadata if hasattr(m, "ge")), None)
    high = next((m.le for m in field.metadata if hasattr(m, "le")), None)
    if low is None and high is None:
        return ""
    return span(low, high, (field.json_schema_extra or {}).get("unit", ""))


def _fields(model: Any) -> dict[str, Any]:
    """Return the fields of a pydantic class by their names, and by those that files use."""
    fields = dict(getattr(model, "model_fields", {}))
    return fields | {field.alias: field for field in fields.values() if field.alias}


def fault_text(
    fault: Any, key: str, model: type[Any] | None = None, shown: str | None = None
) -> str:
    """Return the message of a fault that pydantic found.

    Parameters
    ----------
    fault
        One of ``ValidationError.errors()``.
    key
        What the value is called; empty for the whole.
    model
        The class that was validated, for the ranges of its fields.
    shown
        The value as the user wrote it; None: as Python shows it.

    Examples
    --------
    >>> fault_text({"type": "missing", "loc": ("file",), "msg": "", "input": {}}, "model.file")
    'model.file is missing; give it a value'
    """
    if shown is None:
        value = fault["input"]
        text = f"{value:g}" if isinstance(value, float) else " ".join(repr(value).split())
        shown = shortened(text)
    limits = field_span(model, fault["loc"]) if model is not None else ""
    fields = model.model_fields if model is not None else {}
    what = f"{key} = {shown}" if key else shown
    context = fault.get("ctx", {})
    match fault["type"]:
        case "missing" | "missing_argument":
            return f"{key} is missing; give it a value"
        case "extra_forbidden" | "unexpected_keyword_argument" | "no_such_attribute":
            known = [field.alias or key for key, field in fields.items()]
            near = difflib.get_close_matches(str(fault["loc"][-1]), known, 1)
            remedy = f"did you mean {near[0]!r}?" if near else "remove it"
            return f"{key}: unknown key; {remedy}"
        case kind if kind in _RANGE:
            if limits:
                return f"{what} is out of range {limits}"
            word = {"ge": "at least", "le": "at most", "gt": "more than", "lt": "less than"}
            bound = next(name for name in word if name in context)
            return f"{what} must be {word[bound]} {context[bound]:g}"
        case kind if kind in _NO_NUMBER:
            return f"{what} is not a number" + (limits and f" in {limits}")
        case "int_from_float":
            return f"{what} is not a whole number"
        case "bool_parsing" | "bool_type":
            return f"{what} is neither true nor false"
        case "string_type":
            return f"{what} is not text; put it in quotes"
        case "literal_error":
            return f"{what} is not one of {context['expected'].replace(' or ', ', ')}"
        case "too_short":
            return f"{key} needs {context['min_length']} or more items"
        case "too_long":
            return f"{key} takes {context['max_length']} items at most"
        case "list_type" | "tuple_type":
            return f"{what} is not a list"
        case "is_instance_of":
            name = context["class"]
            return f"{what} is not {'an' if name[0] in 'AEIOU' else 'a'} {name}"
        case "path_type":
            return f"{what} is not a path"
        case "dict_type" | "model_type" | "model_attributes_type":
            return f"{what} is not a mapping of keys to values"
        case "value_error":
            return f"{key}: {context['error']}" if key else str(context["error"])
    if fault["type"] in _of_pydantic():
        return f"{what} is not a value of the right kind"
    message = fault["msg"][:1].lower() + fault["msg"][1:]
    return f"{what}: {message}" if key else message


@cache
def _of_pydantic() -> frozenset[str]:
    """Return the kinds of faults whose words are pydantic's; others are ours."""
    from pydantic_core import core_schema

    return frozenset(get_args(core_schema.ErrorType))


def first_fault(error: ValidationError, model: type[Any], root: str = "") -> str:
    """Return the first fault of a ``ValidationError`` in words, with the key that has it.

    Parameters
    ----------
    error
        What pydantic raised.
    model
        The class that was validated.
    root
        What the whole is called; it stands in front of the key.
    """
    fault = error.errors()[0]
    return fault_text(fault, dotted(root, fault["loc"]), model)


def dotted(root: str, location: Location) -> str:
    """Return the name of a place.

    Parameters
    ----------
    root
        Name of the whole; may be empty.
    location
        Keys and indices, as pydantic reports them.

    Examples
    --------
    >>> dotted("preset", ("chain", 0, "gain_db"))
    'preset.chain[0].gain_db'
    """
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return (root + "".join(parts)).removeprefix(".")


# Messages of the command line.


def explain(error: Exception) -> tuple[str, int]:
    """Return the message for any exception, in one line, and the exit status.

    Returns
    -------
    line, status
        The line, and `USER` or `BUG`.
    """
    if hasattr(error, "format_message"):  # the command line's own
        return _flat(_of_option(error)), USER
    if isinstance(error, OSError):
        return _flat(_of_system(error)), USER
    if isinstance(error, ValueError):
        first = getattr(error, "errors", None)
        if callable(first):  # pydantic.ValidationError
            fault = first()[0]
            return _flat(fault_text(fault, dotted("", fault["loc"]))), USER
        return _flat(str(error)), USER
    if isinstance(error, MemoryError):
        return "not enough memory for this; use a shorter file", USER
    if type(error).__module__.partition(".")[0] in ("rtaudio", "export", "training"):
        return _flat(str(error)), USER
    kind = type(error).__name__
    return _flat(f"rtaudio failed ({kind}: {error}); see where with: rtaudio --debug ..."), BUG


def plain(text: str) -> str:
    """Put a text on one line; control characters become spaces, so that none moves the cursor."""
    return "".join(c if c.isprintable() else " " for c in text)


def _flat(text: str) -> str:
    return " ".join(plain(text).split())


def _of_option(error: Any) -> str:
    """Return a fault of an option or argument in the usual words."""
    faults, parameter = getattr(error.__cause__, "errors", None), getattr(error, "param", None)
    if parameter is None or not callable(faults):
        return str(error.format_message())
    fault = faults()[0]
    key, shown = parameter.opts[0], shortened(str(fault["input"]))
    if fault["type"] in _RANGE:
        return out_of_range(key, shown, parameter.min, parameter.max)
    return fault_text(fault, key, shown=shown)


def _of_system(error: OSError) -> str:
    if error.strerror is None:
        return str(error)
    reason = error.strerror[:1].lower() + error.strerror[1:]
    return f"{error.filename}: {reason}" if error.filename is not None else reason
