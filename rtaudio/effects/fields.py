"""Fields: what an effect is set to, declared as annotations, checked, copied and shown.

Pydantic checks the values. It is no part of the interface: faults are reported in the words of
:mod:`rtaudio.errors`, and completion, ``help`` and type checkers see an effect's own names only.
"""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Self,
    TypedDict,
    dataclass_transform,
    get_args,
    get_origin,
)

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from rtaudio.errors import ParameterError, dotted, fault_text
from rtaudio.view.notebook import card

COMMON = ("name", "mix", "bypass")
"""The fields that every effect has; they are given by name only."""


class Common(TypedDict, total=False):
    """The keywords that every effect takes, for the signatures of constructors."""

    name: str
    mix: float
    bypass: bool


def parameter(default: Any, low: float, high: float, unit: str, description: str) -> Any:
    """Declare a parameter that can be changed while the effect plays.

    Parameters
    ----------
    default, low, high
        Start value and the inclusive range.
    unit
        ``"dB"``, ``"Hz"``, ``"ms"``, ``":1"`` or ``""`` for a plain number.
    description
        One line for help texts.
    """
    return Field(
        default,
        ge=low,
        le=high,
        description=description,
        json_schema_extra={"unit": unit, "live": True},
    )


if TYPE_CHECKING:

    class _Checked:
        """Stands for pydantic, which is not in the interface."""

        model_fields: ClassVar[dict[str, FieldInfo]]

        def __init__(self, **fields: Any) -> None: ...

else:

    class _Listing(type(BaseModel)):
        """A class lists what it adds, so that ``help`` of an effect fits on a screen."""

        def __dir__(cls) -> list[str]:
            known = {name for base in cls.__mro__[1:] for name in vars(base)}
            return sorted(n for n in vars(cls) if not n.startswith("_") and n not in known)

    class _Checked(BaseModel, metaclass=_Listing):
        pass


_OF_PYDANTIC = frozenset(vars(BaseModel)) - frozenset(vars(object))


@dataclass_transform(field_specifiers=(PrivateAttr,))
class Fields(_Checked):
    """Base of what has checked fields: a constructor, equality, copies, pickles and a short repr.

    The class's own fields are given by name, or by place in the order in which they are declared;
    those that all effects have (`COMMON`) by name. A wrong value, here or in a later assignment,
    raises :class:`~rtaudio.errors.ParameterError`.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True, allow_inf_nan=False)

    kind: ClassVar[str] = "effect"

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse true and false for a number, which pydantic would take for 1 and 0."""
        wanted = cls.model_fields[str(info.field_name)].annotation
        if isinstance(value, bool) and (wanted is float or float in get_args(wanted)):
            raise PydanticCustomError("float_type", "Input should be a valid number")
        return value

    def __init__(self, *values: Any, **fields: Any) -> None:
        given = {**self._by_place(values, fields), **fields}
        try:
            super().__init__(**given)
        except ValidationError as error:
            raise _parameter_error(error, type(self), given.get("name")) from None

    @classmethod
    def _by_place(cls, values: tuple[Any, ...], fields: Mapping[str, Any]) -> dict[str, Any]:
        names = cls._own_names()
        if len(values) > len(names):
            listed = f" but {', '.join(names)}" if names else ""
            raise ParameterError(
                f"{cls.kind} takes no value without a name{listed}; {len(values)} are given"
            )
        given = dict(zip(names, values, strict=False))
        if twice := given.keys() & fields.keys():
            raise ParameterError(f"{cls.kind}.{min(twice)} is given twice; remove one")
        return given

    @classmethod
    def _own_names(cls) -> list[str]:
        return [name for name in cls.model_fields if name not in COMMON]

    def __setattr__(self, name: str, value: Any) -> None:
        try:
            super().__setattr__(name, value)
        except ValidationError as error:
            raise _parameter_error(error, type(self), self.__dict__.get("name")) from None

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        cls.kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()
        cls.__signature__ = cls._signature()  # type: ignore[attr-defined]

    @classmethod
    def _signature(cls) -> inspect.Signature:
        """Return the constructor's signature: own fields, then those of every effect."""
        alone = cls.__init__ is Fields.__init__
        arguments = []
        if not alone:
            _, *declared = inspect.signature(cls.__init__).parameters.values()
            arguments = [each for each in declared if each.kind is not each.VAR_KEYWORD]
        names = [*cls._own_names(), *(name for name in COMMON if name in cls.model_fields)]
        for name in names:
            if any(each.name == name for each in arguments):
                continue
            field = cls.model_fields[name]
            by_place = alone and name not in COMMON
            kind = _ANYHOW if by_place else inspect.Parameter.KEYWORD_ONLY
            default = field.get_default(call_default_factory=True)
            default = inspect.Parameter.empty if field.is_required() else default
            arguments.append(
                inspect.Parameter(name, kind, default=default, annotation=field.annotation)
            )
        needed = [a for a in arguments if a.kind is _ANYHOW and a.default is a.empty]
        return inspect.Signature([*needed, *(a for a in arguments if a not in needed)])

    @classmethod
    def list_item(cls, key: str) -> type | None:
        """Return the type of the items of a list field, or None if the field is no list."""
        annotation = cls.model_fields[key].annotation
        if get_origin(annotation) is not list:
            return None
        item = get_args(annotation)[0]
        item = get_args(item)[0] if get_args(item) else item
        return item if isinstance(item, type) else None

    @classmethod
    def missing_argument(cls, values: Mapping[str, Any]) -> str | None:
        """Return the first argument that the constructor needs and ``values`` lack, or None."""
        for name, argument in inspect.signature(cls).parameters.items():
            named = argument.kind not in (argument.VAR_KEYWORD, argument.VAR_POSITIONAL)
            if named and argument.default is argument.empty and name not in values:
                return name
        return None

    def changed(self) -> dict[str, Any]:
        """Return the fields that are not at their default, or have none.

        Examples
        --------
        >>> Gain(gain_db=6.0).changed()
        {'gain_db': 6.0}
        """
        return {
            name: getattr(self, name)
            for name, field in type(self).model_fields.items()
            if field.is_required()
            or getattr(self, name) != field.get_default(call_default_factory=True)
        }

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]  # fields change

    def __reduce__(self) -> tuple[Any, ...]:
        return _made, (type(self), dict(self.__dict__))

    def __copy__(self) -> Self:
        make, arguments = self.__reduce__()
        return make(*arguments)  # type: ignore[no-any-return]

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        make, arguments = self.__reduce__()
        return make(*copy.deepcopy(arguments, memo))  # type: ignore[no-any-return]

    def __dir__(self) -> Iterable[str]:
        return sorted(set(super().__dir__()) - _OF_PYDANTIC | set(dir(object)))

    def __repr__(self) -> str:
        parts, settings = self._shown()
        words = [*map(repr, parts), *(f"{name}={text}" for name, text in settings.items())]
        return f"{type(self).__name__}({', '.join(words)})"

    def __str__(self) -> str:
        return repr(self)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: a table of what is not default."""
        parts, settings = self._shown()
        return card(type(self).__name__, settings, [part._repr_html_() for part in parts])

    def _shown(self) -> tuple[list[Fields], dict[str, str]]:
        """Return the effects inside this one, and the other changed fields as text."""
        parts: list[Fields] = []
        settings = {}
        for name, value in self.changed().items():
            if isinstance(value, list) and all(isinstance(item, Fields) for item in value):
                parts += value
            else:
                settings[name] = _text(value)
        return parts, settings


_ANYHOW = inspect.Parameter.POSITIONAL_OR_KEYWORD


def _made(cls: type[Fields], fields: Mapping[str, Any]) -> Fields:
    """Make an effect again from its fields: what a pickle and a copy do."""
    return cls(**fields)


def _text(value: Any) -> str:
    """Return a value as short as Python can read it."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: {_text(item)}' for key, item in value.items())}}}"
    return repr(str(value)) if isinstance(value, Path) else repr(value)


def _parameter_error(error: ValidationError, effect: type[Fields], name: object) -> ParameterError:
    """Return a fault that pydantic found, in the usual words."""
    fault = error.errors()[0]
    owner = name if isinstance(name, str) and name and name.isprintable() else effect.kind
    return ParameterError(fault_text(fault, dotted(owner, fault["loc"]), effect), fault)
